"""IPTC records: captions, keywords and rights, as JPEG and TIFF files hold them.

JPEG wraps the records into image resources of Photoshop, TIFF holds them bare.
"""

from __future__ import annotations

import struct

PHOTOSHOP = b"Photoshop 3.0\0"
RESOURCE = b"8BIM"
IPTC = 0x0404
"""Number of the image resource that holds IPTC records."""


def unwrapped(block: bytes) -> bytes | None:
    """Return the IPTC records of a JPEG file's block of image resources; None without any."""
    at = len(PHOTOSHOP)
    if not block.startswith(PHOTOSHOP):
        return None
    while block[at : at + 4] == RESOURCE and at + 12 <= len(block):
        (number,) = struct.unpack_from(">H", block, at + 4)
        at += 6 + _even(1 + block[at + 6])  # the name, after its length
        if at + 4 > len(block):
            return None
        (size,) = struct.unpack_from(">I", block, at)
        if number == IPTC:
            return block[at + 4 : at + 4 + size] or None
        at += 4 + _even(size)
    return None


def wrapped(records: bytes) -> bytes:
    """Return IPTC records as a block of image resources for a JPEG file."""
    head = struct.pack(">4sHHI", RESOURCE, IPTC, 0, len(records))
    return PHOTOSHOP + head + records + b"\0" * (len(records) % 2)


def _even(size: int) -> int:
    """Return a size rounded up to an even number."""
    return size + size % 2
