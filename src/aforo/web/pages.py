"""The page itself and its files."""

import asyncio
from typing import Annotated

from fastapi import FastAPI, Path, Request, Response

from aforo.web.security import Refused
from aforo.web.static_files import Asset, asset


def add(app: FastAPI) -> None:
    """Add the page, the documentation of the API, and their files."""

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        """The page of the control room."""
        return await _file(request, "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        """The API, to look at and to try."""
        return await _file(request, "docs.html")

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon(request: Request) -> Response:
        """The page's sign."""
        return await _file(request, "icon.svg")

    @app.get("/static/{name}", include_in_schema=False)
    async def static(request: Request, name: Annotated[str, Path(max_length=60)]) -> Response:
        """A file of the page."""
        return await _file(request, name)


async def _file(request: Request, name: str) -> Response:
    found = await asyncio.to_thread(asset, name)
    if found is None:
        raise Refused(404, "No existe.")
    headers = {"ETag": found.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    return _sent(found, headers, zipped="gzip" in request.headers.get("accept-encoding", ""))


def _sent(found: Asset, headers: dict[str, str], *, zipped: bool) -> Response:
    if zipped and found.zipped is not found.body:
        headers["Content-Encoding"] = "gzip"
        return Response(found.zipped, media_type=found.kind, headers=headers)
    return Response(found.body, media_type=found.kind, headers=headers)
