"""Generator of infra/cost.md from templates, environments and prices: ``python -m tools.cost_reference``."""

import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal

from gateway.answers.prompt import build_system_prompt
from gateway.prices import EXAMPLE_PRICES, calculate_cost
from gateway.settings import GatewaySettings
from gateway.token_estimate import estimate_tokens
from tenantry_infra.cluster_config import list_node_groups
from tenantry_infra.costs.estimate import Cost, CostItem, estimate_environment
from tenantry_infra.costs.prices import FROM_MEMORY, PriceTable
from tenantry_infra.environment import EdgeSettings, Environment, find_environment
from tenantry_infra.stacks import INFRA

from .aws_secrets import INCLUDED
from .dev_secrets import generate_secrets
from .wrap import wrap

__all__ = ["ENVIRONMENTS", "PAGE", "load_complete", "render"]

PAGE = INFRA / "cost.md"
ENVIRONMENTS = ("dev", "staging", "small", "prod")
DOCUMENT = "$200-500"
"""Cost of production in the AWS architecture."""

HEAD = """# What an environment costs

*This page is generated from the templates, the environments and `infra/prices.yaml` (`make reference`).*
"""

SETTINGS = GatewaySettings.model_construct()
"""Default settings of the gateway."""

CHARACTERS_PER_TOKEN = 4
TENANT = {"documents": 1000, "pages": 10, "characters": 3000, "megabytes": 2}
"""Example of a tenant: documents, pages of a document, characters of a page, and size of a document."""

VECTOR_OVERHEAD = Decimal("1.5")
"""Memory for each byte of a vector, by Qdrant's rule for planning."""


PIPELINE = {"dev": ("deployer",), "staging": ("deployer",), "prod": ("deployer", "pipeline")}
"""Stacks of the pipeline in each environment that it serves."""


def load_complete(name: str) -> Environment:
    """Return an environment of the repository with the parts that each user has to set: host and pipeline."""
    environment = Environment.load(find_environment(name))
    edge = EdgeSettings(host="chat.example.com", hosted_zone_id="Z0123456789ABCDEFGHIJ")
    pipeline: dict[str, dict[str, str]] = {stack: {} for stack in PIPELINE.get(name, ())}
    update = {"edge": environment.edge or edge, "parameters": pipeline | environment.parameters}
    return environment.model_copy(update=update)


def render() -> str:
    """Return the page."""
    environments = [load_complete(name) for name in ENVIRONMENTS]
    costs = {environment.name: estimate_environment(environment) for environment in environments}
    return "\n".join(
        [
            HEAD,
            *_render_introduction(),
            *_render_months(costs),
            *_render_left_out(costs),
            *_render_savings(costs),
            *_render_questions(),
            *_render_tenant(costs),
            *(line for name, each in costs.items() for line in _render_items(name, each)),
            *_render_prices(),
        ]
    )


def _render_introduction() -> Iterator[str]:
    table = PriceTable.load()
    memory = sum(price.source == FROM_MEMORY for price in table.prices.values())
    yield wrap(
        f"Prices are AWS' list prices on demand in {table.region}, collected on {table.date} from "
        f"secondary sources. {memory} of {len(table.prices)} are from memory. The expected use (data, "
        "logs, backups) is in each environment's file under `usage`. Change it there, or in a file of "
        "yours, and run `make aws-plan`: it prints the same estimate."
    )
    yield ""


def _render_months(costs: dict[str, dict[str, Cost]]) -> Iterator[str]:
    yield "## A month, in dollars\n"
    yield f"| stack | {' | '.join(costs)} |"
    yield "|---|" + "---:|" * len(costs)
    for stack in dict.fromkeys(stack for each in costs.values() for stack in each):
        cells = [_format(each.get(stack, Cost()).dollars) for each in costs.values()]
        yield f"| `{stack}` | {' | '.join(cells)} |"
    yield f"| **total** | {' | '.join(f'**{_format(_sum(each))}**' for each in costs.values())} |"
    yield ""
    yield wrap(
        f"The AWS architecture names {DOCUMENT} for production. `prod` costs more: the architecture's "
        "own minimum of pods, at its own sizes, needs larger nodes. `small` keeps two pods of each "
        "service and is within the range, but [what is left out](#not-in-these-figures) can exceed it. "
        "[The AWS account](../docs/aws.md#for-500-dollars-a-month) lists what it gives up."
    )
    yield ""


