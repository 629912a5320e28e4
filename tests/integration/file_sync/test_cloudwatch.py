"""Tests of the lines from which CloudWatch makes metrics, as a running file-sync writes them."""

import asyncio
import json

from file_sync.cloudwatch import METRICS

from tests.integration.file_sync.conftest import FileSyncHarness
from tests.support.aws.alarms import read_emf
from tests.support.aws.observability import DIMENSIONS
from tests.support.file_sync.program import run_file_sync


async def test_a_running_file_sync_writes_its_metrics(harness: FileSyncHarness) -> None:
    async with run_file_sync(
        harness.program_env,
        output=asyncio.subprocess.PIPE,
        FILE_SYNC_CLOUDWATCH_DIMENSIONS=json.dumps(DIMENSIONS),
    ) as program:
        program.process.terminate()
        output, _ = await asyncio.wait_for(program.process.communicate(), 30)
    data = [each for line in output.decode().splitlines() for each in read_emf(json.loads(line), 0)]
    assert {each.metric[1] for each in data} == {metric.name for metric in METRICS}
    assert {each.metric[2] for each in data} == {tuple(sorted(DIMENSIONS.items()))}
