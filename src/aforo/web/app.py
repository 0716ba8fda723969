"""The application: which address answers what. It reads the board, and hands corrections to the desk."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as StarletteHTTPException

from aforo import __version__
from aforo.clock import SystemClock
from aforo.models import EventPhase
from aforo.web import metrics, pages, schemas, serializers
from aforo.web.auth import NOBODY, matches
from aforo.web.corrections import CorrectionService, NotNow, NotSo
from aforo.web.dependencies import WebContext
from aforo.web.rate_limits import Limits
from aforo.web.reading import cursor, page_of
from aforo.web.security import App, Refused, SecurityMiddleware
from aforo.web.sessions import Sessions, Visitor, cookie_header
from aforo.web.sse import Broadcaster, TooManyClients

_PUBLISHED_NAMES = {"AlertKind": "Kind", "ZoneLevel": "Level"}  # types of the API that are called otherwise here
_T = TypeVar("_T")

_ABOUT = """El aforo en vivo del estadio, para otras máquinas.

Todos los instantes son UTC. Para leer desde otra máquina: `Authorization: Bearer CLAVE`, con la clave de
`web.read_token`. Para corregir: la sesión de un operador y la cabecera `X-CSRF-Token` que da `/api/v1/session`."""


def visitor(request: Request) -> Visitor:
    """Who asks, as the gate found out."""
    found: Visitor = request.scope["visitor"]
    return found


async def reader(request: Request) -> Visitor:
    """Somebody who may read."""
    found = visitor(request)
    if not found.may_read:
        raise Refused(401, "Inicie sesión para ver el aforo.")
    return found


async def operator(request: Request) -> Visitor:
    """Somebody who may correct."""
    found = visitor(request)
    if not found.may_correct:
        raise Refused(403 if found.may_read else 401, "Solo un operador con sesión puede corregir el aforo.")
    return found


Reader = Annotated[Visitor, Depends(reader)]
Operator = Annotated[Visitor, Depends(operator)]
_SAYS_NO: dict[int | str, dict[str, Any]] = {
    401: {"model": schemas.Problem, "description": "Falta la sesión o la clave"},
    429: {"model": schemas.Problem, "description": "Demasiadas peticiones"},
}
_CORRECTS: dict[int | str, dict[str, Any]] = {
    **_SAYS_NO,
    403: {"model": schemas.Problem, "description": "No es operador"},
    409: {"model": schemas.Problem, "description": "No se puede corregir así"},
    503: {"model": schemas.Problem, "description": "La base de datos no responde"},
}


def make_app(rooms: WebContext, hub: Broadcaster, limits: Limits) -> App:
    """The application, the gate around it."""
    app = FastAPI(
        title="Aforo", version=__version__, description=_ABOUT, docs_url=None, redoc_url=None, openapi_url=None
    )
    sessions = Sessions(rooms.settings, NOBODY)
    _add_errors(app)
    _add_reads(app, rooms, hub)
    _add_corrections(app, rooms)
    _add_sessions(app, rooms, sessions, limits)
    _add_machines(app, rooms)
    pages.add(app)
    _tell_in_spanish(app)
    return SecurityMiddleware(app, rooms.settings, sessions, limits)


def _tell_in_spanish(app: FastAPI) -> None:
    """Each address is headed by what it does, not by the name of its function."""
    for route in app.routes:
        if isinstance(route, APIRoute):
            route.summary, _, route.description = route.description.partition("\n\n")


def _problem(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status)


def _add_errors(app: FastAPI) -> None:
    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)  # noqa: S101 -- what it is registered for
        headers = {"Retry-After": str(int(error.retry_after) + 1)} if error.retry_after else None
        return JSONResponse({"error": error.reason}, error.status, headers)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        places = sorted({".".join(str(part) for part in fault["loc"][1:]) or "cuerpo" for fault in error.errors()})
        return _problem(422, f"La petición no sirve: revise {', '.join(places)}.")

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)  # noqa: S101
        return _problem(error.status_code, "No existe." if error.status_code == 404 else "No se admite.")

    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        Refused: refused,
        RequestValidationError: invalid,
        StarletteHTTPException: http,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _add_reads(app: FastAPI, rooms: WebContext, hub: Broadcaster) -> None:
    board, clock = rooms.board, rooms.clock

    @app.get("/api/v1/state", response_model=schemas.State, responses=_SAYS_NO, tags=["ahora"])
    async def state(_: Reader) -> Response:
        """Todo lo que muestra la página, menos las curvas."""
        return Response(hub.state(), media_type="application/json")

    @app.get("/api/v1/zones", responses=_SAYS_NO, tags=["ahora"])
    async def zones(_: Reader) -> list[schemas.ZoneState]:
        """Las zonas, ahora."""
        return serializers.zones(board, clock.now())

    @app.get("/api/v1/doors", responses=_SAYS_NO, tags=["ahora"])
    async def doors(_: Reader) -> list[schemas.DoorState]:
        """El conteo de personas por puerta."""
        return serializers.doors(board, clock.now())

    @app.get("/api/v1/alerts", responses=_SAYS_NO, tags=["ahora"])
    async def alerts(_: Reader) -> list[schemas.AlertState]:
        """Los avisos abiertos y los últimos cerrados."""
        return serializers.alerts(board)

    @app.get("/api/v1/series", response_model=schemas.Series, responses=_SAYS_NO, tags=["en el tiempo"])
    async def series(_: Reader) -> Response:
        """Cada zona y cada puerta, minuto a minuto desde hora_inicio."""
        return Response(hub.series(), media_type="application/json")

    @app.get("/api/v1/events", responses=_CORRECTS, tags=["en el tiempo"])
    async def events(
        _: Reader,
        after: Annotated[str, Query(description="`next` de la página anterior", max_length=400)] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> schemas.EventsPage:
        """Los eventos guardados del evento abierto, por páginas y en orden de tiempo."""
        if rooms.desk is None:
            return schemas.EventsPage(events=[], next=None)
        return page_of(*await _asked(rooms.desk.events(cursor(after), limit)))

    @app.get(
        "/api/v1/stream",
        response_class=StreamingResponse,
        responses={**_SAYS_NO, 200: {"content": {"text/event-stream": {}}}},
        tags=["ahora"],
    )
    async def stream(request: Request, _: Reader) -> Response:
        """En vivo (SSE): `state` al conectar, luego `change` con las partes que cambian y `now` cada segundo."""
        frames = hub.follow(request.client.host if request.client else "local")
        try:
            first = await anext(frames)
        except TooManyClients as exc:
            raise Refused(503, "Hay demasiadas pantallas conectadas.", 10) from exc
        return StreamingResponse(_chain(first, frames), media_type="text/event-stream")


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for frame in rest:
        yield frame


async def _asked(asked: Awaitable[_T]) -> _T:
    try:
        return await asked
    except NotNow as exc:
        raise Refused(503, str(exc), 5) from exc
    except NotSo as exc:
        raise Refused(409, str(exc)) from exc


def _add_corrections(app: FastAPI, rooms: WebContext) -> None:
    board = rooms.board

    @app.get("/api/v1/corrections", responses=_SAYS_NO, tags=["correcciones"])
    async def corrections(_: Reader) -> list[schemas.CorrectionState]:
        """Las correcciones del evento, la más antigua primero."""
        return serializers.corrections(board)

    @app.post("/api/v1/corrections", responses=_CORRECTS, tags=["correcciones"])
    async def correct(who: Operator, order: schemas.CorrectionOrder) -> list[schemas.CorrectionState]:
        """Corrige una zona: `delta` o `count`. El mismo `id` se aplica una sola vez."""
        if (order.delta is None) == (order.count is None):
            raise Refused(422, "La petición no sirve: se admite delta o count, uno de los dos.")
        await _asked(_desk(rooms).correct(order, who.name))
        return serializers.corrections(board)

    @app.post("/api/v1/corrections/{correction_id}/undo", responses=_CORRECTS, tags=["correcciones"])
    async def undo(
        who: Operator, correction_id: schemas.CorrectionId, order: schemas.UndoOrder
    ) -> list[schemas.CorrectionState]:
        """Deshace una corrección con otra que la nombra; una sola vez."""
        await _asked(_desk(rooms).undo(correction_id, why=order.reason, who=who.name))
        return serializers.corrections(board)


def _desk(rooms: WebContext) -> CorrectionService:
    if rooms.desk is None:
        raise Refused(503, "Aquí no se puede corregir.")
    return rooms.desk


def _add_sessions(app: FastAPI, rooms: WebContext, sessions: Sessions, limits: Limits) -> None:
    hashing = ThreadPoolExecutor(1, thread_name_prefix="aforo-web-login")
    pace, secure = SystemClock(), rooms.settings.certificate_file is not None

    def told(found: Visitor) -> schemas.SessionState:
        return schemas.SessionState(
            name=found.name,
            may_correct=found.may_correct,
            accounts=sessions.accounts,
            logged_in=bool(found.session),
            csrf=found.csrf,
        )

    @app.get("/api/v1/session", tags=["sesión"])
    async def session(request: Request) -> schemas.SessionState:
        """Quién pregunta, y qué puede hacer."""
        return told(visitor(request))

    @app.post("/api/v1/session", responses=_SAYS_NO, tags=["sesión"])
    async def login(request: Request, response: Response, order: schemas.LoginOrder) -> schemas.SessionState:
        """Inicia la sesión de un operador; sin nombre, la de quien solo mira, con la clave de lectura."""
        address, seconds = request.client.host if request.client else "local", pace.monotonic()
        wait = limits.logins.take(address, seconds) or limits.all_logins.take("", seconds)
        if wait:
            raise Refused(429, "Demasiados intentos: espere un momento.", wait)
        if order.name:
            attempt = sessions.attempt(order.name)
            loop = asyncio.get_running_loop()
            right = await loop.run_in_executor(hashing, matches, order.password, attempt.password_hash)
            name = attempt.name if right else None
        else:
            name = "" if sessions.is_read_token(order.password) else None
        if name is None:
            raise Refused(401, "El nombre o la contraseña no son correctos.")
        now = pace.now().timestamp()
        cookie, lives = sessions.begin(name, now)
        response.headers["set-cookie"] = cookie_header(cookie, lives, secure=secure)
        return told(sessions.visitor(cookie, now))

    @app.delete("/api/v1/session", tags=["sesión"])
    async def logout(request: Request, response: Response) -> schemas.SessionState:
        """Cierra la sesión."""
        found = visitor(request)
        if found.session:
            sessions.end(found.session)
        response.headers["set-cookie"] = cookie_header("", 0, secure=secure)
        return told(Visitor())


def _add_machines(app: FastAPI, rooms: WebContext) -> None:
    told = metrics.Metrics(rooms.board, rooms.clock, rooms.stale_after)

    @app.get("/health", tags=["máquinas"])
    async def health() -> dict[str, str]:
        """El proceso vive."""
        return {"status": "ok"}

    @app.get("/ready", responses={503: {"description": "No cuenta, o el aforo no es de ahora"}}, tags=["máquinas"])
    async def ready(response: Response) -> dict[str, bool | str]:
        """Cuenta, y el aforo es de ahora; entre evento y evento también está listo."""
        trust = serializers.trust(rooms.board, rooms.clock.now(), rooms.stale_after)
        counting = rooms.board.phase in {EventPhase.WATCHING, EventPhase.CLOSING}
        fresh = not counting or not trust.stale
        response.status_code = 200 if fresh and trust.database.up else 503
        return {"phase": rooms.board.phase.value, "fresh": fresh, "database": trust.database.up, "acc": trust.acc.up}

    @app.get("/metrics", response_class=Response, responses=_SAYS_NO, tags=["máquinas"])
    async def prometheus(_: Reader) -> Response:
        """Las métricas, para Prometheus."""
        return Response(await told.text(), media_type=metrics.CONTENT_TYPE)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(_: Reader) -> Response:
        """This application, described."""
        return Response(_described(app), media_type="application/json")


def _described(app: FastAPI) -> str:
    """The API's description, its types under the names that clients know from 1.0."""
    described = json.dumps(app.openapi(), ensure_ascii=False, separators=(",", ":"))
    for ours, published in _PUBLISHED_NAMES.items():
        described = described.replace(f'schemas/{ours}"', f'schemas/{published}"').replace(
            f'"{ours}"', f'"{published}"'
        )
    return described
