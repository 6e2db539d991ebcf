"""Answers of the page's server: their headers, refusals as one line, and bodies that are small or refused."""

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

MOST_BODY = 4096
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Only our own files may run or be shown, nobody may frame the page, nothing is kept."""


async def body(request: Request) -> dict[str, Any]:
    """A small JSON object; the rest of a large one is not read."""
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > MOST_BODY:
            raise HTTPException(413, f"more than {MOST_BODY} bytes", {"Connection": "close"})
    try:
        said = json.loads(data)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return said


def answer(value: Any, status: int = 200) -> Response:
    """JSON, with the headers that everything has."""
    return JSONResponse(value, status, headers=SECURITY)


async def refusal(_: Request, error: Exception) -> Response:
    """Why a request is refused, as one line."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "failed"
    return answer({"ok": False, "text": detail}, status)


async def trouble(_: Request, error: Exception) -> Response:
    """A process behind the page refused, or is gone: the operator reads why."""
    return answer({"ok": False, "text": str(error)}, 503)


def client(request: Request) -> str:
    """Who asks, for the log."""
    return request.client.host if request.client else "unknown"
