"""Settings of the gateway, from the environment: ``GATEWAY_`` and the field's name in capitals.

boto3 and the Kubernetes client find addresses and credentials through their own variables (``AWS_PROFILE``,
``AWS_CONFIG_FILE``, ``KUBECONFIG``) or the pod's identity.
"""

import re
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict
from servicekit.settings import HttpSettings
from servicekit.tls import AuthorityFile

from .prices import EXAMPLE_PRICES, Price

__all__ = ["Settings"]

MEBIBYTE = 1024 * 1024


class Settings(HttpSettings):
    """Settings of one installation."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    metrics_by_tenant: bool = False
    """Whether two counters name tenants: who reads `/metrics` then knows them, and how much each asks."""

    bucket: str = Field(min_length=3)
    """Bucket of the documents."""

    tenant_role_arn: str = Field(pattern=r"^arn:")
    """IAM role that is assumed for one tenant at a time."""

    qdrant_url: str = Field(pattern=r"^https?://")
    """Qdrant's REST address."""

    qdrant_api_key: SecretStr = SecretStr("")
    """Qdrant's key. With it set, every request carries a token for one collection, signed with the key."""

    qdrant_ca_file: AuthorityFile | None = None
    """PEM file of the authority behind Qdrant's certificate; not set for a public one."""

    redis_url: SecretStr
    """Redis that counts what tenants use: ``redis://`` or ``rediss://``, its password included."""

    oidc_issuer: str = Field(pattern=r"^https?://.+[^/]$")
    """The Keycloak realm's issuer, to the letter, without a closing slash."""

    oidc_audience: str = Field("tenantry-gateway", min_length=1)
    """What an access token's ``aud`` must name."""

    ticket_jwks: Path
    """File with the public keys (a JSON Web Key Set) of the services that may issue tickets."""

    chat_model: str = Field("us.anthropic.claude-sonnet-4-6", min_length=1)
    """Model or inference profile that answers for tenants which name none."""

    chat_fallbacks: list[str] = Field(default_factory=list)
    """Models that are asked, in this order, when the wanted one is busy or does not answer; JSON."""

    answer_tokens: int = Field(1024, ge=16, le=65536)
    """Longest answer, in the model's tokens."""

    context_tokens: int = Field(3000, ge=0, le=1_000_000)
    """Up to so many tokens, as estimated, passages are widened by the chunks beside them."""

    history_tokens: int = Field(2000, ge=0, le=100_000)
    """Most tokens of what was said before that the model is told of, as estimated."""

    answer_cache_seconds: int = Field(3600, ge=0, le=86_400)
    """How long answers of a tenant may be given again, while no document changes; 0 for never."""

    embedding_model: str = Field("amazon.titan-embed-text-v2:0", min_length=1)
    """Model that turns text into vectors. Another one means that everything must be embedded again."""

    embeddings_per_minute: int = Field(2000, ge=1)
    """Embeddings that this gateway may ask for: Bedrock's quota, divided by the most gateways there are."""

    embedding_dimension: int = Field(768, ge=1, le=1024)
    """Length of the stored vectors: as many of the model's 1024 numbers are kept."""

    chunk_tokens: int = Field(360, ge=16, le=2048)
    """Longest chunk, in tokens as counted in :mod:`gateway.documents.chunk`."""

    chunk_overlap: int = Field(54, ge=0)
    """Tokens that a chunk repeats of the one before, so that no thought is cut apart: 15 % of a chunk."""

    document_bytes: int = Field(50 * MEBIBYTE, ge=1)
    """Largest document."""

    document_seconds: float = Field(60.0, gt=0)
    """Longest time that reading one document may take."""

    document_cpu_seconds: int = Field(45, ge=1)
    """Most computing time that reading one document may take; one of up to 256 KiB has 10 s at most."""

    document_chunks: int = Field(10_000, ge=1)
    """Most chunks of one document: each costs an embedding, while the caller waits."""

    document_readers: int = Field(2, ge=1)
    """Processes that read documents, so many at once. No tenant has all of them, and one is kept for small
    documents, if there is more than one."""

    trash_days: float = Field(30.0, gt=0, le=3650)
    """Days for which a removed document can be restored. The bucket must keep noncurrent versions as long."""

    request_seconds: float = Field(90.0, gt=0)
    """Longest time from a question to the last word of its answer; whatever it waits for is cut off then."""

    ingest_seconds: float = Field(600.0, gt=0)
    """Longest time that taking in one document may take."""

    requests_at_once: int = Field(400, ge=1)
    """Requests that are served at once, streams among them; each costs up to a megabyte."""

    requests_waiting: int = Field(400, ge=0)
    """Requests that wait for their turn; further ones are told to come back."""

    calls_per_minute: int = Field(6000, ge=1)
    """Calls of one tenant a minute that each gateway serves, questions aside: those have the Tenant's
    `queriesPerMinute`."""

    ingests_at_once: int = Field(8, ge=1)
    """Documents that are taken in at once, at most half of them of one tenant; they are in memory then."""

    ingests_waiting: int = Field(64, ge=0)
    """Documents that wait for their turn, unread; further ones are told to come back."""

    prices: dict[str, Price] = EXAMPLE_PRICES
    """US dollars for a million tokens, ``{"prefix of a model id": {"input": 3, "output": 15}}``; the longest
    prefix counts. The default holds examples: check them against your own prices."""

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: SecretStr) -> SecretStr:
        if not re.match(r"rediss?://.", url.get_secret_value()):
            raise ValueError("redis_url must begin with redis:// or rediss://")
        return url

    @model_validator(mode="after")
    def _overlap_fits(self) -> Self:
        if self.chunk_overlap >= self.chunk_tokens:
            raise ValueError("chunk_overlap must be smaller than chunk_tokens")
        return self
