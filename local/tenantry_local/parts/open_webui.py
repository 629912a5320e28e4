"""Open WebUI, as in production: on Postgres, Redis and S3, with login through Keycloak only.

The gateway is the tenant boundary, not Open WebUI. Even so, all features are off that could share content
between tenants or send it to other servers.
"""

import json
import os

from typing_extensions import override

from .. import redis_users
from ..context import REPOSITORY, Context
from ..jobs import run_job
from ..part import Command, PlatformPart, is_http_ok
from ..programs import open_webui
from . import redis
from .aws import FILES_BUCKET, REGION, Aws
from .keycloak import REALM
from .postgres import Postgres
from .redis import Redis

__all__ = ["ADMIN", "FILE_SYNC_ROLE", "OpenWebUI", "get_open_webui_admin"]

ADMIN = "admin@tenantry.example"
"""E-mail address of the service account; the secret ``open-webui-admin`` is its password."""

FILE_SYNC_ROLE = "tenantry_file_sync"
"""Postgres role that may read the columns of Open WebUI's database in ``grants.sql``."""

GUARD = REPOSITORY / "charts" / "tenantry" / "charts" / "open-webui" / "files" / "guard.py"
"""Program that serves Open WebUI behind the guard. Helm reads only files of the chart, so it is there."""

FILE_SYNC_SQL = REPOSITORY / "services" / "file_sync" / "file_sync"
"""Folder of ``role.sql`` and ``grants.sql``."""

UNUSED_URL = "http://127.0.0.1:9"
"""URL without a server. By default Open WebUI sends the names of knowledge bases to OpenAI to embed them."""

MAX_FILE_MIB = 50
"""Size limit of the gateway."""

FILE_EXTENSIONS = "txt,md,markdown,html,htm,csv,tsv,eml,pdf,docx,pptx,xlsx"
"""File name extensions of the formats that the gateway reads."""

UI_TEXTS = {
    "OAUTH_PROVIDER_NAME": "your company account",
    "TENANTRY_NO_TENANT_NOTICE": (
        "Your account belongs to no tenant, so there is no assistant for you here. Ask your company's "
        "administrator to add your e-mail address, then sign in again."
    ),
}
"""Texts of the sign-in button and above an empty chat; environment variables of these names replace them."""

LOGIN_SETTINGS = {
    "ENABLE_SIGNUP": "false",
    "ENABLE_LOGIN_FORM": "false",
    "ENABLE_PASSWORD_AUTH": "true",  # for the service account, the only account with a password
    "ENABLE_PASSWORD_CHANGE_FORM": "false",
    "ENABLE_OAUTH": "true",
    "ENABLE_OAUTH_SIGNUP": "true",
    "DEFAULT_USER_ROLE": "user",
    "OAUTH_CLIENT_ID": "open-webui",
    "OAUTH_CODE_CHALLENGE_METHOD": "S256",
    "OAUTH_SCOPES": "openid email profile",
    "OAUTH_UPDATE_NAME_ON_LOGIN": "true",
    "OAUTH_UPDATE_EMAIL_ON_LOGIN": "true",
    # A claim holds only names of groups. The event function and the operator manage memberships.
    "ENABLE_OAUTH_GROUP_MANAGEMENT": "false",
    "ENABLE_OAUTH_GROUP_CREATION": "false",
    "JWT_EXPIRES_IN": "8h",  # equal to the lifetime of Keycloak's session; answers need a Keycloak token
}

DISABLED_FEATURES = {
    "BYPASS_ADMIN_ACCESS_CONTROL": "false",
    "ENABLE_ADMIN_CHAT_ACCESS": "false",
    "ENABLE_ADMIN_EXPORT": "false",
    "ENABLE_COMMUNITY_SHARING": "false",
    "ENABLE_PUBLIC_ACTIVE_USERS_COUNT": "false",
    "ENABLE_API_KEYS": "false",
    "ENABLE_DIRECT_CONNECTIONS": "false",
    "ENABLE_OLLAMA_API": "false",
    "ENABLE_OPENAI_API": "false",
    "ENABLE_TOOLS": "false",
    "ENABLE_TOOL_SERVERS": "false",
    "ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS": "false",
    "ENABLE_CODE_EXECUTION": "false",
    "ENABLE_CODE_INTERPRETER": "false",
    # No answer runs code: no artifact opens automatically, and a page in a frame fetches nothing.
    "IFRAME_CSP": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
    "base-uri 'none'",
    "DEFAULT_INTERFACE_SETTINGS": json.dumps(
        {
            "detectArtifacts": False,
            "iframeSandboxAllowScripts": False,
            "iframeSandboxAllowForms": False,
            "iframeSandboxAllowDownloads": False,
        }
    ),
    "ENABLE_WEB_SEARCH": "false",
    "ENABLE_IMAGE_GENERATION": "false",
    "ENABLE_MEMORIES": "false",
    "ENABLE_NOTES": "false",
    "ENABLE_CHANNELS": "false",
    "ENABLE_CALENDAR": "false",
    "ENABLE_AUTOMATIONS": "false",
    "ENABLE_USER_WEBHOOKS": "false",
    "ENABLE_EVALUATION_ARENA_MODELS": "false",
    # These features would call a model without a question, and use up the tenant's token budget.
    "ENABLE_TITLE_GENERATION": "false",
    "ENABLE_TAGS_GENERATION": "false",
    "ENABLE_FOLLOW_UP_GENERATION": "false",
    "ENABLE_AUTOCOMPLETE_GENERATION": "false",
    "ENABLE_SEARCH_QUERY_GENERATION": "false",
    "ENABLE_RETRIEVAL_QUERY_GENERATION": "false",
    "OFFLINE_MODE": "true",
    "ENABLE_VERSION_UPDATE_CHECK": "false",
}

