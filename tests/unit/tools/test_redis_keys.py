"""Test of the table of Redis keys in the documentation: it lists every key."""

import inspect
import re
from datetime import date

from tenancy import names

from tools.version import REPOSITORY

DAY = date(2026, 3, 7)
VALUES = {"tenant_id": "a", "uid": "0b1f", "day": DAY, "month": DAY, "digest": "{digest}"}


def test_the_documentation_lists_every_redis_key() -> None:
    makers = [getattr(names, name) for name in names.__all__ if name.endswith("_key")]
    parameters = [(maker, inspect.signature(maker).parameters) for maker in makers]
    keys = [
        maker(*(VALUES[name] for name in each)) for maker, each in parameters if each.keys() <= VALUES.keys()
    ]
    prefix = names.build_redis_prefix("a", "0b1f")
    used = {key.removeprefix(prefix) for key in keys if key.startswith(prefix)}
    expected = {key.replace(f"{DAY}", "{day}").replace(f"{DAY:%Y-%m}", "{month}") for key in used}
    page = (REPOSITORY / "docs/limits.md").read_text()
    section = page.partition("## Keys in Redis")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)) == expected
