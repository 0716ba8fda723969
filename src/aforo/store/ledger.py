"""The ledger: every event once. What a batch holds that is not there yet, and the rows that it becomes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, func, select

from aforo.model import AccEvent, Verdict
from aforo.store import tables
from aforo.store.books import MovementRow
from aforo.store.legacy import HistoryRow, Legacy
from aforo.store.link import Link
from aforo.store.local import EPOCH

Identity = tuple[int, str, str]  # (occurred_ms, server_id, this_id): the ledger's key

NOT_HISTORY, WRITTEN, REFUSED = 0, 1, 2  # what the column ``history`` says
_MOST_DIGITS = 18  # of a thisId that is surely a BIGINT
_CHUNK_MS = 600_000  # how much of a show is gone through at once
_MARGIN_MS = 2 * 86_400_000  # how far from its window a show's older entries are looked for
_EVENT_COLUMNS = "occurred_ms, server_id, this_id"


class Entry(NamedTuple):
    """What the ledger keeps of an event and a sifting needs."""

    occurred_ms: int
    server_id: str
    this_id: str
    camera_id: str
    name: str
    area: str
    activity: str
    history: int


def identify(events: Iterable[AccEvent]) -> dict[Identity, AccEvent]:
    """The events of a batch by their key, each once."""
    found: dict[Identity, AccEvent] = {}
    longest = tables.KEY_LENGTH
    for event in events:
        server_id, this_id, occurred_at, *_ = event
        if len(this_id) > longest or len(server_id) > longest:
            server_id, this_id = tables.fit_key(server_id), tables.fit_key(this_id)
        key = (round((occurred_at - EPOCH).total_seconds() * 1000), server_id, this_id)
        if key not in found:
            found[key] = event
    return found


def seq(this_id: str) -> int:
    """The place of an event within its millisecond: its thisId as a number, 0 where it is none."""
    return int(this_id) if len(this_id) <= _MOST_DIGITS and this_id.isascii() and this_id.isdigit() else 0


class Ledger:
    """Reads and writes aforo_events, and the history rows and movements that its entries mean."""

    def __init__(self, link: Link, legacy: Legacy) -> None:
        self._link = link
        self._legacy = legacy

    def unknown(self, connection: Connection, events: dict[Identity, AccEvent]) -> list[Identity]:
        """The keys that the ledger does not have yet, in its order."""
        instants = sorted({occurred_ms for occurred_ms, _, _ in events})
        most = self._link.dialect.most_parameters
        known: set[Identity] = set()
        for first in range(0, len(instants), most):
            chunk = instants[first : first + most]
            # Always the same statement: the last chunk is filled up with what it has already.
            chunk += chunk[-1:] * (most - len(chunk) if first else _rounded(len(chunk), most) - len(chunk))
            sql = f"SELECT {_EVENT_COLUMNS} FROM aforo_events WHERE occurred_ms IN ({','.join('?' * len(chunk))})"  # noqa: S608 -- only question marks
            known.update(map(tuple, connection.exec_driver_sql(sql, tuple(chunk))))
        return sorted(events.keys() - known)

    def add(  # noqa: PLR0913 -- all that one event causes
        self,
        connection: Connection,
        show: tuple[int, str],
        new: Mapping[Identity, AccEvent],
        verdicts: Mapping[str, Verdict],
        seen_ms: int,
        *,
        history: bool = True,
    ) -> list[MovementRow]:
        """Store new events of a show ``(id, name)``, their history rows and movements; returns the movements.

        Without ``history`` the rows for that table are noted as refused. Raises StoreRejectedRow.
        """
        show_id, show_name = show
        judged = {name: verdicts[name] for name in {event.name for event in new.values()}}
        kept = {name for name, verdict in judged.items() if verdict.history}
        written = WRITTEN if history else REFUSED
        rows = [
            (*key, show_id, camera, name, area, activity, written if name in kept else NOT_HISTORY, seen_ms)
            for key, (_, _, _, camera, name, area, activity) in new.items()
        ]
        self._link.insert(connection, tables.events, rows)
        moves = list(_movements(show_id, ((key, event.name) for key, event in new.items()), judged))
        self._link.insert(connection, tables.movements, moves)
        if history and kept:
            self._add_history(
                connection,
                show_name,
                [(key[0], event) for key, event in new.items() if event.name in kept],
            )
        return moves

    def resift(
        self,
        connection: Connection,
        show: tuple[int, str],
        window: tuple[int, int],
        verdict: Callable[[str], Verdict],
    ) -> None:
        """Make a show's movements anew by other rules, and write the history rows that are now due and not there."""
        show_id, show_name = show
        mine = tables.movements.c.show_id == show_id
        connection.execute(tables.movements.delete().where(mine))
        for entries in self._entries(connection, show_id, window):
            judged = {name: verdict(name) for name in {entry.name for entry in entries}}
            moves = sorted(_movements(show_id, ((entry[:3], entry.name) for entry in entries), judged))
            self._link.insert(connection, tables.movements, moves)
            owed = [entry for entry in entries if entry.history != WRITTEN and judged[entry.name].history]
            if owed:
                self._write_owed(connection, show_name, owed)

    def counts(self, connection: Connection, show_id: int, since_ms: int, until_ms: int) -> dict[str, int]:
        """Events per camera inside the window."""
        table = tables.events.c
        rows = connection.execute(
            select(table.camera_id, func.count())
            .where(table.occurred_ms >= since_ms, table.occurred_ms < until_ms, table.show_id == show_id)
            .group_by(table.camera_id)
        )
        return {row[0]: row[1] for row in rows}

    def _add_history(self, connection: Connection, show_name: str, events: Sequence[tuple[int, Any]]) -> None:
        texts = self._legacy.local_texts(occurred_ms for occurred_ms, _ in events)
        rows: list[HistoryRow] = [
            (event.name, event.area, event.activity, event.camera_id, text, show_name)
            for (_, event), text in zip(events, texts, strict=True)
        ]
        self._legacy.add_history(connection, rows)

    def _write_owed(self, connection: Connection, show_name: str, owed: Sequence[Entry]) -> None:
        self._add_history(connection, show_name, [(entry.occurred_ms, entry) for entry in owed])
        table = tables.events
        keys = list(table.primary_key.columns)
        statement = (
            table.update().where(*(column == bindparam(f"at_{column.name}") for column in keys)).values(history=WRITTEN)
        )
        connection.execute(
            statement,
            [{f"at_{column.name}": value for column, value in zip(keys, entry, strict=False)} for entry in owed],
        )

    def _entries(self, connection: Connection, show_id: int, window: tuple[int, int]) -> Iterator[list[Entry]]:
        """All of a show's entries, a stretch of time after the other: memory stays flat."""
        table = tables.events.c
        # The window may have been another when they came; a ledger of many seasons is not searched for that.
        around = (table.occurred_ms >= window[0] - _MARGIN_MS, table.occurred_ms < window[1] + _MARGIN_MS)
        mine = table.show_id == show_id
        first, last = connection.execute(
            select(func.min(table.occurred_ms), func.max(table.occurred_ms)).where(*around, mine)
        ).one()
        if first is None:
            return
        columns = [table[name] for name in Entry._fields]
        for since in range(first, last + 1, _CHUNK_MS):
            stretch = (table.occurred_ms >= since, table.occurred_ms < since + _CHUNK_MS)
            rows = connection.execute(
                select(*columns).where(*stretch, mine).order_by(table.occurred_ms, table.server_id, table.this_id)
            )
            entries = [Entry(*row) for row in rows]
            if entries:
                yield entries


def _movements(
    show_id: int, events: Iterable[tuple[Identity, str]], verdicts: Mapping[str, Verdict]
) -> Iterator[MovementRow]:
    """One row per zone that an event moves."""
    moves = {name: verdict.movements for name, verdict in verdicts.items() if verdict.movements}
    for (occurred_ms, server_id, this_id), name in events:
        for zone, delta in moves.get(name, ()):
            yield show_id, zone, occurred_ms, seq(this_id), server_id, this_id, delta, False


def _rounded(count: int, most: int) -> int:
    """A few sizes of IN list are prepared, not hundreds."""
    size = 8
    while size < count:
        size *= 4
    return min(size, most)
