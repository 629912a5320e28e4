"""Tests of the smoke test: each fault of a release is a failed check with its reason."""

from typing import Any

import boto3
import httpx
import pytest
import respx
from botocore.exceptions import ClientError, EndpointConnectionError
from n8n_install import workflows
from smoke_test import __main__ as program
from smoke_test import checks

SETTINGS = {
    "SMOKE_TEST_GATEWAY_URL": "http://gateway:8080",
    "SMOKE_TEST_OIDC_ISSUER": "https://login.example/realms/tenantry",
    "SMOKE_TEST_QDRANT_URL": "http://qdrant:6333",
    "SMOKE_TEST_BUCKET": "documents",
    "SMOKE_TEST_TENANT_ROLE_ARN": "arn:aws:iam::000000000000:role/tenant",
    "SMOKE_TEST_MODEL_ROLE_ARN": "arn:aws:iam::000000000000:role/models",
    "SMOKE_TEST_FILE_SYNC_URL": "http://file-sync:8080",
    "SMOKE_TEST_N8N_WEBHOOK_URL": "http://n8n-webhook:5678",
    "SMOKE_TEST_OPEN_WEBUI_URL": "http://open-webui:8080",
    "SMOKE_TEST_TIMEOUT_SECONDS": "0.1",
}

ISSUER = SETTINGS["SMOKE_TEST_OIDC_ISSUER"]

ANSWERS: dict[str, httpx.Response] = {
    "http://gateway:8080/readyz": httpx.Response(200, json={"ok": True, "missing": []}),
    f"{ISSUER}/.well-known/openid-configuration": httpx.Response(200, json={"issuer": ISSUER}),
    "http://qdrant:6333/": httpx.Response(200, json={"version": "1.19.1"}),
    "http://file-sync:8080/readyz": httpx.Response(200, json={"ok": True, "missing": []}),
    "http://n8n-webhook:5678/webhook/tenantry/upload": httpx.Response(401),
    "http://n8n-webhook:5678/webhook/tenantry/chat": httpx.Response(401),
    "http://open-webui:8080/health": httpx.Response(200, json={"status": True}),
}
"""Answers of a release that works."""


class FakeAws:
    """AWS of a release that works, except for the errors of calls in ``errors``."""

    def __init__(self) -> None:
        self.errors: dict[str, Exception] = {"invoke_model": make_error("ValidationException")}
        self.tags: list[Any] = []

    def client(self, service: str, **_: Any) -> "FakeAws":
        return self

    def assume_role(self, **arguments: Any) -> Any:
        self.tags.append(arguments["Tags"])
        self._raise("assume_role")
        return {"Credentials": {"AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c"}}

    def list_objects_v2(self, **_: Any) -> Any:
        self._raise("list_objects_v2")
        return {}

    def invoke_model(self, **_: Any) -> Any:
        self._raise("invoke_model")
        raise AssertionError("an invalid request cannot succeed")

    def _raise(self, operation: str) -> None:
        if error := self.errors.get(operation):
            raise error


def make_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "said by AWS"}}, "Call")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    fake = FakeAws()
    monkeypatch.setattr(boto3, "Session", lambda *_: fake)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    return fake


def run(capsys: pytest.CaptureFixture[str], **changes: httpx.Response | Exception) -> tuple[bool, str]:
    """Run the program against answers; return True if it passed, and its output."""
    with respx.mock:
        for url, answer in (ANSWERS | changes).items():
            side: Any = {"side_effect": answer} if isinstance(answer, Exception) else {"return_value": answer}
            respx.route(url=url).mock(**side)
        try:
            program.main()
        except SystemExit:
            return False, capsys.readouterr().out
    return True, capsys.readouterr().out


