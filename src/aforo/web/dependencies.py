"""FastAPI dependencies: the parts that the routes use, and who may use a route."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from aforo.web import schemas
from aforo.web.admission import Admission
from aforo.web.auth import Sessions, Visitor
from aforo.web.context import WebContext
from aforo.web.login_queue import LoginQueue
from aforo.web.metrics import Metrics
from aforo.web.security import RequestRejected
from aforo.web.sse import Broadcaster

READ_ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": schemas.Problem, "description": "Falta la sesión o la clave"},
    429: {"model": schemas.Problem, "description": "Demasiadas peticiones"},
}
QUERY_ERRORS: dict[int | str, dict[str, Any]] = {
    422: {"model": schemas.Problem, "description": "Un dato de la petición no sirve"},
}
BODY_ERRORS: dict[int | str, dict[str, Any]] = {
    **QUERY_ERRORS,
    400: {"model": schemas.Problem, "description": "No es JSON"},
    403: {"model": schemas.Problem, "description": "Viene de otra página, o falta X-CSRF-Token"},
    413: {"model": schemas.Problem, "description": "Es demasiado grande"},
    415: {"model": schemas.Problem, "description": "No dice que es application/json"},
}
DATABASE_ERRORS: dict[int | str, dict[str, Any]] = {
    **READ_ERRORS,
    403: {"model": schemas.Problem, "description": "No es operador"},
    409: {"model": schemas.Problem, "description": "No se puede corregir así"},
    503: {"model": schemas.Problem, "description": "La base de datos no responde"},
}


@dataclass(frozen=True, slots=True)
class AppParts:
    """What the routes share; ``create_app`` stores it in ``app.state.parts``."""

    context: WebContext
    broadcaster: Broadcaster
    sessions: Sessions
    admission: Admission
    metrics: Metrics
    logins: LoginQueue


async def app_parts(request: Request) -> AppParts:
    """Return the parts of the application that serves the request."""
    parts: AppParts = request.app.state.parts
    return parts


async def visitor(request: Request) -> Visitor:
    """Return who sends the request, as ``SecurityMiddleware`` found out."""
    found: Visitor = request.scope["visitor"]
    return found


AnyVisitor = Annotated[Visitor, Depends(visitor)]


async def reader(found: AnyVisitor) -> Visitor:
    """Return a visitor that may read. Raises RequestRejected (401)."""
    if not found.may_read:
        raise RequestRejected(401, "Inicie sesión para ver el aforo.")
    return found


async def operator(found: AnyVisitor) -> Visitor:
    """Return a visitor that may correct. Raises RequestRejected (401, 403)."""
    if not found.may_correct:
        status = 403 if found.may_read else 401
        raise RequestRejected(status, "Solo un operador con sesión puede corregir el aforo.")
    return found


Parts = Annotated[AppParts, Depends(app_parts)]
Reader = Annotated[Visitor, Depends(reader)]
Operator = Annotated[Visitor, Depends(operator)]


def client_address(request: Request) -> str:
    """Return the address that the request comes from; "" where it has none."""
    return request.client.host if request.client else ""
