"""Does a name in any script print on a machine that has no fonts of its own?"""

from __future__ import annotations

from importlib.resources import files
from io import BytesIO
from pathlib import Path

import pypdf
import pypdfium2
import pytest
import typst

from solvent.systems.billing.documents.typeset import FONT_PACKAGES, set_pdf
from solvent.systems.billing.model import Due, Sheet
from solvent.systems.billing.testing import at

SCRIPTS = {
    "Latin": "Zażółć gęślą jaźń, Łódź, Ōsaka, Đà Nẵng",
    "Greek": "Ελληνική Εταιρεία",
    "Cyrillic": "Глобекс, Ґедзь, Ђорђе",
    "Arabic": "شركة جلوبكس",
    "Hebrew": "חברת גלובקס",
    "Devanagari": "नमस्ते लिमिटेड",
    "Bengali": "গ্লোবেক্স লিমিটেড",
    "Tamil": "குளோபெக்ஸ்",
    "Telugu": "గ్లోబెక్స్",
    "Thai": "บริษัท โกลเบ็กซ์",
    "Khmer": "ក្រុមហ៊ុន",
    "Georgian": "გლობექსი",
    "Armenian": "Գլոբեքս",
    "Ethiopic": "ግሎቤክስ",
    "Simplified Chinese": "环球电子有限公司",
    "Traditional Chinese": "環球電子有限公司",
    "Japanese": "株式会社グローベックス",
    "Korean": "주식회사 글로벡스",
    "Symbols": "→ № € ₹ ₽ ✓ 😀",
}
MOMENT = at("2026-03-01T00:00:00")


def sheet(name: str) -> Sheet:
    return Sheet(
        title="Invoice INV-000001",
        number="INV-000001",
        heading="Invoice",
        seller=name,
        banner=None,
        buyer_label="Billed to",
        buyer=(name,),
        facts=(),
        due=Due("Amount due", "1.00 EUR"),
        columns=("Description", "Quantity", "Rate", "Amount EUR"),
        lines=(),
        totals=(),
        remarks=(name,),
        footer="",
        imprint=name,
    )


@pytest.fixture(scope="session")
def own_fonts() -> typst.Fonts:
    """The fonts that come with the install, and none of the machine's."""
    folders = [str(files(name)) for name in FONT_PACKAGES]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=folders)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_archivable_without_fonts_of_the_machine(
    own_fonts: typst.Fonts, script: str
) -> None:
    """PDF/A forbids a character without a glyph, so that it compiles is the proof."""
    page = b'#set text(font: "Libertinus Serif")\n#sys.inputs.name\n*#sys.inputs.name*'
    compiler = typst.Compiler(font_paths=own_fonts, sys_inputs={"name": SCRIPTS[script]})
    pdf = compiler.compile(input=page, format="pdf", pdf_standards="a-3b")
    assert isinstance(pdf, bytes)
    for font in pypdf.PdfReader(BytesIO(pdf)).pages[0]["/Resources"]["/Font"].values():
        descriptor = font.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"]
        assert {"/FontFile2", "/FontFile3"} & set(descriptor), script


def standard(pdf: bytes) -> str:
    metadata = pypdf.PdfReader(BytesIO(pdf)).trailer["/Root"]["/Metadata"].get_object().get_data()
    return "PDF/A" if b"<pdfaid:part>3</pdfaid:part>" in metadata else "PDF"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_document_in_any_script_is_pdf_a(script: str) -> None:
    pdf = set_pdf(sheet(SCRIPTS[script]), at=MOMENT)
    assert standard(pdf) == "PDF/A"
    document = pypdfium2.PdfDocument(pdf)
    assert len(document) == 1
    document.close()


@pytest.mark.parametrize("name", ["a\U0010ffffb", "a\x01b\x02", "a\ufffe", "\\u{10ffff} \\ \x07"])
def test_a_missing_glyph_is_substituted_and_the_document_stays_archivable(name: str) -> None:
    pdf = set_pdf(sheet(name), at=MOMENT, xml=b"<a/>")
    assert standard(pdf) == "PDF/A"
    reader = pypdf.PdfReader(BytesIO(pdf))
    assert reader.attachments["factur-x.xml"] == [b"<a/>"]
    assert "\ufffd" in reader.pages[0].extract_text()


def test_a_page_without_glyphs_is_still_a_pdf() -> None:
    name = "".join(map(chr, range(0x12000, 0x12040)))  # Cuneiform
    pdf = set_pdf(sheet(name), at=MOMENT, xml=b"<a/>")
    assert standard(pdf) == "PDF"
    assert pypdf.PdfReader(BytesIO(pdf)).attachments["factur-x.xml"] == [b"<a/>"]


def test_the_fonts_may_be_given_on() -> None:
    """They are under the SIL Open Font License, whose text comes with them."""
    for name in FONT_PACKAGES:
        site = Path(str(files(name))).parent
        (told,) = site.glob(f"{name}-*.dist-info/licenses/LICENSE")
        assert "SIL Open Font License" in told.read_text() or "OFL" in told.read_text()
