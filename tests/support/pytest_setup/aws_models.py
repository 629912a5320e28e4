"""Cache of botocore's API models for the whole test process."""

from functools import cache
from typing import Any

from botocore.loaders import JSONFileLoader

__all__ = ["cache_aws_models"]


def cache_aws_models() -> None:
    """Parse each model file of the AWS SDK once, and not once per session.

    Parsing the models of S3 and STS takes 0.3 s of CPU, and most tests open a session. botocore only reads
    a loaded model: all clients of a session share it already.
    """
    loader, load_file = JSONFileLoader(), JSONFileLoader.load_file

    @cache
    def load(path: str) -> Any:
        return load_file(loader, path)

    def load_cached(_self: JSONFileLoader, path: str) -> Any:
        return load(path)

    JSONFileLoader.load_file = load_cached  # type: ignore[method-assign,assignment]