def test_a_release_that_works_passes_with_a_line_for_each_part(
    aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    passed, output = run(capsys)
    assert passed
    lines = output.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [
        ["ok", part]
        for part in ("gateway", "keycloak", "qdrant", "s3", "bedrock", "file-sync", "n8n", "open-webui")
    ]
    assert lines[-1] == "All 8 checks passed"
    assert aws.tags == [[{"Key": "tenant", "Value": "tenant-smoke-test"}]] * 2


@pytest.mark.parametrize(
    ("url", "answer", "said"),
    [
        (
            "http://gateway:8080/readyz",
            httpx.Response(503, json={"ok": False, "missing": ["Keycloak did not answer."]}),
            "gateway     not ready: Keycloak did not answer.",
        ),
        ("http://gateway:8080/readyz", httpx.ConnectTimeout("timed out"), "gateway     http://gateway:8080"),
        (
            f"{ISSUER}/.well-known/openid-configuration",
            httpx.Response(200, json={"issuer": "http://login.example/realms/tenantry"}),
            "issues tokens as http://login.example",
        ),
        (f"{ISSUER}/.well-known/openid-configuration", httpx.Response(404), "answers 404"),
        ("http://qdrant:6333/", httpx.Response(200, json={"version": "1.18.3"}), "at least 1.19"),
        ("http://qdrant:6333/", httpx.Response(401), "qdrant      http://qdrant:6333/ answers 401"),
        ("http://n8n-webhook:5678/webhook/tenantry/chat", httpx.Response(404), "tenantry/chat answers 404"),
        ("http://open-webui:8080/health", httpx.Response(502), "answers 502"),
    ],
)  # fmt: skip
def test_a_fault_fails_with_its_reason(
    aws: FakeAws, capsys: pytest.CaptureFixture[str], url: str, answer: Any, said: str
) -> None:
    passed, output = run(capsys, **{url: answer})
    assert not passed
    (line,) = (line for line in output.splitlines() if line.startswith("FAILED"))
    assert said in line
    assert "1 of 8 checks failed" in output


@pytest.mark.parametrize(
    ("operation", "error", "parts"),
    [
        ("assume_role", make_error("AccessDenied"), {"s3", "bedrock"}),
        ("list_objects_v2", make_error("NoSuchBucket"), {"s3"}),
        ("invoke_model", make_error("AccessDeniedException"), {"bedrock"}),
        ("invoke_model", EndpointConnectionError(endpoint_url="https://bedrock"), {"bedrock"}),
    ],
)
def test_a_missing_right_fails_with_the_words_of_aws(
    aws: FakeAws, capsys: pytest.CaptureFixture[str], operation: str, error: Exception, parts: set[str]
) -> None:
    aws.errors[operation] = error
    passed, output = run(capsys)
    assert not passed
    failed = [line for line in output.splitlines() if line.startswith("FAILED")]
    assert {line.split()[1] for line in failed} == parts
    assert all(str(error) in line for line in failed)


def test_absent_parts_are_not_checked(
    aws: FakeAws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FILE_SYNC_URL", "N8N_WEBHOOK_URL", "OPEN_WEBUI_URL"):
        monkeypatch.setenv(f"SMOKE_TEST_{name}", "")
    with respx.mock(assert_all_called=False) as router:
        for url, answer in ANSWERS.items():
            router.route(url=url).mock(return_value=answer)
        program.main()
    assert capsys.readouterr().out.splitlines()[-1] == "All 5 checks passed"


def test_a_check_is_repeated_until_it_passes(
    aws: FakeAws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMOKE_TEST_TIMEOUT_SECONDS", "60")
    monkeypatch.setattr(program, "POLL_INTERVAL_SECONDS", 0.01)
    results = iter([checks.CheckFailed("not yet"), checks.CheckFailed("not yet"), None])

    def check() -> str:
        if error := next(results):
            raise error
        return "found"

    assert program._run("part", check, 60)
    assert capsys.readouterr().out == "ok      part        found\n"


def test_the_webhooks_are_those_of_the_workflows() -> None:
    assert checks.WEBHOOKS == workflows.WEBHOOKS
