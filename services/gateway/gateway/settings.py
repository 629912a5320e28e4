"""Settings of the gateway, from the environment: ``GATEWAY_`` and the field's name in capitals.

boto3 and the Kubernetes client find addresses and credentials through their own variables (``AWS_PROFILE``,
``AWS_CONFIG_FILE``, ``KUBECONFIG``) or the pod's identity.
"""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict
from servicekit.redis_settings import RedisSettings
from servicekit.settings import HttpSettings
from servicekit.tls import AuthorityFile
from tenancy.model import TenantClass
from tenancy.names import DEFAULT_TENANT_CLASS

from .prices import EXAMPLE_PRICES, Price

__all__ = ["GatewaySettings"]

MEBIBYTE = 1024 * 1024


class GatewaySettings(HttpSettings, RedisSettings):
    """Settings of a gateway."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    tenant_class: TenantClass = DEFAULT_TENANT_CLASS
    """Class of the Tenants that are served, `spec.tenantClass`; Tenants of other classes are ignored."""

    metrics_by_tenant: bool = False
    """True to add the tenant to two counters. Readers of `/metrics` then learn the tenants and their use."""

    bucket: str = Field(min_length=3)
    """Bucket of the documents."""

    tenant_role_arn: str = Field(pattern=r"^arn:")
    """IAM role that is assumed for one tenant at a time, for its documents."""

    model_role_arn: str = Field(pattern=r"^arn:")
    """IAM role that is assumed for one tenant at a time, for the models. AWS' cost reports can split its
    calls by the session tag ``tenant``."""

    qdrant_url: str = Field(pattern=r"^https?://")
    """Qdrant's REST address."""

    qdrant_api_key: SecretStr = SecretStr("")
    """Qdrant's key. With it set, every request for a tenant carries a token for one collection, signed with
    the key."""

    qdrant_ca_file: AuthorityFile | None = None
    """PEM file of the authority that signed Qdrant's certificate; not set for a public authority."""

    oidc_issuer: str = Field(pattern=r"^https?://.+[^/]$")
    """Exact issuer of the Keycloak realm, without a trailing slash."""

    oidc_audience: str = Field("tenantry-gateway", min_length=1)
    """Audience that an access token's ``aud`` must contain."""

    ticket_jwks: Path
    """File with the public keys (a JSON Web Key Set) of the services that may issue tickets."""

    chat_model: str = Field("us.anthropic.claude-sonnet-4-6", min_length=1)
    """Model or inference profile of tenants that do not name a model."""

    chat_fallbacks: list[str] = Field(default_factory=list)
    """Models that are used, in this order, when the tenant's model is busy or does not answer; JSON."""

    answer_tokens: int = Field(1024, ge=16, le=65536)
    """Longest answer, in the model's tokens."""

    context_tokens: int = Field(3000, ge=0, le=1_000_000)
    """Maximum number of tokens, by estimate, of all passages with their neighbouring chunks."""

    history_tokens: int = Field(2000, ge=0, le=100_000)
    """Maximum number of tokens, by estimate, of the earlier turns that are sent to the model."""

    answer_cache_ttl_seconds: int = Field(3600, ge=0, le=86_400)
    """Lifetime of a tenant's cached answers while no document changes; 0 for no cache."""

    embedding_model: str = Field("amazon.titan-embed-text-v2:0", min_length=1)
    """Embedding model. A change requires that all documents are embedded again."""

    embeddings_per_minute: int = Field(2000, ge=1)
    """Embeddings that this gateway may request: Bedrock's quota, divided by the maximum number of
    gateways."""

    embedding_tokens_per_minute: int = Field(300_000, ge=1)
    """Tokens of embeddings that this gateway may request: Bedrock's quota, divided by the maximum number of
    gateways."""

    embedding_dimension: int = Field(768, ge=1, le=1024)
    """Length of the stored vectors: how many of the model's 1,024 numbers are stored, from the first."""

    chunk_tokens: int = Field(360, ge=16, le=2048)
    """Longest chunk, in tokens as counted in `gateway/documents/chunk.py`."""

    chunk_overlap_tokens: int = Field(54, ge=0)
    """Tokens that a chunk repeats from the previous chunk to keep sentences together: 15 % of a chunk."""

    document_bytes: int = Field(50 * MEBIBYTE, ge=1)
    """Largest document."""

    extraction_timeout_seconds: float = Field(60.0, gt=0)
    """Timeout for the extraction of one document."""

    extraction_max_cpu_seconds: int = Field(45, ge=1)
    """Maximum CPU time for the extraction of one document; documents of up to 256 KiB have at most 10 s."""

    document_chunks: int = Field(10_000, ge=1)
    """Maximum number of chunks of one document. Each chunk needs an embedding while the caller waits."""

    document_readers: int = Field(2, ge=1)
    """Processes that extract documents. If there are several, no tenant uses all of them, and one is
    reserved for small documents."""

    trash_days: float = Field(30.0, gt=0, le=3650)
    """Days for which a removed document can be restored. The bucket must keep noncurrent versions as long."""

    request_timeout_seconds: float = Field(90.0, gt=0)
    """Longest time from a question to the end of its answer; after that the request is cancelled."""

    ingest_timeout_seconds: float = Field(600.0, gt=0)
    """Timeout for the ingest of one document."""

    request_concurrency: int = Field(400, ge=1)
    """Requests that are served concurrently, including streams; each request needs up to a megabyte."""

    request_queue: int = Field(400, ge=0)
    """Requests that wait for their turn; further requests get 503 and `Retry-After`."""

    calls_per_minute: int = Field(6000, ge=1)
    """Calls per minute of one tenant that each gateway serves. Questions have a separate limit, the Tenant's
    `queriesPerMinute`."""

    ingest_concurrency: int = Field(8, ge=1)
    """Documents in memory that are ingested concurrently; at most half of them belong to one tenant."""

    ingest_queue: int = Field(64, ge=0)
    """Documents that wait for their turn, unread; further documents get 503 and `Retry-After`."""

    prices: dict[str, Price] = EXAMPLE_PRICES
    """US dollars per million tokens, ``{"prefix of a model id": {"input": 3, "output": 15}}``; the longest
    prefix wins. The default contains examples: compare them with your prices."""

    @model_validator(mode="after")
    def _validate_overlap(self) -> Self:
        if self.chunk_overlap_tokens >= self.chunk_tokens:
            raise ValueError("chunk_overlap_tokens must be smaller than chunk_tokens")
        return self
