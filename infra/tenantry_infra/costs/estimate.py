"""Estimate of an environment's cost in a month, by stack and by item."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from typing_extensions import override

from ..environment import Environment
from ..stacks import Stack
from .cluster import list_cluster_charges
from .prices import PriceTable, UnitPrice
from .rules import RULES, USES, Charge

__all__ = ["CLUSTER", "Cost", "CostItem", "estimate_cluster", "estimate_environment", "estimate_stack"]

CLUSTER = "cluster"
"""Name of the cluster among the stacks: eksctl creates it after them."""


@dataclass(frozen=True)
class CostItem:
    """One line of an estimate.

    Parameters
    ----------
    price
        Price of a unit.
    count
        Number of things with this price.
    """

    price: UnitPrice
    count: Decimal

    @property
    def dollars(self) -> Decimal:
        """Return the cost in a month."""
        return self.price.usd * self.price.monthly_units * self.count


@dataclass(frozen=True)
class Cost:
    """Cost in a month.

    Parameters
    ----------
    items
        Lines of the estimate.
    unknown
        Names without a price or a rule, which the estimate leaves out.
    """

    items: tuple[CostItem, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def dollars(self) -> Decimal:
        """Return the sum of the items."""
        return sum((item.dollars for item in self.items), Decimal(0))

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.items + other.items, self.unknown + other.unknown)

    @override
    def __str__(self) -> str:
        left_out = f", without {', '.join(self.unknown)}" if self.unknown else ""
        return f"${self.dollars:,.0f} a month{left_out}"


def estimate_environment(environment: Environment) -> dict[str, Cost]:
    """Return the cost of each stack and of the cluster, in the order of their creation."""
    costs = {stack.name: estimate_stack(environment, stack) for stack in environment.stacks}
    return costs | {CLUSTER: estimate_cluster(environment)}


def estimate_stack(
    environment: Environment, stack: Stack, parameters: Mapping[str, str] | None = None
) -> Cost:
    """Return the cost of a stack.

    Parameters
    ----------
    environment
        The environment.
    stack
        The stack.
    parameters
        Other parameters than those of the environment, for example those of the existing stack.
    """
    parameters = environment.get_parameters(stack) if parameters is None else parameters
    values = {"AWS::Region": environment.get_region(stack), **parameters}
    charges, unknown = [*_list_use_charges(environment, stack.name)], []
    for resource in stack.template.list_resources(values).values():
        if rule := RULES.get(resource["Type"]):
            properties = stack.template.resolve(resource.get("Properties", {}), values)
            charges += rule(properties)
        else:
            unknown.append(resource["Type"])
    return _sum(charges, unknown)


def estimate_cluster(environment: Environment) -> Cost:
    """Return the cost of the cluster: control plane, nodes, volumes and logs."""
    return _sum([*list_cluster_charges(environment), *_list_use_charges(environment, CLUSTER)])


def _list_use_charges(environment: Environment, stack: str) -> Iterable[Charge]:
    return (
        Charge(use.price, getattr(environment.usage, use.field) * use.per)
        for use in USES
        if use.stack == stack
    )


def _sum(charges: Iterable[Charge], unknown: Iterable[str] = ()) -> Cost:
    """Return the cost of charges, with one item for each price."""
    prices = PriceTable.load().prices
    counts: Counter[str] = Counter()
    for charge in charges:
        counts[charge.price] += charge.count  # type: ignore[assignment]
    items = [CostItem(prices[name], Decimal(str(n))) for name, n in counts.items() if n and name in prices]
    missing = [name for name in counts if name not in prices]
    return Cost(tuple(items), tuple(sorted({*unknown, *missing})))
