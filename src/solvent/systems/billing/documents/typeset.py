"""How is a sheet set as a PDF that opens everywhere and is the same bytes each time?

Typst sets it from data alone (`invoice.typ`), without a network. The result is PDF/A-3b, the form
that archives and e-invoices ask for, with the e-invoice's XML inside. A character that no font here
can show, which PDF/A forbids, is printed as a substitute; the XML holds the name as it is. Where
there are too many the document is an ordinary PDF 1.7: an invoice must not fail for a name.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import asdict
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import typst

from solvent.kit.errors import Unavailable
from solvent.kit.log import get_logger
from solvent.systems.billing.documents.facturx import as_facturx
from solvent.systems.billing.model import Sheet

log = get_logger(__name__)

LAYOUT = Path(__file__).with_name("invoice.typ")
ARCHIVABLE: Final = "a-3b"
ORDINARY: Final = "1.7"
SUBSTITUTE: Final = "\ufffd"
MISSING_MAX: Final = 8
"""So many texts without a glyph are substituted; a page of them is an ordinary PDF."""

_NO_GLYPH = re.compile(r'the text `"(.+)"` could not be displayed')
_ESCAPE = re.compile(r"\\u\{([0-9a-f]+)\}")
FONT_PACKAGES: Final = ("manimgx_fonts", "manimgx_fonts_cjk")
"""Noto fonts (SIL Open Font License) that come with the install, beside those inside Typst."""

_PICTURE = b"""#set page(width: auto, height: auto)
#image(bytes(sys.inputs.picture), format: "svg", height: 14mm)"""


class TypesettingFailed(Unavailable):
    """The invoice's document could not be set."""

    code = "billing.typesetting_failed"


async def typeset(sheet: Sheet, *, at: datetime, xml: bytes | None = None) -> bytes:
    """Return the PDF of a sheet, dated `at`, without holding up other requests.

    Raises:
        TypesettingFailed: the layout has a fault; the log tells which.
    """
    return await asyncio.to_thread(set_pdf, sheet, at=at, xml=xml)


def set_pdf(sheet: Sheet, *, at: datetime, xml: bytes | None = None) -> bytes:
    """Return the PDF of a sheet: PDF/A-3b, or PDF 1.7 where too many characters have no glyph.

    With an e-invoice's XML the PDF/A is Factur-X.
    """
    data = json.dumps(asdict(sheet), ensure_ascii=False, sort_keys=True)
    for _ in range(MISSING_MAX):
        try:
            pdf = _compile(LAYOUT.read_bytes(), _inputs(data, xml), at=at, standard=ARCHIVABLE)
        except typst.TypstError as refused:
            log.info("invoice_not_archivable", number=sheet.number, reason=refused.message[:200])
            shown = _without(data, _missing(refused.message))
            if shown == data:
                break
            data = shown
        else:
            return pdf if xml is None else _told(pdf, sheet)
    try:
        return _compile(LAYOUT.read_bytes(), _inputs(data, xml), at=at, standard=ORDINARY)
    except typst.TypstError as broken:
        log.exception("typesetting_failed", number=sheet.number)
        raise TypesettingFailed(number=sheet.number) from broken


def _told(pdf: bytes, sheet: Sheet) -> bytes:
    """Return a PDF/A with the metadata of Factur-X; where they cannot be written, as it is."""
    try:
        return as_facturx(pdf)
    except ValueError:
        log.exception("facturx_not_told", number=sheet.number)
        return pdf


def _inputs(data: str, xml: bytes | None) -> dict[str, str]:
    return {"invoice": data} if xml is None else {"invoice": data, "xml": xml.decode()}


def _missing(reason: str) -> str:
    """Return the characters that Typst says it has no glyph for."""
    found = _NO_GLYPH.search(reason)
    return _ESCAPE.sub(lambda code: chr(int(code[1], 16)), found[1]) if found else ""


def _without(data: str, characters: str) -> str:
    for one in characters:
        data = data.replace(json.dumps(one, ensure_ascii=False)[1:-1], SUBSTITUTE)
    return data


def picture_can_be_set(svg: str, *, at: datetime) -> bool:
    """Return whether a picture can stand on an archivable page."""
    try:
        _compile(_PICTURE, {"picture": svg}, at=at, standard=ARCHIVABLE)
    except typst.TypstError:
        return False
    return True


def _compile(
    layout: bytes, inputs: dict[str, str], *, at: datetime, standard: typst.PDFStandard
) -> bytes:
    compiler = typst.Compiler(font_paths=_fonts(), sys_inputs=inputs)
    pdf, _ = compiler.compile_with_warnings(
        input=layout,
        format="pdf",
        pdf_standards=standard,
        timestamp=at.replace(microsecond=0),
    )
    if not isinstance(pdf, bytes):
        raise TypesettingFailed
    return pdf


@cache
def _fonts() -> typst.Fonts:
    """Find the fonts once; the machine's own are used for what none of ours can show."""
    folders = [str(files(name)) for name in FONT_PACKAGES]
    return typst.Fonts(include_system_fonts=True, include_embedded_fonts=True, font_paths=folders)
