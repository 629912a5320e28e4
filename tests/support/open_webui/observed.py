"""State of the real Open WebUI, read without the operator's code."""

import json
from typing import Any

import httpx
from tenantry_local.parts.aws import FILES_BUCKET, Aws
from tenantry_local.parts.open_webui import get_open_webui_admin
from tenantry_local.parts.postgres import Postgres
from tenantry_local.platform import Platform

__all__ = ["USER_PASSWORD", "ObservedOpenWebUI", "count_rows"]

USER_PASSWORD = "user-password-1"


class ObservedOpenWebUI:
    """Administrator's access to one Open WebUI, its database and its files.

    Parameters
    ----------
    platform
        Platform of the Open WebUI.
    """

    def __init__(self, platform: Platform) -> None:
        self.url = platform.context.build_url("open-webui")
        self._postgres = Postgres(platform.context)
        self._s3 = Aws(platform.context).s3
        self._uploads = platform.context.create_folder("data", "open-webui") / "uploads"
        self._http = httpx.Client(base_url=f"{self.url}/api/v1", timeout=60)
        token = self.fetch_token(*get_open_webui_admin(platform.context))
        self._http.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def fetch_token(self, email: str, password: str) -> str:
        """Sign in; return the access token."""
        response = self._http.post("/auths/signin", json={"email": email, "password": password})
        response.raise_for_status()
        return str(response.json()["token"])

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """Send a request as administrator; return the JSON of the response."""
        response = self._http.request(method, path, **arguments)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json()

    def run_sql(self, statement: str) -> None:
        """Run a statement in Open WebUI's database."""
        self._postgres.run(statement, "openwebui")

    def add_user(self, email: str, subject: str = "") -> str:
        """Create an account, with a ``subject`` as a login through Keycloak would; return its id."""
        form = {"name": email.partition("@")[0], "email": email, "password": USER_PASSWORD, "role": "user"}
        made = str(self.call("POST", "/auths/add", json=form)["id"])
        if subject:
            oauth = json.dumps({"oidc": {"sub": subject}})
            self.run_sql(f"""update "user" set oauth = '{oauth}' where id = '{made}'""")
        return made

    def fetch_user_token(self, email: str) -> str:
        """Sign in an account of :meth:`add_user`; return its access token."""
        return self.fetch_token(email, USER_PASSWORD)

    def call_as_person(self, token: str, method: str, path: str, **arguments: Any) -> Any:
        """Send a request with a person's token; return the JSON of the response."""
        headers = {"Authorization": f"Bearer {token}"}
        return self.call(method, path, headers=headers, **arguments)

    def get_status(self, token: str, path: str) -> int:
        """Return the status of a GET request with a person's token."""
        return self._http.get(path, headers={"Authorization": f"Bearer {token}"}).status_code

    def call_action(self, action: str, body: dict[str, Any], token: str = "") -> httpx.Response:
        """Call an action function as administrator, or with a person's token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self._http.post(f"{self.url}/api/chat/actions/{action}", json=body, headers=headers)

    def scan(self, text: str) -> dict[str, int]:
        """Return the number of occurrences of a text by table, object and file of Open WebUI."""
        rows = count_rows(self._postgres, "openwebui", text)
        objects = {
            f"s3 {entry['Key']}": 1
            for entry in self._s3.list_objects_v2(Bucket=FILES_BUCKET).get("Contents", [])
            if text in entry["Key"]
            or text.encode() in self._s3.get_object(Bucket=FILES_BUCKET, Key=entry["Key"])["Body"].read()
        }
        local = {
            f"folder {path.name}": 1
            for path in self._uploads.glob("*")
            if text in path.name or text.encode() in path.read_bytes()
        }
        return rows | objects | local

    def drop_user(self, email: str) -> None:
        """Delete an account if it exists."""
        for user in self.call("GET", "/users/", params={"query": email})["users"]:
            self.call("DELETE", f"/users/{user['id']}")

    def add_file(self, knowledge_id: str, name: str = "report.txt") -> str:
        """Add a file to a knowledge base; return its id."""
        files = {"file": (name, b"The answer is 42.", "text/plain")}
        made = self.call("POST", "/files/", files=files, params={"process_in_background": "false"})
        self.call("POST", f"/knowledge/{knowledge_id}/file/add", json={"file_id": made["id"]})
        return str(made["id"])

    def has_file(self, file_id: str) -> bool:
        """Return True if a file exists."""
        return self._http.get(f"/files/{file_id}").is_success

    def list_groups(self, tenant_id: str) -> list[dict[str, Any]]:
        """Return the groups with the tenant's name, each with the e-mail addresses of its members."""
        groups = [g for g in self.call("GET", "/groups/") if g["name"] == f"/tenants/tenant-{tenant_id}"]
        for group in groups:
            users = self.call("POST", f"/groups/id/{group['id']}/users")
            group["members"] = sorted(user["email"] for user in users)
            group["inherited"] = self.call("GET", f"/groups/id/{group['id']}/members")["counts"]["inherited"]
        return groups

    def list_models(self, tenant_id: str) -> list[dict[str, Any]]:
        """Return the tenant's models, found by their ids."""
        models = [m for m in self.call("GET", "/models/all") if m["id"].startswith(f"tenant-{tenant_id}.")]
        return sorted(models, key=lambda model: str(model["id"]))

    def list_bases(self, tenant_id: str) -> list[dict[str, Any]]:
        """Return the knowledge bases with the tenant's mark, sorted by name."""
        bases: list[dict[str, Any]] = []
        page = 1
        while items := self.call("GET", "/knowledge/search", params={"page": page})["items"]:
            bases += [item for item in items if get_persona(item, tenant_id)]
            page += 1
        return sorted(bases, key=lambda base: str(base["name"]))

    def get_base(self, tenant_id: str, persona: str = "finance") -> dict[str, Any]:
        """Return the only knowledge base of a persona."""
        (base,) = [
            candidate
            for candidate in self.list_bases(tenant_id)
            if get_persona(candidate, tenant_id) == persona
        ]
        return base

    def get_state(self, tenant_id: str) -> dict[str, Any]:
        """Return everything that the operator creates for a tenant, without ids that differ between runs."""
        groups = self.list_groups(tenant_id)
        named = {group["id"]: "own" for group in groups}
        return {
            "groups": [
                {
                    "description": group["description"],
                    "parent": group["parent_group_id"],
                    "members": group["members"],
                    "inherited": group["inherited"],
                }
                for group in groups
            ],
            "models": {
                model["id"]: {
                    "name": model["name"],
                    "base": model["base_model_id"],
                    "active": model["is_active"],
                    "description": model["meta"]["description"],
                    "file_context": (model["meta"]["capabilities"] or {}).get("file_context"),
                    "grants": _format_grants(model, named),
                }
                for model in self.list_models(tenant_id)
            },
            "knowledge": [
                {
                    "name": base["name"],
                    "description": base["description"],
                    "files": base["file_count"],
                    "grants": _format_grants(base, named),
                }
                for base in self.list_bases(tenant_id)
            ],
        }

    def list_versions(self, tenant_id: str) -> list[Any]:
        """Return id, update time and grants of all objects of a tenant; any write changes one of them."""
        entries = [*self.list_groups(tenant_id), *self.list_models(tenant_id), *self.list_bases(tenant_id)]
        return [(entry["id"], entry["updated_at"], entry.get("access_grants")) for entry in entries]


