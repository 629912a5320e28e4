"""Tests of locks by key."""

import asyncio
import gc

from servicekit.locks import KeyedLocks


async def test_a_key_has_one_holder_and_keys_are_independent() -> None:
    locks, order = KeyedLocks(), []

    async def hold_lock(key: str, name: str) -> None:
        async with locks[key]:
            order.append(f"{name} in")
            await asyncio.sleep(0.01)
            order.append(f"{name} out")

    await asyncio.gather(hold_lock("a", "first"), hold_lock("a", "second"), hold_lock("b", "other"))
    assert order.index("first out") < order.index("second in")
    assert order.index("other in") < order.index("first out")


async def test_an_unused_lock_is_removed() -> None:
    locks = KeyedLocks()
    async with locks["a"]:
        assert len(locks._locks) == 1
    gc.collect()
    assert len(locks._locks) == 0
