"""Tests of the key pair that signs tickets."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tenantry_local.tickets import ensure_key_set, ensure_private_key


def test_parts_that_start_concurrently_share_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        files = list(
            pool.map(lambda number: (ensure_private_key, ensure_key_set)[number % 2](tmp_path), range(16))
        )
    private, public = files[0], files[1]
    assert set(files) == {private, public}
    (known,) = json.loads(public.read_text())["keys"]
    assert json.loads(private.read_text())["kid"] == known["kid"]
