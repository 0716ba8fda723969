"""The FastAPI application: routes, error responses, and the security middleware around them."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from aforo import __version__
from aforo.web import schemas
from aforo.web.admission import Admission
from aforo.web.auth import Sessions
from aforo.web.context import WebContext
from aforo.web.dependencies import AppParts
from aforo.web.login_queue import LoginQueue
from aforo.web.metrics import LiveCollector, Metrics, PageLoad
from aforo.web.routes import corrections, ops, read, session
from aforo.web.security import INTERNAL_ERROR, AsgiApp, RequestRejected, SecurityMiddleware
from aforo.web.sse import Broadcaster
from aforo.web.static_files import PageFiles, page_router

_DESCRIPTION = """El aforo en vivo del estadio, para otras máquinas.

Todos los instantes son UTC. Para leer desde otra máquina: `Authorization: Bearer CLAVE`, con la clave de
`web.read_token`. Para corregir: la sesión de un operador y la cabecera `X-CSRF-Token` que da `/api/v1/session`."""


_PUBLISHED_NAMES = {"AlertKind": "Kind", "ZoneLevel": "Level"}  # what the API has called these types since 1.0


class _Api(FastAPI):
    """FastAPI whose description titles an operation with its docstring, and keeps the published names of types."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description."""
        if self.openapi_schema is None:
            text = json.dumps(super().openapi())
            for name, published in _PUBLISHED_NAMES.items():
                text = text.replace(f'"{name}"', f'"{published}"').replace(f'/{name}"', f'/{published}"')
            description: dict[str, Any] = json.loads(text)
            components = description["components"]
            components["schemas"] = dict(sorted(components["schemas"].items()))
            for operations in description["paths"].values():
                for operation in operations.values():
                    operation["summary"] = operation.pop("description")
            self.openapi_schema = description
        return self.openapi_schema


def create_app(context: WebContext, broadcaster: Broadcaster, admission: Admission, sessions: Sessions) -> AsgiApp:
    """Return the application behind its security middleware. It reads files and hashes: not on the event loop."""
    app = _Api(
        title="Aforo", version=__version__, description=_DESCRIPTION, docs_url=None, redoc_url=None, openapi_url=None
    )
    load = PageLoad(broadcaster, admission)
    metrics = Metrics(LiveCollector(context.live, context.clock, context.stale_after), load)
    app.state.parts = AppParts(context, broadcaster, sessions, admission, metrics, LoginQueue())
    for router in (read.router, corrections.router, session.router, ops.router, page_router(PageFiles())):
        app.include_router(router)
    handlers: dict[type[Exception], Callable[[Request, Any], Awaitable[Response]]] = {
        RequestRejected: _rejected,
        RequestValidationError: _invalid,
        HTTPException: _http_error,
        Exception: _internal_error,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    return SecurityMiddleware(app, context.settings, context.clock, sessions, admission)


async def _rejected(_: Request, error: RequestRejected) -> Response:
    headers = {"Retry-After": str(int(error.retry_after) + 1)} if error.retry_after else None
    return JSONResponse({"error": error.reason}, error.status, headers)


async def _invalid(_: Request, error: RequestValidationError) -> Response:
    faults = sorted({_fault(one["type"], *one["loc"][1:]) for one in error.errors()})
    return JSONResponse({"error": f"La petición no sirve: {'; '.join(faults)}."}, 422)


def _fault(kind: str, *place: int | str) -> str:
    """Return in Spanish what does not fit at that place of a request, with what it admits."""
    name = ".".join(map(_shown, place))
    if kind == "extra_forbidden":
        return f"{name} no va en esta petición"
    return schemas.LIMITS.get(name) or f"revise {name or 'cuerpo'}"


def _shown(part: int | str) -> str:
    """Return the name of a field as it may be answered: a field that is too many has any name."""
    return str(part) if re.fullmatch(r"\w{1,60}", str(part)) else "…"


async def _http_error(request: Request, error: HTTPException) -> Response:
    reasons = {400: "La petición no sirve: no es JSON.", 404: "No existe."}
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    return JSONResponse({"error": reasons.get(error.status_code, "No se admite.")}, error.status_code, headers)


def _allowed(request: Request) -> str:
    """Return the methods of a path, of all its routes: Starlette names those of the first."""
    matching = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in matching for method in getattr(route, "methods", None) or ()}))


async def _internal_error(_: Request, __: Exception) -> Response:
    """Answer after a fault of ours; the middleware logs it."""
    return JSONResponse({"error": INTERNAL_ERROR}, 500)
