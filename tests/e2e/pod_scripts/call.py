"""Send HTTP requests sequentially: reads a JSON list of httpx arguments, prints a list of [status, body].

A file to upload is ``[name, base64]`` under ``document``.
"""

import base64
import json
import sys

import httpx

responses = []
with httpx.Client(timeout=120) as http:
    for request in json.load(sys.stdin):
        if "document" in request:
            name, content = request.pop("document")
            request["files"] = {"file": (name, base64.b64decode(content))}
        response = http.request(**request)
        responses.append([response.status_code, response.text])
print(json.dumps(responses))
