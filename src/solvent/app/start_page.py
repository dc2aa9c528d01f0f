"""What does the founder see first: what runs, what happened last, and how to call it?"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

router = APIRouter(include_in_schema=False)


@router.get("/")
async def start(request: Request) -> HTMLResponse:
    """Show the start page."""
    del request
    return HTMLResponse("<!doctype html><title>Solvent</title><h1>Solvent</h1>")
