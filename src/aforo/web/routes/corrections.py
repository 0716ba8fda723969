"""The operators' corrections: listed, made and undone."""

from fastapi import APIRouter

from aforo.web import schemas, serializers
from aforo.web.corrections import CorrectionService
from aforo.web.dependencies import BODY_ERRORS, DATABASE_ERRORS, READ_ERRORS, AppParts, Operator, Parts, Reader
from aforo.web.security import RequestRejected

router = APIRouter(tags=["correcciones"])


@router.get("/api/v1/corrections", responses=READ_ERRORS)
async def corrections(_: Reader, parts: Parts) -> list[schemas.CorrectionState]:
    """Las correcciones del evento, la más antigua primero."""
    return serializers.corrections(parts.context.live)


@router.post("/api/v1/corrections", responses={**BODY_ERRORS, **DATABASE_ERRORS})
async def correct(who: Operator, parts: Parts, order: schemas.CorrectionOrder) -> list[schemas.CorrectionState]:
    """Corrige una zona: `delta` o `count`. El mismo `id` se aplica una sola vez."""
    if (order.delta is None) == (order.count is None):
        raise RequestRejected(422, "La petición no sirve: se admite delta o count, uno de los dos.")
    if order.counted and order.count is None:
        raise RequestRejected(422, "La petición no sirve: lo contado a mano va en count.")
    await _service(parts).correct(order, who.name)
    return serializers.corrections(parts.context.live)


@router.post("/api/v1/corrections/{correction_id}/undo", responses={**BODY_ERRORS, **DATABASE_ERRORS})
async def undo(
    who: Operator, parts: Parts, correction_id: schemas.CorrectionId, order: schemas.UndoOrder
) -> list[schemas.CorrectionState]:
    """Deshace una corrección con otra que la nombra; una sola vez."""
    await _service(parts).undo(correction_id, why=order.reason, who=who.name)
    return serializers.corrections(parts.context.live)


def _service(parts: AppParts) -> CorrectionService:
    if parts.context.corrections is None:
        raise RequestRejected(503, "Aquí no se puede corregir.")
    return parts.context.corrections
