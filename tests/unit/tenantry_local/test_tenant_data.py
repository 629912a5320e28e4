"""Tests of the count of a tenant's points over HTTP."""

import json

import httpx
from tenantry_local.tenant_data import _count_collection_points

CONDITIONS = {"must": [{"key": "tenantId", "match": {"value": "tenant-a"}}]}


def count(answer: httpx.Response) -> tuple[int, list[httpx.Request]]:
    requests: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return answer

    with httpx.Client(transport=httpx.MockTransport(handle), base_url="http://qdrant.test") as http:
        return _count_collection_points(http, "knowledge", CONDITIONS), requests


def test_points_of_one_tenant_are_counted_exactly() -> None:
    points, (request,) = count(httpx.Response(200, json={"result": {"count": 7}}))
    assert points == 7
    assert request.url.path == "/collections/knowledge/points/count"
    assert json.loads(request.content) == {"filter": CONDITIONS, "exact": True}


def test_a_missing_collection_has_no_points() -> None:
    assert count(httpx.Response(404))[0] == 0
