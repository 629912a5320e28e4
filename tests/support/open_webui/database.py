"""Fake Open WebUI: a database with the tables that file-sync reads, and the rows that Open WebUI writes.

The columns are those of Open WebUI's migrations; a test marked ``programs`` compares them. File-sync logs in
with the role of ``grants.sql``.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import psycopg
from tenantry_local.parts.aws import FILES_BUCKET, Aws
from tenantry_local.parts.open_webui import FILE_SYNC_ROLE
from tenantry_local.parts.postgres import Postgres
from tenantry_local.platform import Platform

__all__ = ["TABLES", "OpenWebUIWriter", "create_fake_open_webui"]

TABLES = """
create table "user" (id varchar primary key, email varchar, name varchar, oauth json);
create table auth (id varchar primary key, email varchar, password text);
create table "file" (
  id varchar primary key, user_id varchar, filename text, meta json, created_at bigint, hash text, data json,
  updated_at bigint, path text
);
create table knowledge (id text primary key, user_id text, name text);
create table knowledge_file (
  id text primary key, knowledge_id text not null references knowledge on delete cascade,
  file_id text not null references "file" on delete cascade, user_id text not null,
  created_at bigint not null, updated_at bigint not null, directory_id text, unique (knowledge_id, file_id)
);
create table chat (id varchar primary key, user_id varchar, title text, chat json);
create table chat_file (
  id text primary key, user_id text not null, chat_id text not null references chat on delete cascade,
  message_id text, file_id text not null references "file" on delete cascade,
  created_at bigint not null, updated_at bigint not null, unique (chat_id, file_id)
);
create table chat_message (
  id text primary key, chat_id text not null references chat on delete cascade, user_id text,
  role text not null,
  parent_id text, content json, output json, model_id text, created_at bigint, updated_at bigint
);
"""


class OpenWebUIWriter:
    """Writes to the database and the bucket as Open WebUI does.

    Parameters
    ----------
    url
        URL of the database, for file-sync's role.
    owner
        Connection of the tables' owner.
    """

    def __init__(self, platform: Platform, url: str, owner: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.url = url
        self.owner = owner
        self._aws = Aws(platform.context)

    def execute(self, sql: str, *values: Any) -> None:
        """Run a statement as the tables' owner."""
        self.owner.execute(sql.encode(), values)

    def create_account(self, subject: str | None) -> str:
        """Create an account and return its id; ``None`` for an account that never used Keycloak's login."""
        user_id = str(uuid.uuid4())
        oauth = json.dumps({"oidc": {"sub": subject}}) if subject else None
        self.execute('insert into "user" values (%s, %s, %s, %s)', user_id, f"{user_id}@x", "A person", oauth)
        return user_id

    def create_knowledge(self, knowledge_id: str) -> None:
        """Create a knowledge base, unless it exists."""
        self.execute("insert into knowledge values (%s, 'admin', 'K') on conflict do nothing", knowledge_id)

    def upload(
        self, user_id: str, filename: str, content: bytes, *, knowledge_id: str | None = None, **meta: Any
    ) -> str:
        """Store an uploaded file, for a knowledge base or for none; return its id."""
        file_id, now = str(uuid.uuid4()), int(time.time())
        base = "".join(filter(str.isprintable, filename.rpartition("/")[2][:80]))
        key = f"{file_id}_{base}"
        self._aws.s3.put_object(Bucket=FILES_BUCKET, Key=key, Body=content)
        client = {"knowledge_id": knowledge_id} if knowledge_id else {}
        described = {
            "name": filename,
            "content_type": None,
            "size": len(content),
            "file_hash": hashlib.sha256(content).hexdigest(),
            "data": client,
            **meta,
        }
        self.execute(
            'insert into "file" values (%s, %s, %s, %s, %s, null, %s, %s, %s)',
            file_id,
            user_id,
            filename,
            json.dumps(described),
            now,
            json.dumps({"status": "pending"}),
            now,
            f"s3://{FILES_BUCKET}/{key}",
        )
        return file_id

    def replace_content(self, file_id: str, content: bytes) -> None:
        """Replace the content of a file, under the same name."""
        with self.owner.cursor() as cursor:
            row = cursor.execute('select path, meta from "file" where id = %s', (file_id,)).fetchone()
        assert row
        self._aws.s3.put_object(
            Bucket=FILES_BUCKET, Key=row[0].removeprefix(f"s3://{FILES_BUCKET}/"), Body=content
        )
        meta = row[1] | {"size": len(content), "file_hash": hashlib.sha256(content).hexdigest()}
        self.execute(
            'update "file" set meta = %s, updated_at = updated_at + 1 where id = %s',
            json.dumps(meta),
            file_id,
        )

    def rename(self, file_id: str, filename: str) -> None:
        """Rename a file."""
        self.execute(
            'update "file" set filename = %s, updated_at = updated_at + 1 where id = %s', filename, file_id
        )

    def set_processed(self, file_id: str, status: str = "completed") -> None:
        """Set the status of the extraction of a file's text."""
        data = json.dumps({"status": status, "content": 'its text, with "status": "pending" in it'})
        self.execute('update "file" set data = %s, updated_at = updated_at + 1 where id = %s', data, file_id)

    def add_to_knowledge(self, file_id: str, knowledge_id: str) -> None:
        """Add a file to a knowledge base, as its owner and with the guard's note."""
        self._annotate(file_id, tenantry_removed_by="", tenantry_added_to=knowledge_id)
        self.execute(
            "insert into knowledge_file values (%s, %s, %s, 'x', %s, 0, null)",
            str(uuid.uuid4()),
            knowledge_id,
            file_id,
            int(time.time()),
        )

    def remove_from_knowledge(self, file_id: str, knowledge_id: str, *, by: str = "") -> None:
        """Remove a file from a knowledge base; the file itself is kept.

        Parameters
        ----------
        by
            Account that the guard notes as the remover; empty without a guard.
        """
        if by:
            self._annotate(file_id, tenantry_removed_by=by)
        self.execute(
            "delete from knowledge_file where file_id = %s and knowledge_id = %s", file_id, knowledge_id
        )

    def reset_knowledge(self, knowledge_id: str, *, by: str) -> None:
        """Reset a knowledge base without a guard: remove all files, and delete the files of ``by``."""
        self.execute(
            'delete from "file" where user_id = %s and id in '
            "(select file_id from knowledge_file where knowledge_id = %s)",
            by,
            knowledge_id,
        )
        self.execute("delete from knowledge_file where knowledge_id = %s", knowledge_id)

    def backdate(self, file_id: str, seconds: int) -> None:
        """Make the upload of a file ``seconds`` older."""
        self.execute('update "file" set created_at = created_at - %s where id = %s', seconds, file_id)

    def _annotate(self, file_id: str, **notes: str) -> None:
        """Add notes to a file's metadata, edited as text because the metadata need not be valid JSON."""
        for name, note in notes.items():
            for pattern, text in ((f', "{name}": "[^"]*"', ""), ("}$", f', "{name}": "{note}"}}')):
                self.execute(
                    'update "file" set meta = regexp_replace(meta::text, %s, %s)::json, '
                    "updated_at = updated_at + 1 where id = %s",
                    pattern,
                    text,
                    file_id,
                )

    def send_in_chat(self, user_id: str, file_id: str, model_id: str, *, chat_of: str | None = None) -> str:
        """Send a file in a new chat to a model; return the chat's id."""
        chat_id, message_id, now = str(uuid.uuid4()), str(uuid.uuid4()), int(time.time())
        self.execute("insert into chat values (%s, %s, 'secret title', '{}')", chat_id, chat_of or user_id)
        for role, parent, model in (("user", None, None), ("assistant", message_id, model_id)):
            own = message_id if role == "user" else str(uuid.uuid4())
            self.execute(
                "insert into chat_message values (%s, %s, %s, %s, %s, '\"secret\"', null, %s, %s, %s)",
                f"{chat_id}-{own}",
                chat_id,
                user_id,
                role,
                parent,
                model,
                now,
                now,
            )
        self.execute(
            "insert into chat_file values (%s, %s, %s, %s, %s, %s, %s)",
            str(uuid.uuid4()),
            user_id,
            chat_id,
            message_id,
            file_id,
            now,
            now,
        )
        return chat_id

    def delete_file(self, file_id: str) -> None:
        """Delete a file with all its links."""
        self.execute('delete from "file" where id = %s', file_id)


@contextmanager
def create_fake_open_webui(platform: Platform) -> Iterator[OpenWebUIWriter]:
    """Create an empty database with Open WebUI's tables in the platform's Postgres."""
    postgres, context = Postgres(platform.context), platform.context
    database = f"owui_{uuid.uuid4().hex[:8]}"
    postgres.run(f"create database {database}")
    postgres.run(TABLES, database)
    for name in ("role.sql", "grants.sql"):
        postgres.run((files("file_sync") / name).read_text(), database)
    postgres.ensure_role(FILE_SYNC_ROLE, context.secrets["postgres-file-sync"])
    url = postgres.build_dsn(database, FILE_SYNC_ROLE, "postgres-file-sync")
    owner = psycopg.connect(postgres.build_dsn(database, "postgres", "postgres"), autocommit=True)
    try:
        yield OpenWebUIWriter(platform, url, owner)
    finally:
        owner.close()
        postgres.run(f"drop database {database} with (force)")
