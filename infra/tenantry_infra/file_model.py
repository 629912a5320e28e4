"""Base of the models that read an environment's file."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

__all__ = ["FileModel"]


class FileModel(BaseModel):
    """Part of an environment's file: names in camel case, no unknown fields, and no later change."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=True)
