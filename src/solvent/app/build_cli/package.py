"""How is a folder written behind a launcher, the same bytes from the same content?

The format stands in c/package.h.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from solvent.kit.errors import Invalid

MAGIC: Final = b"SOLVENT1"
MAX_PATH_BYTES: Final = 512
MAX_ENTRIES: Final = 100_000
_HASH_BYTES: Final = 32
_FOLDER, _FILE, _PROGRAM = 0, 1, 2
_LEVEL: Final = 7
"""The highest takes three times as long and saves half a per cent."""

_RAW: Final = -15
_MEMORY: Final = 9


class PackageTooLarge(Invalid):
    """The program has too many files, or a path in it is too long."""

    code = "solvent.package_too_large"


class Packed(NamedTuple):
    """What was written: sizes in bytes, and what the folder in the cache is called."""

    plain_bytes: int
    packed_bytes: int
    files: int
    key: str


def write(output: Path, launcher: bytes, folder: Path, *, name: str) -> Packed:
    """Write launcher, packed folder and index into one file.

    Programs are what stands in `bin/`. Neither times, nor owners, nor the order of the disk are
    written, so that the same content makes the same bytes.

    Raises:
        PackageTooLarge: there are more files, or longer paths, than the launcher takes.
    """
    body, index, plain_bytes, files = bytearray(launcher), bytearray(), 0, 0
    entries = list(_entries(folder))
    if len(entries) > MAX_ENTRIES:
        raise PackageTooLarge(f"it has {len(entries)} files, of at most {MAX_ENTRIES}")
    for kind, path, content in entries:
        packed = b"" if kind == _FOLDER else _packed(content)
        index += _entry(kind, path, content, at=len(body), packed_size=len(packed))
        body += packed
        plain_bytes += len(content)
        files += kind != _FOLDER
    head = struct.pack("<IB", len(entries), len(name)) + name.encode("ascii")
    whole = head + bytes(index)
    key = _hash(whole)
    trailer = MAGIC + struct.pack("<QQ", len(body), len(whole)) + key
    output.write_bytes(bytes(body) + whole + trailer)
    return Packed(plain_bytes, len(body) - len(launcher), files, key.hex()[:32])


def _entries(folder: Path) -> Iterator[tuple[int, str, bytes]]:
    """Yield folders before what is in them, in the order of their paths."""
    for path in sorted(folder.rglob("*"), key=lambda one: one.relative_to(folder).parts):
        shown = path.relative_to(folder).as_posix()
        if len(shown.encode()) > MAX_PATH_BYTES:
            raise PackageTooLarge(f"the path {shown[:80]}… is longer than {MAX_PATH_BYTES} bytes")
        if path.is_dir():
            yield _FOLDER, shown, b""
        else:
            yield _PROGRAM if shown.startswith("bin/") else _FILE, shown, path.read_bytes()


def _entry(kind: int, path: str, content: bytes, *, at: int, packed_size: int) -> bytes:
    raw = path.encode()
    sizes = struct.pack("<QQQ", len(content), at, packed_size)
    return struct.pack("<BH", kind, len(raw)) + raw + sizes + _hash(content)


@cache
def _packed(content: bytes) -> bytes:
    """Return content packed; of several programs in one process Python is packed once."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW, _MEMORY)
    return packer.compress(content) + packer.flush()


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_HASH_BYTES).digest()
