"""Fixtures: an emulator of AWS, and an environment that was deployed to it by the command."""

from collections.abc import Iterator

import pytest

from tests.support.aws.running import (
    ACCOUNT,
    DeployedEnvironment,
    Emulator,
    create_hosted_zone,
    make_environment_file,
    run_emulator,
)

DEV_ACCOUNT, STAGING_ACCOUNT = "333322221111", "222211113333"
RELEASES = "the-releases"


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with run_emulator() as running:
        yield running


@pytest.fixture(scope="session")
def production(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> DeployedEnvironment:
    """Return production with a host and a pipeline, deployed by the command. Tests only read it."""
    edge = {"host": "chat.example.com", "hostedZoneId": create_hosted_zone(emulator, "example.com")}
    file = make_environment_file(
        tmp_path_factory.mktemp("production"),
        "prod",
        fields={"edge": edge},
        network={"Zones": ["us-east-1b", "us-east-1a"]},
        registry={"PullAccounts": [DEV_ACCOUNT, STAGING_ACCOUNT]},
        deployer={"PipelineAccount": ACCOUNT, "PipelineBucket": RELEASES},
        pipeline={
            "Repository": "owner/name",
            "PipelineBucket": RELEASES,
            "DevAccount": DEV_ACCOUNT,
            "StagingAccount": STAGING_ACCOUNT,
        },
    )
    status, output = emulator.run_command("up", str(file))
    assert status == 0, output
    return DeployedEnvironment(emulator, file, output)
