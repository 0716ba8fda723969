"""``aforo count``: a manual or ticket count of a zone, written into the journal of its event.

The program that watches the event reads it there, within seconds.
"""

import csv
import getpass
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from aforo.errors import BadCommand, os_reason
from aforo.models import ScheduledEvent
from aforo.settings import Settings, zones_from
from aforo.storage import EventRecord, JournalKind, ManualCount, Store, require_existing
from aforo.wording import grouped

_TIMES = ("%H:%M:%S", "%H:%M")
_QUANTITY = re.compile(r"(?i)boletas|tiquetes|cantidad|cu[aá]nt|entradas|personas|total|count|tickets")
_MOST_BYTES = 50_000_000  # of a file of scans


@dataclass(frozen=True, slots=True)
class CountOrder:
    """What is known of a zone: ``people`` inside, or the ``scans`` of tickets.

    ``at`` is the local time of the count, None for now; ``day`` the date of an event that is not the one under way.
    """

    zone: str
    people: int | None = None
    scans: Path | None = None
    error: int | None = None
    at: time | None = None
    day: date | None = None


def main(settings: Settings, order: CountOrder, now: datetime) -> list[str]:
    """Write the count and return what was written, in Spanish lines. Raises BadCommand, BadSetting, StoreError."""
    zone = next((one.name for one in settings.zones if one.name.casefold() == order.zone.strip().casefold()), "")
    if not zone:
        known = ", ".join(f"«{one.name}»" for one in settings.zones)
        raise BadCommand(f"No hay ninguna zona «{order.zone}».", remedy=f"Las zonas: {known}.")
    require_existing(settings.database.address())
    store = Store(settings.database.address(), zones_from(settings.zones), settings.monitor.timezone)
    try:
        store.open()
        record = _record(store, settings, order, now)
        at = _instant(record.event, order.at, now, settings)
        if order.scans is not None:
            count, at, notes = _tickets(record.event, order, at, settings)
        else:
            count, notes = ManualCount.inside(order.people or 0, order.error, _author()), []
        store.begin_entry(JournalKind.COUNT, zone, at, detail=count.text(), record=record, ended=at)
    finally:
        store.close()
    what = "entradas por boletas hasta" if count.entries else "dentro a"
    error = f", con un error de ±{grouped(round(count.error))}" if round(count.error) else ""
    local = at.astimezone(settings.monitor.timezone)
    lines = [f"«{record.event.name}», {zone}: {grouped(count.value)} {what} las {local:%H:%M}{error}. Anotado.", *notes]
    if record.event.window.until <= now:
        lines.append(f"El acta se hace de nuevo con «aforo report {record.event.day}».")
    return lines


def _record(store: Store, settings: Settings, order: CountOrder, now: datetime) -> EventRecord:
    """Return the event that the count is of: the one under way, or the one of the date that has its time."""
    today = now.astimezone(settings.monitor.timezone).date()
    days = [order.day] if order.day is not None else [today, today - timedelta(days=1)]
    records = [record for one in days for record in store.records_on(one)]
    fitting = [record for record in records if order.day is not None or record.event.window.since <= now]
    under_way = [record for record in fitting if now <= record.event.window.until]
    if order.at is not None:
        timed = [one for one in fitting if _local(one.event, order.at, settings) is not None]
        fitting, under_way = timed, [one for one in under_way if one in timed]
    found = under_way or fitting
    if not found:
        which = f"el {order.day}" if order.day is not None else "ahora"
        raise BadCommand(
            f"La base de datos {store.name} no tiene ningún evento de {which} con esa hora."
            if order.at is not None
            else f"La base de datos {store.name} no tiene ningún evento de {which}.",
            remedy="Escriba «--date AAAA-MM-DD» y «--at HH:MM», dentro del horario del evento.",
        )
    return max(found, key=lambda record: record.event.window.since)


def _instant(event: ScheduledEvent, at: time | None, now: datetime, settings: Settings) -> datetime:
    """Return the instant of the count: now, or the local time inside the event; its end, once that is past."""
    if at is not None and (found := _local(event, at, settings)) is not None:
        return found
    return min(now, event.window.until)


def _local(event: ScheduledEvent, at: time, settings: Settings) -> datetime | None:
    """Return the instant inside an event at which clocks show a time; None where there is none."""
    since, until = event.window
    first = since.astimezone(settings.monitor.timezone).date()
    for day in (first, first + timedelta(days=1)):
        instant = datetime.combine(day, at, settings.monitor.timezone).astimezone(UTC)
        if since - timedelta(minutes=1) < instant <= until:
            return max(instant, since)
    return None


def _tickets(
    event: ScheduledEvent, order: CountOrder, until: datetime, settings: Settings
) -> tuple[ManualCount, datetime, list[str]]:
    """Return how many tickets were read of an event, until the last of them, and what was left out."""
    path = order.scans or Path()
    scans = sorted(_scans(path, event, settings))
    inside = [(at, number) for at, number in scans if event.window.since <= at <= until]
    if not inside:
        raise BadCommand(
            f"En {path} no hay ninguna boleta leída durante «{event.name}».",
            remedy="Se espera una fila por boleta con su hora (HH:MM o AAAA-MM-DD HH:MM:SS), o una hora y cuántas.",
        )
    left_out = sum(number for _, number in scans) - sum(number for _, number in inside)
    notes = [f"Fuera del evento quedaron {grouped(left_out)} boletas."] if left_out else []
    total = sum(number for _, number in inside)
    return ManualCount.tickets(total, order.error, _author()), inside[-1][0], notes


def _scans(path: Path, event: ScheduledEvent, settings: Settings) -> Iterator[tuple[datetime, int]]:
    """Give the tickets of a file: each row that has a time is one, or as many as its column of numbers says.

    That column is known by its heading: a number under another one may be a door's.
    """
    try:
        data = path.read_bytes()[: _MOST_BYTES + 1]
    except OSError as exc:
        raise BadCommand(f"El archivo {path} no se puede leer ({os_reason(exc)}).") from exc
    if len(data) > _MOST_BYTES:
        raise BadCommand(f"El archivo {path} es demasiado grande: se admiten 50 MB.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    separator = max(";,\t", key=text[:10_000].count)
    numbers: int | None = None
    for row in csv.reader(text.splitlines(), delimiter=separator):
        at = next((at for cell in row if (at := _time(cell.strip(), event, settings)) is not None), None)
        if at is not None:
            yield at, _number(row, numbers)
        elif numbers is None:
            numbers = next((place for place, cell in enumerate(row) if _QUANTITY.search(cell)), None)


def _time(cell: str, event: ScheduledEvent, settings: Settings) -> datetime | None:
    for pattern in _TIMES:
        with suppress(ValueError):
            return _local(event, datetime.strptime(cell, pattern).time(), settings)  # noqa: DTZ007 -- only its time
    if len(cell) < len("2026-01-27 20:15"):
        return None
    with suppress(ValueError):
        at = datetime.fromisoformat(cell)
        return (at if at.tzinfo else at.replace(tzinfo=settings.monitor.timezone)).astimezone(UTC)
    return None


def _number(row: Sequence[str], place: int | None) -> int:
    """Return the number in a column of a row; 1 where no column has any: the row is one ticket."""
    if place is None:
        return 1
    digits = row[place].strip().replace(".", "") if place < len(row) else ""
    return int(digits) if digits.isdecimal() and len(digits) <= 6 else 0


def _author() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name
        return ""
