"""Logging in and out."""

from typing import NoReturn

from fastapi import APIRouter, Request, Response

from aforo.clock import SystemClock
from aforo.http_server.addresses import network_of
from aforo.web import schemas
from aforo.web.auth import Visitor, set_cookie
from aforo.web.dependencies import BODY_ERRORS, READ_ERRORS, AnyVisitor, AppParts, Parts, client_address
from aforo.web.login_queue import LoginQueueFull
from aforo.web.security import RequestRejected

router = APIRouter(tags=["sesión"])

_clock = SystemClock()
_QUEUE_TIME = 5.0  # seconds that a full queue of logins takes about


@router.get("/api/v1/session")
async def session(found: AnyVisitor, parts: Parts) -> schemas.SessionState:
    """Quién pregunta, y qué puede hacer."""
    return _session_state(parts, found)


@router.post("/api/v1/session", responses={**READ_ERRORS, **BODY_ERRORS})
async def login(request: Request, response: Response, parts: Parts, order: schemas.LoginOrder) -> schemas.SessionState:
    """Inicia la sesión de un operador; sin nombre, la de quien solo mira, con la clave de lectura."""
    host = client_address(request)
    name = await _authenticated(parts, order, host)
    parts.admission.log.logged_in(name, host)
    now = parts.context.clock.now().timestamp()
    cookie, max_age = parts.sessions.begin(name, now)
    response.headers["set-cookie"] = set_cookie(cookie, max_age, secure=_is_secure(request))
    return _session_state(parts, parts.sessions.visitor(cookie, now))


@router.delete("/api/v1/session")
async def logout(found: AnyVisitor, request: Request, response: Response, parts: Parts) -> schemas.SessionState:
    """Cierra la sesión."""
    if found.session:
        now = parts.context.clock.now()
        parts.sessions.end(found, now.timestamp())
        parts.broadcaster.end_session(found.session)
        if parts.context.session_archive is not None:
            await parts.context.session_archive.end(found, now)
        parts.admission.log.logged_out(found.name, client_address(request))
    response.headers["set-cookie"] = set_cookie("", 0, secure=_is_secure(request))
    return _session_state(parts, Visitor())


async def _authenticated(parts: AppParts, order: schemas.LoginOrder, host: str) -> str:
    """Return the account's name, "" for the read token. Raises RequestRejected (401, 429)."""
    address, now = network_of(host), _clock.monotonic()
    tried = parts.admission.limits.logins.used(address, now)
    wait = parts.admission.limits.logins.take(address, now)
    if wait:
        _refuse(parts, host, wait)
    account: str | None = ""
    if order.name:
        account, password_hash = parts.sessions.credential(order.name)
        try:
            matches = await parts.logins.matches(order.password, password_hash, tried)
        except LoginQueueFull:
            _refuse(parts, host, _QUEUE_TIME)
    else:
        matches = parts.sessions.is_read_token(order.password)
    if account is None or not matches:
        parts.admission.log.login_failed(account, host)
        raise RequestRejected(401, "El nombre o la contraseña no son correctos.")
    parts.admission.limits.logins.give_back(address, now)
    parts.admission.limits.known.add(address, now)
    return account


def _refuse(parts: AppParts, host: str, wait: float) -> NoReturn:
    """Raise RequestRejected (429); ``wait`` is in seconds."""
    parts.admission.log.refused("login_rate", host)
    raise RequestRejected(429, "Demasiados intentos: espere un momento.", wait)


def _is_secure(request: Request) -> bool:
    """Return whether the browser speaks HTTPS: to the page itself, or to the proxy in front of it."""
    return request.url.scheme == "https"


def _session_state(parts: AppParts, found: Visitor) -> schemas.SessionState:
    return schemas.SessionState(
        name=found.name,
        may_correct=found.may_correct,
        accounts=parts.sessions.has_accounts,
        logged_in=bool(found.session),
        csrf=found.csrf,
    )
