"""Test of the SQL in the documentation, run as an administrator with the rights that RDS gives."""

import re
import subprocess
from pathlib import Path

import pytest
from tenantry_local.parts.postgres import find_postgres_programs

from .conftest import Server

PAGE = Path(__file__).parents[3] / "docs" / "install.md"


@pytest.mark.usefixtures("rds")
def test_the_documented_sql_works_without_a_superuser(server: Server) -> None:
    (script,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    script = re.sub(r"\b(n8n|openwebui)\b", rf"\1_{server.suffix}", script)
    done = subprocess.run(
        [
            str(find_postgres_programs() / "psql"),
            server.build_url(server.admin, "of-the-admin", "postgres"),
            "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--file=-",
        ],
        input=script, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with server.connect(f"openwebui_{server.suffix}", "...") as connection:
        connection.execute("create table v (v vector(3))")
    with server.connect("tenantry_file_sync", "...", f"openwebui_{server.suffix}") as connection:
        assert connection.execute("show statement_timeout").fetchone() == ("30s",)
    server.connect(f"n8n_{server.suffix}", "...").close()
