"""Settings of programs, read from environment variables."""

import sys
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["HttpSettings", "ProgramSettings", "read_settings"]

S = TypeVar("S", bound=BaseSettings)

DimensionName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,254}$")]
DimensionValue = Annotated[str, Field(pattern=r"^[ -~]{1,1024}$")]
"""CloudWatch rejects lines with other dimensions."""


class ProgramSettings(BaseSettings):
    """Base class of all settings. Subclasses add ``env_prefix`` and fields with a docstring each."""

    model_config = SettingsConfigDict(
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,  # a wrong URL can hold a password, and errors are logged
    )

    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """Least severe level that is logged."""


class HttpSettings(ProgramSettings):
    """Settings of a program that serves HTTP."""

    host: str = "127.0.0.1"
    """Address to bind."""

    port: int = Field(8080, ge=0, le=65535)
    """Port to bind; 0 takes a free one."""

    metrics_port: int = Field(0, ge=0, le=65535)
    """Port that serves only `/metrics`, for monitoring; 0 serves no metrics. The port of the API has none."""

    cloudwatch_dimensions: dict[DimensionName, DimensionValue] = Field(default_factory=dict)
    """Dimensions of the metrics that are written to the standard output for CloudWatch, as JSON; empty writes
    none."""


def read_settings(kind: type[S]) -> S:
    """Return the settings.

    Raises
    ------
    SystemExit
        A variable is missing or wrong. Each is named on the standard error, without its value, which can be a
        secret. The exit status is 2.
    """
    try:
        return kind()
    except ValidationError as exc:
        prefix = kind.model_config.get("env_prefix", "")
        for error in exc.errors(include_input=False):
            # An error about several variables has no location.
            name = f"{prefix}{'_'.join(map(str, error['loc'])).upper() or '*'}"
            reason = "not set" if error["type"] == "missing" else error["msg"].removeprefix("Value error, ")
            sys.stderr.write(f"{name}: {reason}\n")
        raise SystemExit(2) from exc
