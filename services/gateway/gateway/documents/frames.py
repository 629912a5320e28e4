"""How the gateway and its reader processes speak: frames of a JSON header and a content."""

import struct

__all__ = ["FRAME"]

FRAME = struct.Struct(">QQ")
"""Lengths of header and content, in bytes, that stand before them."""
