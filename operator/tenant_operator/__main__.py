"""``python -m tenant_operator``."""

import sys

from pydantic import ValidationError

from .handlers import run
from .settings import Settings


def main() -> None:
    """Read the settings and run; a wrong setting is named in a sentence."""
    try:
        settings = Settings()
    except ValidationError as exc:
        for error in exc.errors(include_input=False):
            name = f"OPERATOR_{'_'.join(map(str, error['loc'])).upper()}"
            sys.stderr.write(f"{name}: {error['msg']}\n")
        raise SystemExit(2) from exc
    run(settings)


if __name__ == "__main__":
    main()
