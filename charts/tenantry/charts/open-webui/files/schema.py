"""Waits until the database has the tables of this edition of Open WebUI; with ``migrate`` it makes them.

So one job migrates, once, and no pod of the new edition begins before that is done. A database that is newer,
after a rollback, is left as it is.
"""

import importlib
import os
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

PAUSE_SECONDS = 2


def is_behind(engine: Engine, scripts: ScriptDirectory) -> bool:
    """Tell whether there is something to migrate."""
    with engine.connect() as connection:
        current = set(MigrationContext.configure(connection).get_current_heads())
    try:
        for revision in current:
            scripts.get_revision(revision)
    except CommandError:
        return False  # it is of a later edition
    return current != set(scripts.get_heads())


def main() -> None:
    """Return when nothing is to be migrated any more."""
    config = Config()
    package = Path(find_spec("open_webui").origin).parent
    config.set_main_option("script_location", str(package / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    engine = create_engine(os.environ["DATABASE_URL"])
    while True:
        try:
            if not is_behind(engine, scripts):
                return
            if "migrate" in sys.argv:
                importlib.import_module("open_webui.config")  # it migrates when it is imported
                continue
            reason = "the tables are not yet those of this edition"
        except OperationalError as exc:
            reason = str(exc.orig)
        sys.stdout.write(f"Waiting: {reason.strip()}\n")
        sys.stdout.flush()
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