PROMPT_SUGGESTIONS = [
    {
        "title": ["Which of my files can be searched?", "and what is the state of the others"],
        "content": "/files",
    },
]
"""Suggestions of an empty chat; Open WebUI's defaults are about college exams."""

GRANTED_PERMISSIONS = ("WORKSPACE_KNOWLEDGE_ACCESS",)
"""Permissions of users in addition to the defaults: to open a persona's knowledge base."""

DENIED_PERMISSIONS = (
    # Off by default; listed because a default may change.
    "WORKSPACE_MODELS_ACCESS", "WORKSPACE_MODELS_IMPORT", "WORKSPACE_PROMPTS_ACCESS",
    "WORKSPACE_PROMPTS_IMPORT", "WORKSPACE_TOOLS_ACCESS", "WORKSPACE_TOOLS_IMPORT",
    "WORKSPACE_SKILLS_ACCESS", "WORKSPACE_SKILLS_IMPORT",
    "WORKSPACE_KNOWLEDGE_ALLOW_SHARING", "WORKSPACE_KNOWLEDGE_ALLOW_PUBLIC_SHARING",
    "CHAT_ALLOW_PUBLIC_SHARING", "CHAT_ALLOW_OPEN_SHARING", "FOLDERS_ALLOW_SHARING",
    "FEATURES_API_KEYS", "FEATURES_DIRECT_TOOL_SERVERS",
    # A chat or a grant could be shared with a user of another tenant.
    "CHAT_SHARE", "ACCESS_GRANTS_ALLOW_USERS", "ACCESS_GRANTS_ALLOW_GROUPS",
    # The server would fetch any URL that it can reach.
    "CHAT_WEB_UPLOAD",
    # The pipe ignores all of these.
    "CHAT_CONTROLS", "CHAT_VALVES", "CHAT_SYSTEM_PROMPT", "CHAT_PARAMS",
    # There is no speech service. Files of a temporary chat could not be found again.
    "CHAT_STT", "CHAT_TTS", "CHAT_CALL", "CHAT_TEMPORARY",
    "FEATURES_WEB_SEARCH", "FEATURES_IMAGE_GENERATION", "FEATURES_CODE_INTERPRETER", "FEATURES_MEMORIES",
    "FEATURES_NOTES", "FEATURES_CHANNELS", "FEATURES_CALENDAR", "FEATURES_AUTOMATIONS",
)  # fmt: skip
"""Permissions that users do not have."""


def get_open_webui_admin(context: Context) -> tuple[str, str]:
    """Return e-mail address and password of Open WebUI's service account."""
    return ADMIN, context.secrets["open-webui-admin"]


