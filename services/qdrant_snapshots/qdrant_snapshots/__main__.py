"""``python -m qdrant_snapshots create|restore``: save Qdrant's collections to S3, or restore them."""

import argparse
from datetime import UTC, datetime

import httpx
import structlog
from botocore.exceptions import BotoCoreError, ClientError
from servicekit.errors import BackendError
from servicekit.logs import configure_logs
from servicekit.settings import read_settings
from servicekit.tls import create_ssl_context

from .backups import Backups, open_backups
from .create import create_backup
from .errors import IncompleteSnapshot, SnapshotsFailed
from .qdrant import QdrantCluster, open_qdrant
from .restore import restore_backup
from .settings import SnapshotSettings
from .tenants import list_tenants

__all__ = ["main"]


def main() -> None:
    """Run the command; log the reason of a failure."""
    parser = argparse.ArgumentParser(prog="python -m qdrant_snapshots", description=__doc__)
    parser.add_argument("command", choices=["create", "restore"])
    arguments = parser.parse_args()
    settings = read_settings(SnapshotSettings)
    configure_logs("qdrant-snapshots", settings.log_level)
    log = structlog.get_logger("qdrant_snapshots")
    verify = create_ssl_context(settings.qdrant_ca_file)
    run = {"create": _create, "restore": _restore}[arguments.command]
    try:
        with (
            open_qdrant(
                settings.qdrant_url, settings.qdrant_api_key.get_secret_value(), verify=verify
            ) as qdrant,
            open_backups(settings.bucket, settings.prefix) as backups,
        ):
            run(qdrant, backups, settings)
    except (
        SnapshotsFailed,
        IncompleteSnapshot,
        BackendError,
        httpx.HTTPError,
        BotoCoreError,
        ClientError,
    ) as exc:
        reason = (str(exc) or type(exc).__name__).partition("\n")[0]  # httpx adds a link in a second line
        log.error("The job failed", command=arguments.command, reason=reason)  # noqa: TRY400 (no trace)
        raise SystemExit(1) from exc


def _create(qdrant: QdrantCluster, backups: Backups, settings: SnapshotSettings) -> None:
    create_backup(qdrant, backups, keep=settings.keep, now=datetime.now(UTC))


def _restore(qdrant: QdrantCluster, backups: Backups, settings: SnapshotSettings) -> None:
    restore_backup(qdrant, backups, list_tenants(), backup=settings.backup, replace=settings.replace)


if __name__ == "__main__":
    main()
