"""Tests of the embedding models: responses and exact error messages."""

import json
from typing import Any

import numpy as np
import pytest
from tenantry_local.standins.bedrock.errors import ValidationException
from tenantry_local.standins.bedrock.invoke import invoke
from tenantry_local.standins.bedrock.models import COHERE_V4, TITAN_G1, TITAN_V2

COHERE_V3 = "cohere.embed-english-v3"
COHERE_GOT_TITANS_BODY = (
    "#: required key [texts] not found#: required key [input_type] not found"
    "#: extraneous key [inputText] is not permitted"
)
AGAIN = ", please reformat your input and try again."


def ask(model: str, **body: Any) -> dict[str, Any]:
    return invoke(model, json.dumps(body).encode())[0]


@pytest.mark.parametrize(
    ("wanted", "length"), [({}, 1024), ({"dimensions": 256}, 256), ({"dimensions": 512}, 512)]
)
def test_titan_v2_returns_the_requested_dimensions(wanted: dict[str, int], length: int) -> None:
    response = ask(TITAN_V2, inputText="a budget", **wanted)
    assert len(response["embedding"]) == length
    assert np.linalg.norm(response["embedding"]) == pytest.approx(1, abs=1e-5)
    assert response["embeddingsByType"] == {"float": response["embedding"]}
    assert response["inputTextTokenCount"] == 2


def test_titan_v2_without_normalization_has_another_length() -> None:
    plain, long = ask(TITAN_V2, inputText="x"), ask(TITAN_V2, inputText="x", normalize=False)
    assert np.linalg.norm(long["embedding"]) > 2
    assert np.dot(plain["embedding"], long["embedding"]) == pytest.approx(np.linalg.norm(long["embedding"]))


def test_titan_v2_returns_the_requested_types() -> None:
    response = ask(TITAN_V2, inputText="x", embeddingTypes=["binary"])
    assert "embedding" not in response
    assert set(response["embeddingsByType"]["binary"]) == {0, 1}


def test_each_other_model_has_its_default_dimensions() -> None:
    assert len(ask(TITAN_G1, inputText="x")["embedding"]) == 1536
    v3 = ask(COHERE_V3, texts=["x", "y"], input_type="search_document")
    assert [len(vector) for vector in v3["embeddings"]] == [1024, 1024]
    assert v3["response_type"] == "embeddings_floats"
    v4 = ask(
        COHERE_V4, texts=["x"], input_type="search_query", output_dimension=512, embedding_types=["float"]
    )
    assert len(v4["embeddings"]["float"][0]) == 512


@pytest.mark.parametrize(
    ("model", "body", "fault"),
    [
        (TITAN_V2, {"inputText": "x", "dimensions": 768}, "768 is not a valid enum value"),
        (TITAN_V2, {"inputText": ""}, "expected minLength: 1, actual: 0"),
        (TITAN_V2, {"inputText": "x" * 50_001}, "expected maxLength: 50000, actual: 50001"),
        (TITAN_V2, {"inputText": 7}, "expected type: String, found: Integer"),
        (TITAN_V2, {"inputText": None}, "expected type: String, found: Null"),
        (TITAN_V2, {}, "required key [inputText] not found"),
        (TITAN_V2, {"texts": ["x"]}, "2 schema violations found"),
        (TITAN_V2, ["x"], "expected type: JSONObject, found: JSONArray"),
        (TITAN_G1, {"inputText": "x", "dimensions": 1024}, "extraneous key [dimensions] is not permitted"),
        (COHERE_V4, {"inputText": "x"}, COHERE_GOT_TITANS_BODY),
        (
            COHERE_V3,
            {"texts": ["x" * 2049], "input_type": "search_query"},
            "#/texts/0: expected maxLength: 2048, actual: 2049",
        ),
        (
            COHERE_V3,
            {"texts": ["x"] * 97, "input_type": "search_query"},
            "#/texts: expected maximum item count: 96, found: 97",
        ),
        (COHERE_V4, {"texts": ["x"], "input_type": "query"}, "#/input_type: query is not a valid enum value"),
        (
            COHERE_V4,
            {"texts": ["x"], "input_type": "search_query", "output_dimension": 768},
            "#/output_dimension: 768 is not a valid enum value",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_an_invalid_body_is_refused(model: str, body: Any, fault: str) -> None:
    with pytest.raises(ValidationException) as caught:
        invoke(model, json.dumps(body).encode())
    assert str(caught.value) == f"Malformed input request: {fault}{AGAIN}"


def test_a_body_that_is_not_json_is_malformed() -> None:
    with pytest.raises(ValidationException) as caught:
        invoke(TITAN_V2, b'{"inputText": ')
    assert str(caught.value) == f"Malformed input request{AGAIN}"


def test_too_many_tokens_are_refused_with_their_number() -> None:
    with pytest.raises(
        ValidationException, match=r"Max input tokens: 8192, request input token count: 9001 $"
    ):
        ask(TITAN_V2, inputText="a " * 9000)
