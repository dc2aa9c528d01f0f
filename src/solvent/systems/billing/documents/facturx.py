"""How does a PDF/A-3 say that the XML inside it is a Factur-X invoice?

By an extension schema and four properties in its XMP metadata (Factur-X 1.0, section 6; ZUGFeRD
2.x is the same). Typst attaches the file; it cannot write these.
"""

from __future__ import annotations

from io import BytesIO
from typing import Final

import pikepdf

FILE_NAME: Final = "factur-x.xml"
NAMESPACE: Final = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"

_PROPERTIES = {
    "DocumentFileName": (FILE_NAME, "The name of the embedded XML document"),
    "DocumentType": ("INVOICE", "The type of the hybrid document in capital letters"),
    "Version": ("1.0", "The version of the standard of the embedded XML document"),
    "ConformanceLevel": ("EN 16931", "The conformance level of the embedded XML document"),
}
_SCHEMAS_END = b"</rdf:Bag></pdfaExtension:schemas>"
_END = b"</rdf:RDF>"


def as_facturx(pdf: bytes) -> bytes:
    """Return a PDF/A-3 that holds `factur-x.xml` as one that says so; the same in, the same out.

    Raises:
        ValueError: its metadata has no list of extension schemas.
    """
    with pikepdf.open(BytesIO(pdf)) as opened:
        metadata = opened.Root.Metadata
        metadata.write(told(metadata.read_bytes()))
        written = BytesIO()
        opened.save(written, deterministic_id=True)
        return written.getvalue()


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