class OpenWebUI(PlatformPart):
    """Open WebUI, in which users ask questions and upload documents."""

    name = "open-webui"
    summary = "chat and uploads"
    depends_on = ("postgres", "redis", "aws")  # Keycloak is needed only at a login
    ports = ("open-webui",)
    start_timeout = 300.0

    @property
    @override
    def version(self) -> str:
        return open_webui.get_version()

    @override
    def prepare(self) -> None:
        open_webui.install(lambda text: self.context.report(self.name, text))

    @override
    def build_command(self) -> Command:
        program = open_webui.install(lambda text: self.context.report(self.name, text))
        return Command([str(program.with_name("python")), str(GUARD)], self._build_env())

    @override
    def is_healthy(self) -> bool:
        return is_http_ok(f"{self.url}/ready")

    @override
    def provision(self) -> None:
        self._grant_file_sync()
        email, password = get_open_webui_admin(self.context)
        settings = {
            "WEBUI_INSTALL_URL": self.url,
            "WEBUI_INSTALL_ADMIN_EMAIL": email,
            "WEBUI_INSTALL_ADMIN_PASSWORD": password,
            "WEBUI_INSTALL_GATEWAY_URL": self.context.build_url("gateway"),
            "WEBUI_INSTALL_N8N_URL": self.context.build_url("n8n-webhook"),
            "WEBUI_INSTALL_FILE_SYNC_URL": self.context.build_url("file-sync"),
            "WEBUI_INSTALL_HINT_SECRET": self.context.secrets["file-sync-hints"],
        }
        self.context.report(self.name, "installing the functions")
        run_job("webui_install", settings)

    def _grant_file_sync(self) -> None:
        """Create file-sync's role and grants, now that Open WebUI has created its tables."""
        postgres = Postgres(self.context)
        postgres.run((FILE_SYNC_SQL / "role.sql").read_text())
        postgres.ensure_role(FILE_SYNC_ROLE, self.context.secrets["postgres-file-sync"])
        postgres.run(f'grant connect on database openwebui to "{FILE_SYNC_ROLE}"')
        database_url = postgres.build_dsn("openwebui", "openwebui", "postgres-open-webui")
        run_job("file_sync.jobs.grants", {"FILE_SYNC_GRANTS_DATABASE_URL": database_url})

    def _build_env(self) -> dict[str, str]:
        email, password = get_open_webui_admin(self.context)
        access_key, secret_key = Aws(self.context).get_key_pair("open-webui")
        redis_url = Redis(self.context).build_url(redis.OPEN_WEBUI_DATABASE, redis_users.OPEN_WEBUI)
        realm = f"{self.context.build_url('keycloak')}/realms/{REALM}"
        data = self.context.create_folder("data", "open-webui")
        return {
            **{name: os.environ.get(name, text) for name, text in UI_TEXTS.items()},
            **LOGIN_SETTINGS,
            **DISABLED_FEATURES,
            **_build_permissions(),
            "DEFAULT_PROMPT_SUGGESTIONS": json.dumps(PROMPT_SUGGESTIONS),
            "HOST": "127.0.0.1",
            "PORT": str(self.context.ports[self.name]),
            "FROM_INIT_PY": "true",  # its static files are in the package, as for `open-webui serve`
            "WEBUI_URL": self.url,
            "CORS_ALLOW_ORIGIN": self.url,
            "WEBUI_SECRET_KEY": self.context.secrets["open-webui"],
            "WEBUI_ADMIN_EMAIL": email,
            "WEBUI_ADMIN_PASSWORD": password,
            "WEBUI_ADMIN_NAME": "Tenantry",
            # The environment takes precedence over settings made in the user interface.
            "ENABLE_PERSISTENT_CONFIG": "false",
            "DATA_DIR": str(data),
            "STATIC_DIR": str(data / "static"),  # it is emptied and rewritten at each start
            "DATABASE_URL": Postgres(self.context).build_dsn("openwebui", "openwebui", "postgres-open-webui"),
            # The default pool keeps five connections and opens each further one for a single query.
            "DATABASE_POOL_SIZE": "20",
            "REDIS_URL": redis_url,
            "WEBSOCKET_MANAGER": "redis",
            "WEBSOCKET_REDIS_URL": redis_url,
            "OPENID_PROVIDER_URL": f"{realm}/.well-known/openid-configuration",
            "OPENID_REDIRECT_URI": f"{self.url}/oauth/oidc/callback",
            "OAUTH_CLIENT_SECRET": self.context.secrets["keycloak-open-webui"],
            "STORAGE_PROVIDER": "s3",
            "S3_ENDPOINT_URL": self.context.build_url("aws"),
            "S3_ADDRESSING_STYLE": "path",
            "S3_REGION_NAME": REGION,
            "S3_BUCKET_NAME": FILES_BUCKET,
            "S3_ACCESS_KEY_ID": access_key,
            "S3_SECRET_ACCESS_KEY": secret_key,
            # The gateway searches; Open WebUI only stores files. Its vector table stays empty.
            "BYPASS_EMBEDDING_AND_RETRIEVAL": "true",
            "VECTOR_DB": "pgvector",
            "PGVECTOR_CREATE_EXTENSION": "false",
            "RAG_EMBEDDING_ENGINE": "openai",
            "RAG_OPENAI_API_BASE_URL": UNUSED_URL,
            "RAG_FILE_MAX_SIZE": str(MAX_FILE_MIB),
            "RAG_ALLOWED_FILE_EXTENSIONS": FILE_EXTENSIONS,
        }


def _build_permissions() -> dict[str, str]:
    allowed = {f"USER_PERMISSIONS_{name}": "true" for name in GRANTED_PERMISSIONS}
    return allowed | {f"USER_PERMISSIONS_{name}": "false" for name in DENIED_PERMISSIONS}
