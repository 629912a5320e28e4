"""Header of the frames that the gateway and its reader processes exchange."""

import struct

__all__ = ["FRAME_HEADER"]

FRAME_HEADER = struct.Struct(">QQ")
"""Lengths in bytes of the JSON header and of the content that follow."""
