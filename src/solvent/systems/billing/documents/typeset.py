"""How is a sheet set as a PDF that opens everywhere and is the same bytes each time?

Typst sets it from data alone (`invoice.typ`), without a network. The result is PDF/A-3b, the form
that archives and e-invoices ask for. Where a name has a character that no font here can show, PDF/A
forbids the document; an invoice must not fail for a name, so it is then an ordinary PDF 1.7.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import datetime
from functools import cache
from pathlib import Path

import typst

from solvent.kit.errors import Unavailable
from solvent.kit.log import get_logger
from solvent.systems.billing.model import Sheet

log = get_logger(__name__)

LAYOUT = Path(__file__).with_name("invoice.typ")
ARCHIVABLE = "a-3b"


class TypesettingFailed(Unavailable):
    """The invoice's document could not be set."""

    code = "billing.typesetting_failed"


async def typeset(sheet: Sheet, *, at: datetime) -> bytes:
    """Return the PDF of a sheet, dated `at`, without holding up other requests.

    Raises:
        TypesettingFailed: the layout has a fault; the log tells which.
    """
    return await asyncio.to_thread(set_pdf, sheet, at=at)


def set_pdf(sheet: Sheet, *, at: datetime) -> bytes:
    """Return the PDF of a sheet: PDF/A-3b, or PDF 1.7 where a character has no glyph."""
    data = json.dumps(asdict(sheet), ensure_ascii=False, sort_keys=True)
    try:
        return _compile(data, at=at, standard=ARCHIVABLE)
    except typst.TypstError as refused:
        log.info("invoice_not_archivable", number=sheet.number, reason=refused.message[:200])
    try:
        return _compile(data, at=at, standard="1.7")
    except typst.TypstError as broken:
        log.exception("typesetting_failed", number=sheet.number)
        raise TypesettingFailed(number=sheet.number) from broken


def _compile(data: str, *, at: datetime, standard: typst.PDFStandard) -> bytes:
    compiler = typst.Compiler(font_paths=_fonts(), sys_inputs={"invoice": data})
    pdf, _ = compiler.compile_with_warnings(
        input=LAYOUT.read_bytes(),
        format="pdf",
        pdf_standards=standard,
        timestamp=at.replace(microsecond=0),
    )
    if not isinstance(pdf, bytes):
        raise TypesettingFailed
    return pdf


@cache
def _fonts() -> typst.Fonts:
    """Find the machine's fonts once; the text's own font ships with Typst."""
    return typst.Fonts(include_system_fonts=True, include_embedded_fonts=True)
