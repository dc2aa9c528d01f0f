"""How does a request get from a screen into a phone? As a QR code drawn in characters."""

import io
from typing import Final, Protocol, cast

_ABSENT: Final = "(No QR code: this program does not carry `segno`. The file holds the same.)"
_TOO_LARGE: Final = "(No QR code: the request is too large for one. The file holds the same.)"


class _Code(Protocol):
    def terminal(self, out: io.StringIO, *, compact: bool) -> None: ...


def drawn(text: str) -> str:
    """Return a text as a QR code for a terminal (byte mode, error correction L).

    Where the program does not carry the package `segno`, or no code holds so much: a line that
    says so.
    """
    try:
        import segno
    except ImportError:
        return _ABSENT
    try:
        code = cast("_Code", segno.make_qr(text, error="l", mode="byte", boost_error=False))
    except segno.DataOverflowError:
        return _TOO_LARGE
    out = io.StringIO()
    code.terminal(out, compact=True)
    return out.getvalue()