def count_rows(postgres: Postgres, database: str, text: str) -> dict[str, int]:
    """Return the number of rows with a text in any column, by table of a database."""
    listed = "select tablename from pg_tables where schemaname = 'public'"
    tables = postgres.run(listed, database).split()
    if not tables:
        return {}
    counts = "\nunion all\n".join(
        f"select '{table}', count(*) from \"{table}\" t where t::text like '%{text}%'" for table in tables
    )
    lines = [line.split("|") for line in postgres.run(counts, database).splitlines()]
    return {table.strip(): int(count) for table, count in lines if int(count)}


def get_persona(base: dict[str, Any], tenant_id: str) -> str:
    """Return the persona in a tenant's mark on a knowledge base; empty without a mark."""
    holders = (grant["principal_id"].split("/") for grant in base["access_grants"])
    return next((mark[2] for mark in holders if mark[0] == f"tenantry:tenant-{tenant_id}"), "")


def _format_grants(entry: dict[str, Any], groups: dict[str, str]) -> list[str]:
    """Return the grants of an object as text: ``own`` for the tenant's group, ``mark PERSONA`` for a mark."""

    def format_grant(grant: dict[str, str]) -> str:
        holder = grant["principal_id"]
        if holder.startswith("tenantry:"):
            return f"mark {holder.rpartition('/')[2]}"
        return f"{grant['permission']} {grant['principal_type']} {groups.get(holder, holder)}"

    return sorted(map(format_grant, entry["access_grants"]))
