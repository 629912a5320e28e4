"""Tests that docs/from-ecs-to-eks.md has a row for each line of the architecture, and names existing files.

The architecture is not in this repository. Where it is next to it, its lines are checked.
"""

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tools.version import REPOSITORY

PAGE = REPOSITORY / "docs" / "from-ecs-to-eks.md"
ARCHITECTURE = REPOSITORY.parent / "shared" / "reference" / "aws-architecture.md"
ROW = re.compile(r"^\| (?!architecture \|)([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
WORDS = re.compile(r"[A-Za-z0-9]")
"""Lines without letters and digits are drawn: fences, arrows, rules."""

LINES = {
    "region us-east-1, public subnets, private application tier, data tier": "1-65",
    "CloudFront: delivery near the user, end of TLS": "66-72",
    "CloudFront: AWS Shield": "73",
    "CloudFront: certificates of ACM": "74",
    "CloudFront: static files are cached": "75",
    "load balancer: spreads requests": "77-78",
    "load balancer: routes by path": "79-80",
    "load balancer: end of TLS": "81",
    "load balancer: WebSocket for n8n": "82",
    "load balancer: health checks": "83",
    "cluster of ECS on Fargate": "85",
    "Open WebUI: image, tag main": "87-88",
    "Open WebUI: 1 vCPU, 2 GB": "89",
    "Open WebUI: port 8080, internal": "90",
    "Open WebUI: sign-in with Keycloak": "91-92",
    "Open WebUI: PostgreSQL": "93",
    "Open WebUI: mounted pipeline": "94",
    "n8n: image, latest": "96-97",
    "n8n: 2 vCPU, 4 GB": "98",
    "n8n: port 5678, internal": "99",
    "n8n: workflows on EFS": "100",
    "n8n: workflow of uploads": "101-102",
    "n8n: workflow of chats": "103",
    "Qdrant: image, latest": "105-106",
    "Qdrant: 2 vCPU, 8 GB": "107",
    "Qdrant: 100 GB of gp3": "108",
    "Qdrant: one collection, 768 dimensions": "109-110",
    "file-sync: Python program": "112-113",
    "file-sync: 0.5 vCPU, 1 GB": "114",
    "file-sync: from uploads to S3": "115",
    "S3: bucket of documents": "117-120",
    "S3: prefixes of tenant and persona": "121-126",
    "S3: versions": "127-128",
    "S3: encryption SSE-S3": "129",
    "S3: archive after 90 days": "130",
    "S3: copy in another region, optional": "131",
    "Bedrock: Claude 3 Sonnet": "133-136",
    "Bedrock: other models": "137-140",
    "Bedrock: answers in 2 to 4 seconds": "141",
    "Bedrock: $0.003 for a question": "142",
    "Bedrock: scales by itself, no operation": "143-145",
    "Bedrock: newest models": "146",
    "Bedrock: guardrails": "147",
    "RDS: db.t3.medium, Multi-AZ": "149-152",
    "RDS: databases of Keycloak, Open WebUI and n8n": "153-156",
    "RDS: daily snapshots for 7 days": "157",
    "RDS: encryption, only inside of the VPC": "158",
    "ElastiCache for Redis, optional": "160-161",
    "ElastiCache: cached answers": "162-163",
    "ElastiCache: sessions": "164",
    "ElastiCache: rate limits": "165",
    "upload: browser to Open WebUI": "167-176",
    "upload: database and local storage": "178",
    "upload: file-sync, to S3": "180-186",
    "upload: file-sync, to n8n": "188-191",
    "upload: embeddings of Titan": "193-194",
    "upload: vectors and metadata in Qdrant": "196-201",
    "question: browser to Open WebUI, with the user": "203-213",
    "question: tenant from the user's e-mail address": "215-216",
    "question: search with the tenant's filter, three passages": "218-225",
    "question: answer by Claude": "227-232",
    "question: back through the pipeline": "235-236",
    "VPC 10.0.0.0/16": "238-243",
    "public subnets with load balancer and NAT gateway": "245-247",
    "application subnets": "249-251",
    "data subnets": "253-256",
    "group of the load balancer": "258-263",
    "group of the tasks, inbound": "265-268",
    "group of the tasks, outbound": "269-270",
    "group of RDS": "272-275",
    "Open WebUI: 2 to 10, CPU above 70 %": "277-287",
    "n8n: 2 to 20, at first 3, by the queue": "289-293",
    "Qdrant: 2 to 5, memory above 80 %": "295-300",
    "Bedrock: no configuration for scaling": "302-303",
    "Bedrock: peaks": "304",
    "Bedrock: paid by use": "305",
    "two zones: load balancer": "307-314",
    "two zones: tasks": "315,323",
    "two zones: standby of RDS": "316",
    "two zones: replica of ElastiCache": "317-318",
    "failover of the load balancer between zones": "320-321",
    "failover of RDS in a minute": "322",
    "durability of S3": "324",
    "dashboard RAG-System-Health": "326-331",
    "panel: response times": "332",
    "panel: errors": "333",
    "panel: questions by tenant": "334",
    "panel: latency of Bedrock": "335",
    "panel: searches in Qdrant": "336",
    "panel: use of resources": "337-338",
    "critical: response above 10 s": "340-344",
    "critical: errors above 5 %": "345",
    "critical: CPU of RDS above 90 %": "346",
    "critical: memory above 95 %": "347",
    "warning: response above 6 s": "349-350",
    "warning: Bedrock throttles": "351",
    "warning: client errors of S3": "352-353",
    "reserved instance of the database, 30 %": "355-362",
    "Savings Plan for the tasks, 20 %": "363",
    "savings of about $100 a month": "364-366",
    "begin with t3 or t4g": "368-370",
    "measure for two weeks, then change the size": "371-372",
    "Compute Optimizer": "373",
    "push to GitHub, GitHub Actions": "375-383",
    "build images": "384",
    "run the tests": "385",
    "push to ECR": "386",
    "CodePipeline: dev, staging, production": "388-391",
    "blue/green deployment": "392",
    "gradual rollout in three steps": "395-398",
    "RDS: daily, and any second of 7 days": "400-407",
    "S3: versions for 30 days": "408",
    "Qdrant: weekly snapshots for 4 weeks": "409",
    "configuration in Git": "410-411",
    "recovery in 1 hour": "413-415",
    "at most 15 minutes lost": "416",
    "failure of the region: failover": "418-421",
    "corrupt data: restore a backup": "422",
    "failure of a service: scaling and health checks": "423-424",
    "role of Open WebUI": "426-434",
    "role of n8n": "436-439",
    "role of file-sync": "441-444",
    "TLS 1.3 in transit": "446-448",
    "at rest: S3": "449-450",
    "at rest: RDS": "451",
    "at rest: EBS": "452",
    "microservices with managed models": "454-456",
    "three to four times as fast as local models": "458-459",
    "scaling for changing load": "460",
    "high availability in two zones": "461",
    "managed models": "462",
    "$200-500 a month for production": "463",
    "secure: VPC, encryption, IAM": "465-466",
    "reliable: zones, scaling, health checks": "467",
    "answers in less than 5 seconds": "468",
    "monitored: dashboard and alarms": "469",
}
"""Lines of the architecture for each row of the page."""


def read_rows() -> list[tuple[str, str, str]]:
    return [(name.strip(), files, text) for name, files, text in ROW.findall(PAGE.read_text())]


def iter_lines(ranges: str) -> Iterator[int]:
    for each in ranges.split(","):
        first, _, last = each.partition("-")
        yield from range(int(first), int(last or first) + 1)


def test_each_line_has_one_row_and_each_row_has_lines() -> None:
    assert sorted(name for name, _, _ in read_rows()) == sorted(LINES)
    numbers = Counter(number for ranges in LINES.values() for number in iter_lines(ranges))
    assert [number for number, count in numbers.items() if count > 1] == []


def test_each_row_names_existing_files() -> None:
    for name, files, text in read_rows():
        named = CODE.findall(files)
        assert named, name
        paths = [*named, *(each for each in CODE.findall(text) if "/" in each)]
        missing = [path for path in paths if not (REPOSITORY / path).is_file()]
        assert not missing, f"{name}: {missing}"


@pytest.mark.skipif(not ARCHITECTURE.is_file(), reason="the architecture is not next to the repository")
def test_each_line_of_the_architecture_has_a_row() -> None:
    covered = {number for ranges in LINES.values() for number in iter_lines(ranges)}
    lines = ARCHITECTURE.read_text().splitlines()
    missing = [
        f"{number}: {line}"
        for number, line in enumerate(lines, start=1)
        if WORDS.search(line) and not line.startswith("```") and number not in covered
    ]
    assert missing == []
    assert max(covered) == len(lines)
