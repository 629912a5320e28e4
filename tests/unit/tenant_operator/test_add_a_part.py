"""Tests of the example in docs/how-to/add-a-part.md: the module on the page works without changes."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tenant_operator.conditions import build_condition_type
from tenant_operator.part import Part

from tests.support.tenants.manifests import make_tenant

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "add-a-part.md"
MODULE = "tenant_operator.parts.settings"


class FakeRedisValues:
    """Redis with the commands of the example."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    async def get(self, key: str) -> str | None:
        return self.values.get(key)

    async def set(self, key: str, value: str) -> None:
        self.values[key] = value

    async def delete(self, key: str) -> int:
        return int(self.values.pop(key, None) is not None)

    async def exists(self, key: str) -> int:
        return int(key in self.values)


@pytest.fixture
def redis() -> FakeRedisValues:
    return FakeRedisValues()


@pytest.fixture
def part(redis: FakeRedisValues, monkeypatch: pytest.MonkeyPatch) -> Part[Any]:
    """Return the part that the page's first Python block defines."""
    (source, *_) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    module = ModuleType(MODULE)
    module.__package__ = MODULE.rpartition(".")[0]
    # Pydantic resolves annotations in the module's namespace.
    monkeypatch.setitem(sys.modules, MODULE, module)
    exec(compile(source, PAGE, "exec"), module.__dict__)
    example: Part[Any] = module.SettingsPart(redis)
    return example


async def test_the_example_writes_once_and_returns_its_section(part: Part[Any]) -> None:
    tenant = make_tenant("a")
    assert await part.observe(tenant) is None
    first = await part.ensure(tenant, None)
    second = await part.ensure(tenant, await part.observe(tenant))
    assert (len(first.changes), second.changes) == (1, [])
    assert part.section is not None
    assert part.section.model_validate(second.status).model_dump(by_alias=True) == second.status
    assert first.status == second.status


@pytest.mark.parametrize("method", ["remove", "release"])
async def test_the_example_deletes_its_key_and_a_second_call_succeeds(
    part: Part[Any], redis: FakeRedisValues, method: str
) -> None:
    tenant = make_tenant("a")
    await part.ensure(tenant, None)
    assert list((await part.count(tenant)).values()) == [1]
    for _ in range(2):
        await getattr(part, method)(tenant)
        assert list((await part.count(tenant)).values()) == [0]
    assert redis.values == {}


async def test_the_example_owns_no_key_of_the_part_quota(part: Part[Any], redis: FakeRedisValues) -> None:
    tenant = make_tenant("a")
    await part.ensure(tenant, None)
    assert [key for key in redis.values if key.startswith(f"{tenant.key}:")] == []


def test_the_page_names_the_condition_of_the_example(part: Part[Any]) -> None:
    assert f"`{build_condition_type(part.name)}`" in PAGE.read_text()
