"""Corrections of a zone by an operator: checked, written through the database's one writer, shown in the live state."""

import asyncio

from aforo.clock import Clock
from aforo.errors import StoreError
from aforo.live.state import UNDO, LiveState
from aforo.storage import Correction, Database, JournalKind, ManualCount
from aforo.web.schemas import CorrectionOrder
from aforo.web.security import RequestConflict, ServiceUnavailable
from aforo.wording import grouped

_TIMEOUT = 5.0  # seconds


class CorrectionService:
    """Takes corrections for the event that is open.

    Its methods raise RequestConflict for what the event does not hold, ServiceUnavailable while the database is away.
    """

    def __init__(self, live: LiveState, database: Database, clock: Clock) -> None:
        self._live = live
        self._database = database
        self._clock = clock

    async def correct(self, order: CorrectionOrder, who: str) -> None:
        """Apply a correction: a difference, or the count that there should be. An id is applied once only."""
        self._check(order.zone)
        present = self._live.occupancies[order.zone].count
        if order.count == present and not order.counted and order.id not in self._live.corrections:
            raise RequestConflict(f"El aforo de «{order.zone}» ya es {grouped(present)}: no hay nada que corregir.")
        correction = Correction(order.id, order.zone, order.delta or 0, order.reason, who, self._clock.now())
        if order.counted and order.count is not None:
            await self._keep_count(ManualCount.inside(order.count, order.error, who, order.id), correction)
        await self._apply(correction, count=(order.count or 0) if order.delta is None else None)

    async def undo(self, correction_id: str, *, why: str, who: str) -> None:
        """Undo a correction with the opposite one. Its id is made of the other's: it is applied once only."""
        undone = self._live.corrections.get(correction_id)
        if undone is None:
            raise RequestConflict("No hay ninguna corrección con ese identificador en este evento.")
        self._check(undone.zone)
        undo = Correction(UNDO + undone.id, undone.zone, -undone.delta, why, who, self._clock.now())
        if undo.id in self._live.corrections:
            raise RequestConflict("Esa corrección ya está deshecha.")
        await self._apply(undo)

    def _check(self, zone: str) -> None:
        if zone in self._live.total_occupancies:
            raise RequestConflict(f"«{zone}» es una suma de zonas: corrija la zona que falle.")
        if zone not in self._live.occupancies:
            raise RequestConflict(f"No hay ninguna zona «{zone}» en este evento.")
        if self._live.probes.database_down_since() is not None:
            raise ServiceUnavailable("La base de datos no responde: no se ha corregido nada. Repítalo cuando vuelva.")

    async def _keep_count(self, count: ManualCount, correction: Correction) -> None:
        """Store a manual count before the correction that it comes with: then that one is never taken for people."""
        record = self._live.record
        if record is None:
            raise RequestConflict("No hay ningún evento abierto.")
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._database.begin_entry(
                    JournalKind.COUNT,
                    correction.zone,
                    correction.at,
                    detail=count.text(),
                    record=record,
                    ended=correction.at,
                )
        except (TimeoutError, StoreError) as exc:
            raise ServiceUnavailable("La base de datos no guardó el conteo ni la corrección. Repítalo.") from exc

    async def _apply(self, correction: Correction, *, count: int | None = None) -> None:
        """Store a correction and take its result into the live state. ``count`` replaces the correction's delta."""
        record = self._live.record
        if record is None:
            raise RequestConflict("No hay ningún evento abierto.")
        try:
            async with asyncio.timeout(_TIMEOUT):
                result = await self._database.correct(record, correction, count=count)
        except TimeoutError as exc:
            raise ServiceUnavailable(
                "La base de datos no contestó a tiempo y no se sabe si quedó guardada."
                " Repita la misma corrección: se aplica una sola vez."
            ) from exc
        except StoreError as exc:
            raise ServiceUnavailable(f"La base de datos no admitió la corrección: {exc}") from exc
        if self._live.record is record:
            self._live.correct(result.corrections, result.occupancies, {correction.zone: result.minutes})
