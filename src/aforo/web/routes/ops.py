"""What monitoring reads: liveness, readiness, metrics, and the API's description."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from aforo.models import EventPhase
from aforo.web import metrics, serializers
from aforo.web.dependencies import READ_ERRORS, Parts, Reader

router = APIRouter(tags=["máquinas"])


@router.get("/health")
async def health() -> dict[str, str]:
    """El proceso vive."""
    return {"status": "ok"}


@router.get("/ready", responses={503: {"description": "No cuenta, o el aforo no es de ahora"}})
async def ready(response: Response, parts: Parts) -> dict[str, bool | str]:
    """Cuenta, y el aforo es de ahora; entre evento y evento también está listo."""
    context = parts.context
    trust = serializers.data_quality(context.live, context.clock.now(), context.stale_after)
    counting = context.live.phase in {EventPhase.WATCHING, EventPhase.CLOSING}
    fresh = not counting or not trust.stale
    response.status_code = 200 if fresh and trust.database.up else 503
    return {"phase": context.live.phase.value, "fresh": fresh, "database": trust.database.up, "acc": trust.acc.up}


@router.get("/metrics", response_class=Response, responses=READ_ERRORS)
async def prometheus(_: Reader, parts: Parts) -> Response:
    """Las métricas, para Prometheus."""
    return Response(await parts.metrics.text(), media_type=metrics.CONTENT_TYPE)


@router.get("/openapi.json", include_in_schema=False)
async def openapi(_: Reader, request: Request) -> Response:
    """Return this application's OpenAPI description."""
    return JSONResponse(request.app.openapi())
