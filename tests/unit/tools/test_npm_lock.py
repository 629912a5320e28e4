"""Test of the committed npm locks: URLs that npm adds are removed."""

import json

from tools.npm_lock import remove_urls


def test_urls_are_removed_and_digests_kept() -> None:
    package = {"version": "1.0.0", "integrity": "sha512-abc"}
    noise = {"resolved": "https://somewhere.example/p.tgz", "funding": {"url": "https://money.example"}}
    lock = {"lockfileVersion": 3, "packages": {"": {}, "node_modules/p": package | noise}}
    assert json.loads(remove_urls(json.dumps(lock)))["packages"]["node_modules/p"] == package
