"""Encoder of AWS event streams (``application/vnd.amazon.eventstream``).

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
"""

import json
import struct
import zlib
from typing import Any

__all__ = ["encode_event", "encode_exception"]

STRING = 7
"""Header type of string values."""


def encode_event(name: str, payload: dict[str, Any]) -> bytes:
    """Return the encoded message of an event."""
    return _encode(
        {":message-type": "event", ":event-type": name, ":content-type": "application/json"}, payload
    )


def encode_exception(name: str, message: str) -> bytes:
    """Return the encoded message of an error, which ends a stream."""
    headers = {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
    return _encode(headers, {"message": message})


def _encode(headers: dict[str, str], payload: dict[str, Any]) -> bytes:
    encoded = b"".join(_encode_header(name, value) for name, value in headers.items())
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(encoded) + len(body), len(encoded))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + encoded + body
    return message + struct.pack("!I", zlib.crc32(message))


def _encode_header(name: str, value: str) -> bytes:
    raw = value.encode()
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", STRING, len(raw)) + raw
