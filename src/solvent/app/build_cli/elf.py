"""What of a Linux library is needed to run it, and how old may the system be that runs it?"""

import re
import struct
from typing import Final

_MAGIC: Final = b"\x7fELF\x02\x01"
"""64 bits, little-endian: all that is built for today."""

_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")
_GLIBC: Final = re.compile(rb"\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)")


def is_elf(content: bytes) -> bool:
    """Say whether these are the bytes of a program or library for Linux."""
    return content.startswith(_MAGIC) and len(content) >= _HEADER.size


def trimmed(content: bytes) -> bytes:
    """Return a library without what only linkers and debuggers read.

    The loader reads the segments alone: what stands behind the last of them, symbols and debugging
    information, may go, and with it the table of sections. What cannot be read stays as it is.
    """
    header = list(_HEADER.unpack_from(content))
    segments, size, count = header[5], header[9], header[10]
    if size != _SEGMENT.size or segments + size * count > len(content):
        return content
    end = segments + size * count
    for number in range(count):
        _, _, offset, _, _, length, _, _ = _SEGMENT.unpack_from(content, segments + size * number)
        end = max(end, offset + length)
    if end > len(content):
        return content
    header[6] = header[11] = header[12] = header[13] = 0
    return _HEADER.pack(*header) + content[_HEADER.size : end]


def needed_glibc(content: bytes) -> tuple[int, int]:
    """Return the newest version of glibc that a library asks for, (0, 0) if none."""
    found = ((int(one[1]), int(one[2])) for one in _GLIBC.finditer(content))
    return max(found, default=(0, 0))
