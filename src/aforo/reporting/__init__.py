"""The act of an event: figures from the store, as a page to print, a table and JSON."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from aforo.clock import SystemClock
from aforo.errors import BadCommand
from aforo.reporting.collect import collect
from aforo.reporting.data import EventReport
from aforo.reporting.renderer_process import make
from aforo.reporting.writers import file_name, write
from aforo.settings import Settings, zones_from
from aforo.storage import EventRecord, Store

__all__ = ["EventReport", "acts", "collect", "make", "suffix_of", "write"]


def acts(settings: Settings, day: date, folder: Path) -> list[Path]:
    """Make the acts of a date's events anew; returns the pages' paths. Raises BadCommand, BadSetting, StoreError."""
    store = Store(settings.database.address(), zones_from(settings.zones), settings.monitor.timezone)
    try:
        store.open()
        shows = store.records_on(day)
        if not shows:
            raise BadCommand(
                f"La base de datos {store.name} no tiene ningún evento del {day}.",
                remedy=f"Si lo hubo, «aforo backfill {day}» lo recupera de ACC y hace su acta.",
            )
        now = SystemClock().now()
        return [
            write(collect(store.report_snapshot(show, now), settings, now), folder, suffix=suffix_of(show, shows))
            for show in shows
        ]
    finally:
        store.close()


def suffix_of(show: EventRecord, shows: Sequence[EventRecord]) -> str:
    """What tells two events of one date and name apart: "" for all but the second and later ones."""
    name = file_name(str(show.event.day), show.event.name).casefold()
    alike = [other.id for other in shows if file_name(str(other.event.day), other.event.name).casefold() == name]
    place = alike.index(show.id) if show.id in alike else 0
    return f"-{place + 1}" if place else ""
