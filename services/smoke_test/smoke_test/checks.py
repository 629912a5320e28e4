"""Checks of the smoke test. Each returns what it found, or raises :class:`CheckFailed`."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import httpx
from botocore.exceptions import BotoCoreError, ClientError
from servicekit.aws import build_client_config, get_error_code

from .settings import SmokeTestSettings

__all__ = ["WEBHOOKS", "Check", "CheckFailed", "list_checks"]

Check = Callable[[], str]

CALL_TIMEOUT_SECONDS = 10.0

QDRANT_VERSION = (1, 19)
"""First version that keeps the words of tenants apart in lexical searches."""

WEBHOOKS = ("tenantry/upload", "tenantry/chat")
"""Paths of n8n's webhooks. A published workflow refuses a request without a credential."""

TENANT = "tenant-smoke-test"
"""Key of a tenant that does not exist. Sessions for it can read nothing."""


class CheckFailed(Exception):
    """A check failed; the message gives the reason."""


def list_checks(settings: SmokeTestSettings, http: httpx.Client, qdrant: httpx.Client) -> dict[str, Check]:
    """Return the checks of a release by name.

    Parameters
    ----------
    http
        Client for all parts except Qdrant.
    qdrant
        Client that trusts the CA of Qdrant's certificate.
    """
    checks: dict[str, Check] = {
        "gateway": lambda: _check_ready(http, settings.gateway_url),
        "keycloak": lambda: _check_issuer(http, settings.oidc_issuer),
        "qdrant": lambda: _check_qdrant(qdrant, settings.qdrant_url),
        "s3": lambda: _check_bucket(settings.bucket, settings.tenant_role_arn),
        "bedrock": lambda: _check_model(settings.embedding_model, settings.model_role_arn),
    }
    if url := settings.file_sync_url:
        checks["file-sync"] = lambda: _check_ready(http, url)
    if webhook_url := settings.n8n_webhook_url:
        checks["n8n"] = lambda: _check_webhooks(http, webhook_url)
    if open_webui_url := settings.open_webui_url:
        checks["open-webui"] = lambda: _check_open_webui(http, open_webui_url)
    return checks


def _check_ready(http: httpx.Client, url: str) -> str:
    response = _send(http, "GET", f"{url}/readyz")
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise CheckFailed(f"not ready: {'; '.join(response.json()['missing'])}")
    _require_ok(response)
    return "ready"


def _check_issuer(http: httpx.Client, issuer: str) -> str:
    response = _send(http, "GET", f"{issuer}/.well-known/openid-configuration")
    _require_ok(response)
    stated = response.json()["issuer"]
    if stated != issuer:
        raise CheckFailed(f"it issues tokens as {stated}, and the gateway accepts only {issuer}")
    return f"issues tokens as {issuer}"


def _check_qdrant(http: httpx.Client, url: str) -> str:
    response = _send(http, "GET", f"{url}/")
    _require_ok(response)
    version = str(response.json()["version"])
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < QDRANT_VERSION:
        raise CheckFailed(f"version {version}; at least {'.'.join(map(str, QDRANT_VERSION))} is required")
    return f"version {version}"


def _check_bucket(bucket: str, role_arn: str) -> str:
    """List documents of a tenant that does not exist, with the gateway's role for tenants."""
    s3 = _assume(role_arn).client("s3", config=_get_config())
    _call_aws(lambda: s3.list_objects_v2(Bucket=bucket, Prefix=f"{TENANT}/", MaxKeys=1))
    return f"the gateway may read {bucket} for a tenant"


def _check_model(model: str, role_arn: str) -> str:
    """Send an invalid request, which costs nothing: Bedrock checks the right to call the model before."""
    bedrock = _assume(role_arn).client("bedrock-runtime", config=_get_config())
    try:
        bedrock.invoke_model(modelId=model, body=b"{}")
    except ClientError as exc:
        if get_error_code(exc) != "ValidationException":
            raise CheckFailed(str(exc)) from exc
    except BotoCoreError as exc:
        raise CheckFailed(str(exc)) from exc
    return f"the gateway may call {model}"


def _check_webhooks(http: httpx.Client, url: str) -> str:
    for path in WEBHOOKS:
        response = _send(http, "POST", f"{url}/webhook/{path}")
        if response.status_code != httpx.codes.UNAUTHORIZED:
            raise CheckFailed(
                f"the webhook {path} answers {response.status_code} instead of 401: its workflow is not "
                f"published, or no worker runs"
            )
    return "the workflows answer"


def _check_open_webui(http: httpx.Client, url: str) -> str:
    _require_ok(_send(http, "GET", f"{url}/health"))
    return "healthy"


def _send(http: httpx.Client, method: str, url: str) -> httpx.Response:
    try:
        return http.request(method, url, timeout=CALL_TIMEOUT_SECONDS)
    except httpx.HTTPError as exc:
        raise CheckFailed(f"{url}: {str(exc) or type(exc).__name__}") from exc


def _require_ok(response: httpx.Response) -> None:
    if not response.is_success:
        raise CheckFailed(f"{response.url} answers {response.status_code}")


def _assume(role_arn: str) -> boto3.Session:
    """Return a session of a role for a tenant that does not exist."""
    sts = boto3.Session().client("sts", config=_get_config())
    tags: Any = [{"Key": "tenant", "Value": TENANT}]
    response = _call_aws(lambda: sts.assume_role(RoleArn=role_arn, RoleSessionName="smoke-test", Tags=tags))
    credentials = response["Credentials"]
    return boto3.Session(
        credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]
    )


def _call_aws(call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    try:
        return call()
    except (BotoCoreError, ClientError) as exc:
        raise CheckFailed(str(exc)) from exc


def _get_config() -> Any:
    return build_client_config(read_seconds=CALL_TIMEOUT_SECONDS, connections=1)
