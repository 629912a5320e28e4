"""Delete all collections of Qdrant: reads ``{"url": ..., "key": ...}``, prints the names as JSON."""

import json
import sys

import httpx

given = json.load(sys.stdin)
with httpx.Client(base_url=given["url"], headers={"api-key": given["key"]}, timeout=60) as http:
    found = http.get("/collections").raise_for_status().json()["result"]["collections"]
    for collection in found:
        http.delete(f"/collections/{collection['name']}").raise_for_status()
print(json.dumps([collection["name"] for collection in found]))
