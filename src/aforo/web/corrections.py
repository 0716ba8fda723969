"""What the page asks of the database: corrections through the one writer, reads on connections of their own."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from aforo.clock import Clock
from aforo.errors import StoreError
from aforo.live.state import UNDO, LiveState
from aforo.models import CameraEvent
from aforo.storage import Correction, CorrectionResult, Cursor, Database, EventRecord, Store
from aforo.web.schemas import CorrectionOrder

_T = TypeVar("_T")

_READERS = 2  # reads of the database at once
_MOST_WAITING = 8  # reads that may wait for one of them
_PATIENCE = 5.0  # seconds that a correction or a read may take


class NotNow(Exception):
    """It cannot be done now, for a reason that passes; the text is Spanish."""


class NotSo(Exception):
    """It cannot be done as it was asked; the text is Spanish."""


class CorrectionService:
    """Takes corrections and answers reads for the event that is open. ``make_store``: one more way to the database."""

    def __init__(self, board: LiveState, database: Database, make_store: Callable[[], Store], clock: Clock) -> None:
        self._board = board
        self._database = database
        self._make_store = make_store
        self._clock = clock
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="aforo-web-read")
        self._own = threading.local()
        self._made: list[Store] = []
        self._waiting = 0

    async def close(self) -> None:
        """Let go of the connections."""
        await asyncio.to_thread(self._readers.shutdown, cancel_futures=True)
        for store in self._made:
            await asyncio.to_thread(store.close)

    async def correct(self, order: CorrectionOrder, who: str) -> None:
        """Apply a correction: a difference, or the count that there should be. Once for each id, ever.

        Raises NotNow when the database is away, NotSo for a zone or a correction that there is not.
        """
        self._check(order.zone)
        correction = Correction(order.id, order.zone, order.delta or 0, order.reason, who, self._clock.now())
        await self._apply(correction, count=(order.count or 0) if order.delta is None else None)

    async def undo(self, correction_id: str, *, why: str, who: str) -> None:
        """Take a correction back with the opposite one. However often it is asked, and by whom, it happens once."""
        wrong = self._board.corrections.get(correction_id)
        if wrong is None:
            raise NotSo("No hay ninguna corrección con ese identificador en este evento.")
        self._check(wrong.zone)
        undo = Correction(UNDO + wrong.id, wrong.zone, -wrong.delta, why, who, self._clock.now())
        if undo.id in self._board.corrections:
            raise NotSo("Esa corrección ya está deshecha.")
        await self._apply(undo)

    async def events(self, after: Cursor | None, limit: int) -> tuple[list[CameraEvent], Cursor | None]:
        """A page of the stored events. Raises NotNow when the database is away or busy."""
        show = self._board.show
        if show is None:
            return [], None
        return await self._read(lambda store: store.events(show, after, limit))

    def _check(self, zone: str) -> None:
        if zone not in self._board.occupancies:
            raise NotSo(f"No hay ninguna zona «{zone}» en este evento.")
        if self._board.signs.database_down_since() is not None:
            raise NotNow("La base de datos no responde: no se ha corregido nada. Repítalo cuando vuelva.")

    async def _apply(self, correction: Correction, *, count: int | None = None) -> None:
        """``count``: how many there should be, instead of the correction's delta."""
        show = self._board.show
        if show is None:
            raise NotSo("No hay ningún evento abierto.")
        try:
            async with asyncio.timeout(_PATIENCE):
                result = await self._database.correct(show, correction, count=count)
        except TimeoutError as exc:
            raise NotNow(
                "La base de datos no contestó a tiempo y no se sabe si quedó guardada."
                " Repita la misma corrección: se aplica una sola vez."
            ) from exc
        except StoreError as exc:
            raise NotNow(f"La base de datos no admitió la corrección: {exc}") from exc
        self._tell(show, correction.zone, result)

    def _tell(self, show: EventRecord, zone: str, result: CorrectionResult) -> None:
        if self._board.show is show:
            self._board.corrections = {correction.id: correction for correction in result.corrections}
            self._board.counted(result.occupancies, {zone: result.minutes})

    async def _read(self, read: Callable[[Store], _T]) -> _T:
        if self._waiting >= _MOST_WAITING:
            raise NotNow("Hay demasiadas consultas a la vez: repítalo en un momento.")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(_PATIENCE):
                return await loop.run_in_executor(self._readers, lambda: read(self._reader()))
        except TimeoutError as exc:
            raise NotNow("La base de datos no contestó a tiempo.") from exc
        except StoreError as exc:
            raise NotNow(str(exc)) from exc
        finally:
            self._waiting -= 1

    def _reader(self) -> Store:
        """This thread's own store: it is used from no other thread."""
        store: Store | None = getattr(self._own, "store", None)
        if store is None:
            store = self._own.store = self._make_store()
            self._made.append(store)
        return store
