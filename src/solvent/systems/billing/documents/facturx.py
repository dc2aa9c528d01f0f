"""How does a PDF/A-3 say that the XML inside it is a Factur-X invoice?

By an extension schema and four properties in its XMP metadata (Factur-X 1.0, section 6; ZUGFeRD
2.x is the same). Typst attaches the file; it cannot write these.
"""

from __future__ import annotations

import re
from typing import Final

FILE_NAME: Final = "factur-x.xml"
NAMESPACE: Final = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"

_PROPERTIES = {
    "DocumentFileName": (FILE_NAME, "The name of the embedded XML document"),
    "DocumentType": ("INVOICE", "The type of the hybrid document in capital letters"),
    "Version": ("1.0", "The version of the standard of the embedded XML document"),
    "ConformanceLevel": ("EN 16931", "The conformance level of the embedded XML document"),
}
_METADATA = re.compile(
    rb"(?<!\d)(?P<number>\d+) 0 obj\s*<<(?=[^>]*/Type\s*/Metadata)(?![^>]*/Filter)[^>]*"
    rb"/Length (?P<length>\d+)[^>]*>>\s*stream\r?\n"
)
_TRAILER = re.compile(
    rb"trailer\s*<<(?P<entries>.*)>>\s*startxref\s+(?P<table>\d+)\s+%%EOF\s*\Z", re.DOTALL
)
_SCHEMAS_END = b"</rdf:Bag></pdfaExtension:schemas>"
_END = b"</rdf:RDF>"


def as_facturx(pdf: bytes) -> bytes:
    """Return a PDF/A-3 of Typst that holds `factur-x.xml` as one that says so.

    The metadata are written anew behind the end, as an incremental update (ISO 32000-1, 7.5.6): not
    a byte of the pages is touched, and the same in is the same out.

    Raises:
        ValueError: the file or its metadata are not as Typst writes them.
    """
    metadata = _last(_METADATA, pdf)
    trailer = _last(_TRAILER, pdf[pdf.rfind(b"trailer") :])
    length = int(metadata["length"])
    xmp = told(pdf[metadata.end() : metadata.end() + length])
    number, at = metadata["number"], len(pdf) + 1
    stream = b"%s 0 obj\n<</Length %d/Type/Metadata/Subtype/XML>>\nstream\n%s\nendstream\nendobj\n"
    written = stream % (number, len(xmp), xmp)
    table = b"xref\n%s 1\n%010d 00000 n\r\n" % (number, at)
    end = b"trailer\n<<%s/Prev %s>>\nstartxref\n%d\n%%%%EOF\n"
    told_last = end % (trailer["entries"], trailer["table"], at + len(written))
    return b"".join((pdf, b"\n", written, table, told_last))


def _last(pattern: re.Pattern[bytes], pdf: bytes) -> re.Match[bytes]:
    """Return the last match: a text of a customer, which may look like one, stands before it."""
    found = [*pattern.finditer(pdf)]
    if not found:
        msg = "the file is not as Typst writes one"
        raise ValueError(msg)
    return found[-1]


def told(xmp: bytes) -> bytes:
    """Return XMP metadata with the properties of Factur-X and the schema that declares them."""
    if xmp.count(_SCHEMAS_END) != 1 or xmp.count(_END) != 1:
        msg = "the metadata has no list of extension schemas"
        raise ValueError(msg)
    declared = "".join(_declared(name, about) for name, (_, about) in _PROPERTIES.items())
    schema = (
        '<rdf:li rdf:parseType="Resource">'
        "<pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>"
        f"<pdfaSchema:namespaceURI>{NAMESPACE}</pdfaSchema:namespaceURI>"
        "<pdfaSchema:prefix>fx</pdfaSchema:prefix>"
        f"<pdfaSchema:property><rdf:Seq>{declared}</rdf:Seq></pdfaSchema:property></rdf:li>"
    )
    values = "".join(f"<fx:{name}>{value}</fx:{name}>" for name, (value, _) in _PROPERTIES.items())
    own = f'<rdf:Description rdf:about="" xmlns:fx="{NAMESPACE}">{values}</rdf:Description>'
    xmp = xmp.replace(_SCHEMAS_END, schema.encode() + _SCHEMAS_END)
    return xmp.replace(_END, own.encode() + _END)


def _declared(name: str, about: str) -> str:
    return (
        '<rdf:li rdf:parseType="Resource">'
        f"<pdfaProperty:name>{name}</pdfaProperty:name>"
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType>"
        "<pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>{about}</pdfaProperty:description></rdf:li>"
    )
