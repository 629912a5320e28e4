"""Tests of the settings of the job that creates databases: logins from Secrets, and refused combinations."""

from typing import Any

import pytest
from databases_install.settings import DatabasesInstallSettings
from pydantic import ValidationError

VALUES: dict[str, Any] = {
    "host": "db.example",
    "username": "master",
    "password": "of-the-master",
    "release": "tenantry/tenantry",
}
CHAT = "postgresql://openwebui:p%40ss%2Fword@db.example:5432/openwebui?sslmode=require"
READER = "postgresql://tenantry_file_sync:p@db.example/openwebui"


def test_logins_come_from_urls_and_passwords() -> None:
    settings = DatabasesInstallSettings(
        **VALUES, open_webui_url=CHAT, n8n_password="of-n8n", n8n_user="flows"
    )
    chat, n8n = settings.list_owners()
    assert (chat.user, chat.password, chat.database) == ("openwebui", "p@ss/word", "openwebui")
    assert (n8n.user, n8n.password, n8n.database) == ("flows", "of-n8n", "n8n")
    assert "p@ss" not in repr(chat)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"open_webui_url": "postgresql://openwebui@db/openwebui"}, "must be postgresql://ROLE:PASSWORD@HOST"),
        ({"open_webui_url": "mysql://u:hunter2@db/openwebui"}, "must be postgresql://ROLE:PASSWORD@HOST"),
        ({"open_webui_url": "postgresql://u:hunter2@db/"}, "must be postgresql://ROLE:PASSWORD@HOST"),
        ({"n8n_password": "p", "n8n_user": "openwebui"}, "two programs have the same user openwebui"),
        ({"n8n_password": "p", "n8n_database": "openwebui"}, "two programs have the same database openwebui"),
        ({"n8n_password": "p", "n8n_user": "master"}, "must not log in as master, the administrator"),
        ({"file_sync_url": READER.replace("_file_sync", "")}, "must name the role tenantry_file_sync"),
        ({"file_sync_url": READER.replace("/openwebui", "/another")}, "and the database of open_webui_url"),
        ({"file_sync_url": READER, "open_webui_url": None}, "and the database of open_webui_url"),
    ],
)  # fmt: skip
def test_logins_that_cannot_be_right_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as caught:
        DatabasesInstallSettings(**{**VALUES, "open_webui_url": CHAT, **changes})
    assert "hunter2" not in str(caught.value)
