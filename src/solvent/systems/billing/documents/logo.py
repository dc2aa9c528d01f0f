"""Can this picture stand on a page?"""

from __future__ import annotations

import asyncio
import struct
from base64 import b64encode
from datetime import UTC, datetime
from typing import Final

from solvent.systems.billing.documents.typeset import picture_can_be_set
from solvent.systems.billing.errors import LogoMalformed

BYTES_MAX: Final = 200_000
PIXELS_MAX: Final = 4_000
_PNG = b"\x89PNG\r\n\x1a\n"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


async def as_svg(picture: bytes) -> str:
    """Return a picture as SVG, set once on trial.

    Raises:
        LogoMalformed: it is neither an SVG nor a PNG, too large, or cannot be set.
    """
    if not 0 < len(picture) <= BYTES_MAX:
        raise LogoMalformed(field="logo", bytes_max=BYTES_MAX)
    svg = _wrapped(picture) if picture.startswith(_PNG) else _decoded(picture)
    if not await asyncio.to_thread(picture_can_be_set, svg, at=_EPOCH):
        raise LogoMalformed(field="logo")
    return svg


def _decoded(picture: bytes) -> str:
    try:
        text = picture.decode()
    except UnicodeDecodeError:
        raise LogoMalformed(field="logo") from None
    if "<svg" not in text or "\0" in text:
        raise LogoMalformed(field="logo")
    return text


def _wrapped(png: bytes) -> str:
    """Return an SVG that holds a PNG; its size stands in the header chunk (PNG, section 11.2.1)."""
    try:
        width, height = struct.unpack(">II", png[16:24])
    except struct.error:
        raise LogoMalformed(field="logo") from None
    if not (0 < width <= PIXELS_MAX and 0 < height <= PIXELS_MAX):
        raise LogoMalformed(field="logo", pixels_max=PIXELS_MAX)
    size = f'width="{width}" height="{height}"'
    data = b64encode(png).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}">'
        f'<image {size} href="data:image/png;base64,{data}"/></svg>'
    )
