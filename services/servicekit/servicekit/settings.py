"""How a program reads its settings from the environment."""

import sys
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

__all__ = ["read_settings"]

S = TypeVar("S", bound=BaseSettings)


def read_settings(kind: type[S]) -> S:
    """Return the settings.

    Raises
    ------
    SystemExit
        One is missing or wrong. Each such variable is named on the standard error, without its value, which
        may be a secret; the exit status is 2.
    """
    try:
        return kind()
    except ValidationError as exc:
        prefix = kind.model_config.get("env_prefix", "")
        for error in exc.errors(include_input=False):
            name = f"{prefix}{'_'.join(map(str, error['loc'])).upper()}"
            sys.stderr.write(f"{name}: {error['msg']}\n")
        raise SystemExit(2) from exc
