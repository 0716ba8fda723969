"""The page's files, those of plotly and Swagger UI among them: read once, compressed once, tagged by their content."""

import asyncio
import gzip
import hashlib
from pathlib import Path
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi import Path as PathParameter
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Files that a wheel carries, so that nothing comes from another server.
_VENDORED = ("plotly.min.js", "swagger-ui-bundle.js", "swagger-ui.css")
_PACKAGES: list[str | tuple[str, str]] = [
    ("aforo.web", "static"),
    ("plotly", "package_data"),
    ("fastapi_offline", "static"),
]


class _File(NamedTuple):
    body: bytes
    compressed: bytes
    media_type: str
    etag: str


class PageFiles(StaticFiles):
    """Serves the page's files from memory; ``names`` lists them.

    Each is compressed once: Starlette's GZipMiddleware compresses at each request, which takes 0.1 s of processor for
    the chart library.
    """

    def __init__(self) -> None:
        super().__init__(packages=_PACKAGES)
        own = [entry.name for entry in Path(self.all_directories[0]).iterdir() if entry.is_file()]
        self.names = frozenset([*own, *_VENDORED])
        self._files: dict[str, _File] = {}

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file of that name, compressed where the client takes gzip. Raises HTTPException (404)."""
        file = self._files.get(path)
        if file is None:
            file = await asyncio.to_thread(self._load, path)
        request = Headers(scope=scope)
        headers = {"ETag": file.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if "gzip" in request.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            response = Response(file.compressed, media_type=file.media_type, headers=headers)
        else:
            response = Response(file.body, media_type=file.media_type, headers=headers)
        return NotModifiedResponse(response.headers) if self.is_not_modified(response.headers, request) else response

    def _load(self, name: str) -> _File:
        path, _ = self.lookup_path(name) if name in self.names else ("", None)
        media_type = _MEDIA_TYPES.get(Path(path).suffix)
        if media_type is None:
            raise HTTPException(404)
        body = Path(path).read_bytes()
        etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        self._files[name] = file = _File(body, gzip.compress(body, 6, mtime=0), media_type, etag)
        return file


def page_router(files: PageFiles) -> APIRouter:
    """Return the routes of the page, of the API's documentation, and of their files."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page(request: Request) -> Response:
        """Return the live page."""
        return await files.get_response("index.html", request.scope)

    @router.get("/docs")
    async def docs(request: Request) -> Response:
        """Return the API's documentation, from which it can be tried."""
        return await files.get_response("docs.html", request.scope)

    @router.get("/favicon.ico")
    async def icon(request: Request) -> Response:
        """Return the page's icon."""
        return await files.get_response("icon.svg", request.scope)

    @router.get("/static/{name}")
    async def static(request: Request, name: Annotated[str, PathParameter(max_length=60)]) -> Response:
        """Return a file of the page."""
        return await files.get_response(name, request.scope)

    return router
