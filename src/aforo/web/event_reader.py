"""Reads stored events for the page, on connections of its own beside the database's one writer."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from aforo.errors import StoreError
from aforo.live.state import LiveState
from aforo.models import CameraEvent
from aforo.storage import Cursor, Store
from aforo.web.security import ServiceUnavailable

_MAX_READS = 2  # at once
_MAX_WAITING = 8  # reads under way or waiting
_TIMEOUT = 5.0  # seconds


class EventReader:
    """Reads pages of the open event's stored events. ``make_store`` makes a connection to the database."""

    def __init__(self, live: LiveState, make_store: Callable[[], Store]) -> None:
        self._live = live
        self._make_store = make_store
        self._threads = ThreadPoolExecutor(_MAX_READS, thread_name_prefix="aforo-web-read")
        self._of_thread = threading.local()
        self._stores: list[Store] = []
        self._waiting = 0

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        for store in self._stores:
            await asyncio.to_thread(store.close)

    async def page(self, after: Cursor | None, limit: int) -> tuple[list[CameraEvent], Cursor | None]:
        """Return a page of the stored events, and where the next one begins.

        Raises ServiceUnavailable while the database is away or busy.
        """
        record = self._live.record
        if record is None:
            return [], None
        if self._waiting >= _MAX_WAITING:
            raise ServiceUnavailable("Hay demasiadas consultas a la vez: repítalo en un momento.")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(_TIMEOUT):
                return await loop.run_in_executor(self._threads, lambda: self._store().events(record, after, limit))
        except TimeoutError as exc:
            raise ServiceUnavailable("La base de datos no contestó a tiempo.") from exc
        except StoreError as exc:
            raise ServiceUnavailable(str(exc)) from exc
        finally:
            self._waiting -= 1

    def _store(self) -> Store:
        """Return this thread's own store: a store is used from one thread only."""
        store: Store | None = getattr(self._of_thread, "store", None)
        if store is None:
            store = self._of_thread.store = self._make_store()
            self._stores.append(store)
        return store
