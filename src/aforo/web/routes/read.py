"""What may be read: the state now, the series, the stored events, the event stream."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from aforo.http_server.addresses import network_of
from aforo.models import CameraEvent
from aforo.storage import Cursor
from aforo.web import schemas, serializers
from aforo.web.dependencies import DATABASE_ERRORS, QUERY_ERRORS, READ_ERRORS, Parts, Reader, client_address
from aforo.web.security import RequestRejected
from aforo.web.sse import TooManyClients

router = APIRouter()

# What the ledger's columns hold.
_CursorFields = tuple[
    Annotated[int, msgspec.Meta(ge=0, lt=2**53)],
    Annotated[int, msgspec.Meta(ge=0, lt=2**31)],
    Annotated[str, msgspec.Meta(max_length=400)],
    Annotated[int, msgspec.Meta(ge=0, lt=2**31)],
]


@router.get("/api/v1/state", response_model=schemas.State, responses=READ_ERRORS, tags=["ahora"])
async def state(_: Reader, parts: Parts) -> Response:
    """Todo lo que muestra la página, menos las curvas."""
    return Response(parts.broadcaster.state(), media_type="application/json")


@router.get("/api/v1/zones", responses=READ_ERRORS, tags=["ahora"])
async def zones(_: Reader, parts: Parts) -> list[schemas.ZoneState]:
    """Las zonas, ahora."""
    return serializers.zones(parts.context.live, parts.context.clock.now())


@router.get("/api/v1/doors", responses=READ_ERRORS, tags=["ahora"])
async def doors(_: Reader, parts: Parts) -> list[schemas.DoorState]:
    """El conteo de personas por puerta."""
    return serializers.doors(parts.context.live, parts.context.clock.now())


@router.get("/api/v1/alerts", responses=READ_ERRORS, tags=["ahora"])
async def alerts(_: Reader, parts: Parts) -> list[schemas.AlertState]:
    """Los avisos abiertos y los últimos cerrados."""
    return serializers.alerts(parts.context.live)


@router.get("/api/v1/series", response_model=schemas.Series, responses=READ_ERRORS, tags=["en el tiempo"])
async def series(_: Reader, parts: Parts) -> Response:
    """Cada zona y cada puerta, minuto a minuto desde hora_inicio."""
    return Response(parts.broadcaster.series(), media_type="application/json")


@router.get("/api/v1/events", responses={**QUERY_ERRORS, **DATABASE_ERRORS}, tags=["en el tiempo"])
async def events(
    _: Reader,
    parts: Parts,
    after: Annotated[str, Query(description="`next` de la página anterior", max_length=400)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> schemas.EventsPage:
    """Los eventos guardados del evento abierto, por páginas y en orden de tiempo."""
    if parts.context.events is None:
        return schemas.EventsPage(events=[], next=None)
    return _page(*await parts.context.events.page(cursor_of(after), limit))


@router.get(
    "/api/v1/stream",
    response_class=StreamingResponse,
    responses={**READ_ERRORS, 200: {"content": {"text/event-stream": {}}}},
    tags=["ahora"],
)
async def stream(request: Request, who: Reader, parts: Parts) -> Response:
    """En vivo (SSE): `state` al conectar, luego `change` con las partes que cambian y `now` cada segundo."""
    frames = parts.broadcaster.follow(who, network_of(client_address(request)))
    try:
        first = await anext(frames)
    except TooManyClients as exc:
        raise RequestRejected(503, "Hay demasiadas pantallas conectadas.", 10) from exc
    return StreamingResponse(_chain(first, frames), media_type="text/event-stream")


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for frame in rest:
        yield frame


def cursor_of(text: str) -> Cursor | None:
    """Return the place that ``next`` of a page names, None for "". Raises RequestRejected (422)."""
    if not text:
        return None
    try:
        return Cursor(*msgspec.json.decode(urlsafe_b64decode(text), type=_CursorFields))
    except (ValueError, msgspec.MsgspecError) as exc:
        raise RequestRejected(422, f"La petición no sirve: {schemas.LIMITS['after']}.") from exc


def _page(events: list[CameraEvent], following: Cursor | None) -> schemas.EventsPage:
    after = None if following is None else urlsafe_b64encode(json.dumps(list(following)).encode()).decode()
    return schemas.EventsPage(events=[schemas.EventOut(**event._asdict()) for event in events], next=after)
