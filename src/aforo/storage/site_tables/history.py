"""The rows of eventos_Analisis that the ledger's entries stand for."""

from collections.abc import Sequence

from sqlalchemy import Connection

from aforo.storage.record_cache import CachedRecord
from aforo.storage.site_tables.tables import NO_EVENT, HistoryRow, SiteTables


class HistoryRows:
    """Writes history rows in the transaction that writes the ledger."""

    def __init__(self, site_tables: SiteTables) -> None:
        self._site_tables = site_tables

    def add(self, connection: Connection, cached: CachedRecord, entries: Sequence[tuple[int, Sequence[str]]]) -> None:
        """Write the rows of camera events, each an instant (epoch ms) and a source. Raises StoreRejectedRow.

        A row outside the event's window gets no event's name.
        """
        texts = self._site_tables.local_texts([occurred_ms for occurred_ms, _ in entries])
        event, since_ms, until_ms = cached.event.name, cached.since_ms, cached.until_ms
        rows: list[HistoryRow] = [
            (name, area, activity, camera_id, text, event if since_ms <= occurred_ms < until_ms else NO_EVENT)
            for (occurred_ms, (camera_id, name, area, activity)), text in zip(entries, texts, strict=True)
        ]
        self._site_tables.add_history(connection, rows)
