"""Test of the shared descriptions of AWS' APIs."""

import botocore.session


def test_sessions_share_the_parsed_descriptions() -> None:
    first, second = (botocore.session.Session().get_component("data_loader") for _ in range(2))
    assert first is second
