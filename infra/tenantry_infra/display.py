"""Output of the commands: tables of plans and states, and lines of progress."""

from collections.abc import Callable, Mapping

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .cloudformation import StackPhase, StackState
from .costs.estimate import CLUSTER, Cost, estimate_environment
from .costs.prices import PriceTable
from .deployment import StackPlan
from .environment import Environment
from .stacks import Stack

__all__ = ["make_report", "print_plan", "print_states", "print_total"]

SIGNS = {"Add": ("+", "green"), "Modify": ("~", "yellow"), "Remove": ("-", "red")}


def make_report(console: Console) -> Callable[[str, str], None]:
    """Return a function that prints a line of progress."""
    return lambda stack, text: console.print(Text.assemble((f"{stack:<12} ", "bold"), text), soft_wrap=True)


def print_plan(console: Console, plan: StackPlan) -> None:
    """Print the changes of a stack."""
    title = Text.assemble((f"{plan.stack.name:<12} ", "bold"), plan.stack.purpose, f" ({plan.state.status})")
    console.print(title, soft_wrap=True)
    console.print(Text(f"  {_format_cost(plan)}", "dim"), soft_wrap=True)
    if not plan.changes:
        console.print(Text("  no change", "dim"))
    for change in plan.changes:
        sign, style = SIGNS.get(change.action, ("?", "yellow"))
        note = {"True": ", replaces it", "Conditional": ", may replace it"}.get(change.replacement, "")
        warning = " REFUSED: its data would be lost" if change.loses_data else ""
        properties = f": {', '.join(change.properties)}" if change.properties else ""
        line = Text.assemble(
            (f"  {sign} ", style),
            f"{change.name} ({change.type}){note}{properties}",
            (warning, "bold red"),
        )
        console.print(line, soft_wrap=True)


def _format_cost(plan: StackPlan) -> str:
    change = plan.cost.dollars - plan.present_cost.dollars
    if not change or plan.state.phase is StackPhase.ABSENT:
        return f"about {plan.cost}"
    return f"about {plan.cost}: ${abs(change):,.0f} {'more' if change > 0 else 'less'} than now"


def print_total(console: Console, environment: Environment) -> None:
    """Print the estimate of the cluster and of the whole environment."""
    costs = estimate_environment(environment)
    table = PriceTable.load()
    console.print(f"{CLUSTER:<12} created by eksctl, about {costs[CLUSTER]}")
    console.print(
        f"Together about {sum(costs.values(), Cost())}, by prices of {table.region} from {table.date}. "
        "Questions to models are extra: see infra/cost.md.",
        soft_wrap=True,
    )


def print_states(console: Console, states: Mapping[Stack, StackState]) -> None:
    """Print the state of each stack."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("stack", "status", "data", "purpose"):
        table.add_column(title, no_wrap=True)
    for stack, state in states.items():
        protection = "protected" if state.protected else "not protected" if stack.holds_data else ""
        table.add_row(stack.name, state.status, protection, stack.purpose)
    console.print(table)
