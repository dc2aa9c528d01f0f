"""How is a document answered over HTTP?"""

from __future__ import annotations

from fastapi.responses import Response


def attached(content: bytes, name: str, *, kind: str) -> Response:
    """Return a document that a browser shows, and saves by its name."""
    headers = {"Content-Disposition": f'inline; filename="{name}"'}
    return Response(content, media_type=kind, headers=headers)
