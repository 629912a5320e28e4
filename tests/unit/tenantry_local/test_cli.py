"""The command line where no program runs."""

import io
import json
from pathlib import Path

import pytest
from tenancy.receipts import ErasureReceipt, Store, TenantIdentity, read_private_key, sign
from tenantry_local import cli, receipts


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TENANTRY_STATE", str(tmp_path))
    monkeypatch.delenv("TENANTRY_KUBECONFIG", raising=False)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["tenantry", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_down_where_nothing_runs_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "down") == 0
    assert "Nothing was running." in capsys.readouterr().out


def test_env_gives_a_shell_our_kubectl_and_the_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: Path
) -> None:
    assert run(monkeypatch, "env") == 0
    path, config = capsys.readouterr().out.splitlines()
    folder = path.removeprefix("export PATH=").removesuffix(':"$PATH"')
    assert (Path(folder) / "kubectl").exists()
    assert config == f"export KUBECONFIG={state}/kube/admin.kubeconfig"


def test_status_of_a_platform_that_is_down_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "status") == 1
    assert "down" in capsys.readouterr().out


def test_a_problem_is_a_sentence_and_not_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "logs", "postgre") == 1
    told = capsys.readouterr().err
    assert "there is no part postgre; there are etcd, kubernetes" in told
    assert "Traceback" not in told


def test_reset_forgets_the_state(monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    (state / "data").mkdir()
    assert run(monkeypatch, "reset", "--yes") == 0
    assert not state.exists()


def test_reset_asks_first(monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run(monkeypatch, "reset") == 1
    assert state.exists()


def test_a_receipt_is_verified_with_the_platforms_own_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: Path
) -> None:
    counted = Store(store="s3", before={"a": 3}, after={"a": 0}, counted_before="x", counted_after="y")
    receipt = ErasureReceipt(
        tenant=TenantIdentity(id="acme", key="tenant-acme", uid="u"), deletion_requested="x", finished="y",
        stores=[counted],
    )  # fmt: skip
    file = state / "receipt.json"
    file.write_text(json.dumps(sign(receipt, read_private_key(receipts.private_key(state)))))
    assert run(monkeypatch, "verify-erasure", str(file)) == 0
    assert "Valid: Tenant acme" in capsys.readouterr().out
    file.write_text(file.read_text().replace("acme", "other"))
    assert run(monkeypatch, "verify-erasure", str(file)) == 1
    assert "changed after it was signed" in capsys.readouterr().err