def _render_left_out(costs: dict[str, dict[str, Cost]]) -> Iterator[str]:
    table = PriceTable.load().prices.items()
    prices: dict[str, Decimal] = {name: price.usd * price.monthly_units for name, price in table}
    t3, t4g = (_format(prices[f"{name}-credits"]) for name in ("t3", "t4g"))
    node = _format(_get_node_price(costs["small"]["cluster"]))
    balancer = prices["load-balancer"] + prices["load-balancer-capacity"] + 2 * prices["public-ipv4"]
    small = _sum(costs["small"]) + balancer
    secrets = len(generate_secrets("tenantry").keys() - {*INCLUDED}) * prices["secret"]
    rows = {
        "questions to models, embeddings": "[a thousand questions](#a-thousand-questions)",
        "pods and database of Keycloak": "nothing more: two pods fit on the nodes, in `small` one",
        "load balancer for Keycloak's host": f"${_format(balancer)}: `small` then costs ${_format(small)}",
        "entries of the chart's Secrets": f"${_format(secrets)} (`make aws-secrets`)",
        "Prometheus": "a further node in `dev` and in `small`; in `staging` and `prod` it fits",
        "a fourth node in `small`": f"${node} with its volume, for Prometheus and one more Keycloak",
        "CPU credits": f"${t4g} (t4g) or ${t3} (t3) for a processor that is always above the node's baseline",
        "data between zones": f"${_format(prices['zone-data'] * 200)} for 100 GB",
        "requests": "for a million: AWS WAF $1.20, CloudFront $1, S3 $0.40 to $5, KMS $3 (from memory)",
        "hosted zone, which exists before": f"${prices['hosted-zone']:.2f}",
        "nodes and pods above the minimum": "see the prices of nodes below",
        "taxes, support, free tiers": "not estimated",
    }
    yield "## Not in these figures\n"
    yield wrap(
        "All environments expect Keycloak and Prometheus outside of these stacks, for example in other "
        "namespaces of the cluster. By month, in dollars:"
    )
    yield ""
    yield "| left out | estimate |"
    yield "|---|---|"
    for name, estimate in rows.items():
        yield f"| {name} | {estimate} |"
    yield ""


def _get_node_price(cluster: Cost) -> Decimal:
    """Return dollars in a month for a general node of `small`, with its volume and its metrics."""
    prices = {item.price.name: item for item in cluster.items}
    node, volumes = prices["node t4g.large"], prices["volumes of gp3"]
    groups = list_node_groups(load_complete("small"))
    size: int = next(group["volumeSize"] for group in groups if group["instanceTypes"] == ["t4g.large"])
    observations = prices["million observations of Container Insights"]
    nodes: int = sum(group["minSize"] for group in groups)
    return node.dollars / node.count + volumes.price.usd * size + observations.dollars / nodes


def _render_savings(costs: dict[str, dict[str, Cost]]) -> Iterator[str]:
    yield "## Commitments for a year\n"
    yield wrap(
        "The architecture names two discounts: 30 % for a reserved instance of the database, and 20 % "
        "for a Compute Savings Plan. Applied to the database's and the nodes' hours, they save this "
        "in a month:"
    )
    yield ""
    yield "| environment | database, 30 % | nodes, 20 % | together |"
    yield "|---|---:|---:|---:|"
    for name, each in costs.items():
        database = _sum_items(each.values(), "database ") * Decimal("0.3")
        nodes = _sum_items(each.values(), "node ") * Decimal("0.2")
        yield f"| `{name}` | {_format(database)} | {_format(nodes)} | {_format(database + nodes)} |"
    yield ""


def _render_questions() -> Iterator[str]:
    rules = estimate_tokens(build_system_prompt(None))
    passages = 3 * SETTINGS.chunk_tokens
    longest = rules + SETTINGS.context_tokens + SETTINGS.history_tokens
    cases = {
        "three passages of one chunk": (rules + passages + 30, 250),
        "the longest: full context, history and answer": (longest + 30, SETTINGS.answer_tokens),
    }
    yield "## A thousand questions\n"
    yield wrap(
        f"A question sends the gateway's rules ({rules} tokens by its estimate, which is an upper "
        "bound), the passages and the question, and the model answers. The architecture expects about "
        "$0.003 for a question, so $3 for a thousand. Prices of models are the examples in [Limits "
        "and cost](../docs/limits.md#what-it-costs). A cached answer calls no model."
    )
    yield ""
    yield f"| model | {' | '.join(f'{name} ({i:,} + {o:,} tokens)' for name, (i, o) in cases.items())} |"
    yield "|---|---:|---:|"
    for model, price in EXAMPLE_PRICES.items():
        if price.output:
            each = [_calculate_cost(model, read, written) * 1000 for read, written in cases.values()]
            default = " (default)" if model == SETTINGS.chat_model else ""
            yield f"| `{model}`{default} | {' | '.join(f'${dollars:,.2f}' for dollars in each)} |"
    yield ""


