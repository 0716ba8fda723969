"""Logging in and out."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from fastapi import APIRouter, Request, Response

from aforo.clock import SystemClock
from aforo.web import schemas
from aforo.web.auth import Sessions, Visitor, set_cookie, verify_password
from aforo.web.dependencies import READ_ERRORS, AnyVisitor, AppParts, Parts, client_address
from aforo.web.security import RequestRejected

router = APIRouter(tags=["sesión"])

_clock = SystemClock()
# One password at a time: a hash takes 32 MB and a tenth of a second.
_hashing = ThreadPoolExecutor(1, thread_name_prefix="aforo-web-login")


@router.get("/api/v1/session")
async def session(found: AnyVisitor, parts: Parts) -> schemas.SessionState:
    """Quién pregunta, y qué puede hacer."""
    return _session_state(parts, found)


@router.post("/api/v1/session", responses=READ_ERRORS)
async def login(request: Request, response: Response, parts: Parts, order: schemas.LoginOrder) -> schemas.SessionState:
    """Inicia la sesión de un operador; sin nombre, la de quien solo mira, con la clave de lectura."""
    wait = parts.limits.take_login(client_address(request), _clock.monotonic())
    if wait:
        raise RequestRejected(429, "Demasiados intentos: espere un momento.", wait)
    name = await _authenticated(parts.sessions, order)
    if name is None:
        raise RequestRejected(401, "El nombre o la contraseña no son correctos.")
    now = _clock.now().timestamp()
    cookie, max_age = parts.sessions.begin(name, now)
    response.headers["set-cookie"] = set_cookie(cookie, max_age, secure=_is_secure(parts))
    return _session_state(parts, parts.sessions.visitor(cookie, now))


@router.delete("/api/v1/session")
async def logout(found: AnyVisitor, response: Response, parts: Parts) -> schemas.SessionState:
    """Cierra la sesión."""
    if found.session:
        parts.sessions.end(found.session)
    response.headers["set-cookie"] = set_cookie("", 0, secure=_is_secure(parts))
    return _session_state(parts, Visitor())


async def _authenticated(sessions: Sessions, order: schemas.LoginOrder) -> str | None:
    """Return the account's name, "" for the read token, None where the password is wrong."""
    if not order.name:
        return "" if sessions.is_read_token(order.password) else None
    credential = sessions.credential(order.name)
    loop = asyncio.get_running_loop()
    matches = await loop.run_in_executor(_hashing, verify_password, order.password, credential.password_hash)
    return credential.name if matches else None


def _is_secure(parts: AppParts) -> bool:
    return parts.context.settings.certificate_file is not None


def _session_state(parts: AppParts, found: Visitor) -> schemas.SessionState:
    return schemas.SessionState(
        name=found.name,
        may_correct=found.may_correct,
        accounts=parts.sessions.has_accounts,
        logged_in=bool(found.session),
        csrf=found.csrf,
    )
