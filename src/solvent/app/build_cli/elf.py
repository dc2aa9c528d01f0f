"""What of a Linux library is needed to run it, and how old may the system be that runs it?"""

import re
import struct
from collections.abc import Callable
from typing import Final

_MAGIC: Final = b"\x7fELF\x02\x01"
"""64 bits, little-endian: all that is built for today."""

_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")
_DYNAMIC: Final = struct.Struct("<qQ")
_PT_DYNAMIC: Final = 2
_DT_RPATH: Final = 15
_DT_RUNPATH: Final = 29
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


def with_inherited_run_path(content: bytes) -> bytes:
    """Return a program whose run path also holds for what is loaded by what it loads.

    Linkers write DT_RUNPATH, which does not; DT_RPATH does, and stands in the same form.
    """
    return _with_entries(
        content, lambda tag, value: (_DT_RPATH if tag == _DT_RUNPATH else tag, value)
    )


def without_run_path(content: bytes) -> bytes:
    """Return a library that is looked up from where its program says, not from where it was built.

    A library's own run path, a folder of the machine that built it, would go before the program's.
    """
    own = {_DT_RPATH, _DT_RUNPATH}
    return _with_entries(content, lambda tag, value: None if tag in own else (tag, value))


def _with_entries(content: bytes, change: Callable[[int, int], tuple[int, int] | None]) -> bytes:
    """Return a program with the entries of its dynamic section changed; None takes one out."""
    header, changed = _HEADER.unpack_from(content), bytearray(content)
    for number in range(header[10]):
        kind, _, offset, _, _, length, _, _ = _SEGMENT.unpack_from(
            content, header[5] + _SEGMENT.size * number
        )
        if kind == _PT_DYNAMIC:
            told = list(_DYNAMIC.iter_unpack(content[offset : offset + length]))
            kept = [one for tag, value in told if (one := change(tag, value)) is not None]
            kept += [(0, 0)] * (len(told) - len(kept))
            changed[offset : offset + length] = b"".join(_DYNAMIC.pack(*one) for one in kept)
    return bytes(changed)


def needed_glibc(content: bytes) -> tuple[int, int]:
    """Return the newest version of glibc that a library asks for, (0, 0) if none."""
    found = ((int(one[1]), int(one[2])) for one in _GLIBC.finditer(content))
    return max(found, default=(0, 0))
