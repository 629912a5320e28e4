"""Tests of the client of Open WebUI's database, without a database. Integration tests cover the queries."""

import psycopg
import pytest
from file_sync.adapters.open_webui_database import OpenWebUIDatabase, classify
from file_sync.models import File, Link, LinkKind
from psycopg_pool import PoolTimeout
from servicekit.errors import BackendUnavailable
from servicekit.remote import FailureClass

ROW = {
    "id": "f1",
    "owner": "u1",
    "filename": "plan.pdf",
    "path": "s3://files/f1_plan.pdf",
    "size": 10,
    "digest": "AB" * 32,
    "created_at": 1,
    "updated_at": 2,
    "subject": "anna",
    "links": [[3, "model", "tenant-a.hr", None], [None, "knowledge", "k1", "d1"]],
    "knowledge": "k1",
    "folder": "d1",
    "remover": "",
}
TEXT = '[[3, "model", "tenant-a.hr", null], [null, "knowledge", "k1", "d1"]]'


@pytest.mark.parametrize(
    ("error", "failure_class"),
    [
        (psycopg.OperationalError(), FailureClass.TRANSIENT),
        (psycopg.InterfaceError(), FailureClass.TRANSIENT),
        (PoolTimeout(), FailureClass.TRANSIENT),
        (psycopg.errors.InsufficientPrivilege(), FailureClass.PERMANENT),
        (psycopg.errors.UndefinedColumn(), FailureClass.PERMANENT),
        (ValueError(), None),
    ],
)
def test_a_lost_connection_is_transient_and_a_refused_query_permanent(
    error: Exception, failure_class: FailureClass | None
) -> None:
    assert classify(error) is failure_class


@pytest.mark.parametrize("links", [ROW["links"], TEXT], ids=["decoded", "as text"])
async def test_a_row_becomes_a_file_with_its_links_in_order_of_time(
    monkeypatch: pytest.MonkeyPatch, links: object
) -> None:
    async def list_rows(*_: object, **values: object) -> list[dict[str, object]]:
        assert values == {"ids": ["f1"]}
        return [{**ROW, "links": links}]

    database = OpenWebUIDatabase("postgresql://unused")
    monkeypatch.setattr(database, "_query", list_rows)
    assert await database.list_files_by_id(["f1"]) == [
        File(
            id="f1",
            owner="u1",
            subject="anna",
            filename="plan.pdf",
            path="s3://files/f1_plan.pdf",
            size=10,
            digest="ab" * 32,
            created_at=1,
            updated_at=2,
            links=(
                Link(0, LinkKind.KNOWLEDGE, "k1", "d1"),
                Link(3, LinkKind.MODEL, "tenant-a.hr", ""),
            ),
            knowledge="k1",
            folder="d1",
        )
    ]


async def test_a_database_that_does_not_answer_is_unavailable() -> None:
    database = OpenWebUIDatabase("postgresql://none@127.0.0.1:9/none?connect_timeout=1")
    database._pool.timeout = 0.2
    await database.open()
    with pytest.raises(BackendUnavailable):
        await database.read_fingerprints()
    await database.close()
