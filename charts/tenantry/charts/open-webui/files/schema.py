"""Wait until the database has the schema of this version of Open WebUI; with ``migrate``, create the schema.

One job migrates the database, and no pod of the new version starts before the migration is finished. A
rollback keeps a newer schema.
"""

import importlib
import os
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError

POLL_INTERVAL_SECONDS = 2


def end(number: int, _: object) -> None:
    """End the program. A container's first process ignores signals that have no handler."""
    sys.exit(128 + number)


def is_outdated(engine: Engine, scripts: ScriptDirectory) -> bool:
    """Return True if the schema is older than this version."""
    with engine.connect() as connection:
        current = set(MigrationContext.configure(connection).get_current_heads())
    try:
        for revision in current:
            scripts.get_revision(revision)
    except CommandError:
        return False  # a later version of Open WebUI created the schema
    return current != set(scripts.get_heads())


def main() -> None:
    """Return when the schema is up to date."""
    if "migrate" not in sys.argv:  # a migration is not interrupted
        signal.signal(signal.SIGTERM, end)
    config = Config()
    package = Path(find_spec("open_webui").origin).parent
    config.set_main_option("script_location", str(package / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    engine = create_engine(os.environ["DATABASE_URL"])
    while True:
        try:
            if not is_outdated(engine, scripts):
                return
            if "migrate" in sys.argv:
                importlib.import_module("open_webui.config")  # importing this module runs the migrations
                continue
            reason = "the schema is not migrated yet"
        except OperationalError as exc:
            reason = str(exc.orig)
        sys.stdout.write(f"Waiting: {reason.strip()}\n")
        sys.stdout.flush()
        time.sleep(POLL_INTERVAL_SECONDS)


if __name__ == "__main__":
    main()