def _render_tenant(costs: dict[str, dict[str, Cost]]) -> Iterator[str]:
    characters = TENANT["documents"] * TENANT["pages"] * TENANT["characters"]
    tokens = characters // CHARACTERS_PER_TOKEN
    step = SETTINGS.chunk_tokens - SETTINGS.chunk_overlap_tokens
    chunks = -(-tokens // step)
    vectors = chunks * SETTINGS.embedding_dimension * 4 * VECTOR_OVERHEAD / 2**30
    documents = Decimal(TENANT["documents"] * TENANT["megabytes"]) / 1000
    storage = documents * PriceTable.load().prices["s3-standard"].usd
    embedding = _calculate_cost(SETTINGS.embedding_model, chunks * SETTINGS.chunk_tokens, 0)
    memory = _get_peer_memory_price(costs["prod"]["cluster"])
    yield "## A tenant\n"
    yield wrap(
        f"An example: {TENANT['documents']:,} documents of {TENANT['pages']} pages and "
        f"{TENANT['megabytes']} MB. They have about {tokens:,} tokens in {chunks:,} chunks. A tenant "
        "without documents and questions costs nothing: all of its parts are shared."
    )
    yield ""
    yield "| item | quantity | cost |"
    yield "|---|---|---:|"
    yield f"| documents in S3, without old versions | {documents:,.0f} GB | ${storage:,.2f} a month |"
    share = f"${2 * vectors * memory:,.2f} a month"
    quantity = f"2 x {vectors:,.2f} GiB"
    yield f"| vectors on two peers of Qdrant in `prod`, by their nodes' memory | {quantity} | {share} |"
    yield f"| embedding of all documents | {chunks:,} chunks | ${embedding:,.2f} once |"
    yield ""


def _get_peer_memory_price(cluster: Cost) -> Decimal:
    """Return dollars for a GiB of memory of Qdrant's nodes in a month. An r7i.xlarge has 32 GiB."""
    (node,) = (item for item in cluster.items if item.price.name == "node r7i.xlarge")
    return node.dollars / node.count / 32


def _render_items(name: str, costs: dict[str, Cost]) -> Iterator[str]:
    yield f"## Items of {name}\n"
    yield "| stack | item | number | price | dollars a month |"
    yield "|---|---|---:|---:|---:|"
    for stack, cost in costs.items():
        for item in sorted(cost.items, key=lambda item: -item.dollars):
            price = f"${item.price.usd:f} per {item.price.unit}"
            number = f"{item.count.normalize():f}"
            yield f"| `{stack}` | {item.price.name} | {number} | {price} | {item.dollars:,.2f} |"
    yield ""


def _render_prices() -> Iterator[str]:
    table = PriceTable.load()
    yield "## Prices\n"
    yield "`month` is one thing for a month, `hour` one thing for an hour, and `GB` a gigabyte in a month.\n"
    yield "| price | dollars | unit | source |"
    yield "|---|---:|---|---|"
    for price in table.prices.values():
        source = table.sources[price.source]
        page = f"[{source.title}]({source.url}), {source.date}" if source.url else source.title
        yield f"| {price.name} | {price.usd:f} | {price.unit} | {page} |"
    yield ""


def _calculate_cost(model: str, read: int, written: int) -> Decimal:
    cost = calculate_cost(EXAMPLE_PRICES, model, input_tokens=read, output_tokens=written)
    if cost is None:
        raise ValueError(f"{model} has no price")
    return cost


def _sum(costs: dict[str, Cost]) -> Decimal:
    return sum((cost.dollars for cost in costs.values()), Decimal(0))


def _sum_items(costs: Iterable[Cost], beginning: str) -> Decimal:
    items: Iterator[CostItem] = (item for cost in costs for item in cost.items)
    return sum((item.dollars for item in items if item.price.name.startswith(beginning)), Decimal(0))


def _format(dollars: Decimal) -> str:
    return f"{dollars:,.0f}"


if __name__ == "__main__":
    PAGE.write_text(render())
    sys.stdout.write(f"wrote {PAGE.name}\n")
