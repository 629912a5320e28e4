"""Tests of the lines from which CloudWatch makes metrics, as a running gateway writes them."""

import asyncio
import json
import signal

from gateway.cloudwatch import METRICS
from servicekit.cloudwatch import NAMESPACE

from tests.support.aws.alarms import Datum, evaluate_alarm, read_emf
from tests.support.aws.observability import DIMENSIONS, list_alarms, list_named_metrics
from tests.support.programs.gateway_process import run_gateway_process

from .conftest import IntegrationHarness

DOCUMENT = b"# Ferries\n\nThe ferry to Bornholm leaves at 06:30 from quay 4, every day but Sunday."
QUESTION = "When does the ferry to Bornholm leave?"


async def test_a_running_gateway_writes_every_metric_that_alarms_and_panels_name(
    harness: IntegrationHarness,
) -> None:
    assert (await harness.upload("ferries.md", DOCUMENT)).status_code == 201
    headers = {"Authorization": f"Bearer {harness.token}"}
    async with run_gateway_process(
        harness.platform,
        output=asyncio.subprocess.PIPE,
        log=asyncio.subprocess.DEVNULL,
        GATEWAY_CLOUDWATCH_DIMENSIONS=json.dumps(DIMENSIONS),
        GATEWAY_METRICS_BY_TENANT="true",
    ) as process:
        answer = await process.http.post("/v1/answers", json={"question": QUESTION}, headers=headers)
        assert answer.status_code == 200, answer.text
        assert (await process.http.get("/v1/documents/x", headers=headers)).status_code >= 400
        process.process.send_signal(signal.SIGTERM)
        output, _ = await asyncio.wait_for(process.process.communicate(), 30)
    lines = [json.loads(line) for line in output.decode().splitlines()]
    assert lines
    data = [each for line in lines for each in read_emf(line, 0)]

    written = {(*each.metric[:2], tuple(name for name, _ in each.metric[2])) for each in data}
    assert {metric for metric in list_named_metrics() if metric[0] == NAMESPACE} <= written
    assert {name for _, name, _ in written} == {metric.name for metric in METRICS}

    by_name = {each.metric[1]: each for each in data if len(each.metric[2]) == len(DIMENSIONS)}
    assert sum(by_name["AnswerTime"].counts.values()) == 1
    assert by_name["ClientErrorRate"].counts == {0.0: 1, 100.0: 1}
    assert by_name["ServerErrorRate"].counts == {0.0: 2}
    assert by_name["ModelsToReplace"].counts == {0.0: 1}
    (of_tenant,) = [dict(each.metric[2])["Tenant"] for each in data if len(each.metric[2]) > len(DIMENSIONS)]
    assert of_tenant == harness.tenant.key
    for text in ("ferry", "Bornholm", "06:30", harness.token):
        assert text not in output.decode()

    states = {name: evaluate_alarm(alarm, _repeat(data), 30) for name, alarm in list_alarms().items()}
    assert [name for name, state in states.items() if state == "ALARM"] == []


def _repeat(data: list[Datum]) -> list[Datum]:
    """Return the values of a minute, in each of 30 minutes."""
    return [Datum(each.metric, minute, each.counts) for each in data for minute in range(30)]
