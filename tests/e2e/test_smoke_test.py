"""Test of `helm test`: its pod checks the installed release under Pod Security and the network policies."""

from .installation import Installation


def test_helm_test_checks_every_part(installation: Installation) -> None:
    output = installation.cluster.run_helm("test", installation.release, "--logs", "--timeout=5m")
    checked = [line.split()[1] for line in output.splitlines() if line.startswith("ok ")]
    assert checked == ["gateway", "keycloak", "qdrant", "s3", "bedrock", "file-sync", "n8n", "open-webui"]
    assert "All 8 checks passed" in output
