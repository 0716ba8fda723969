"""The event report (acta): figures from the database, as a page to print, a table and JSON."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from aforo.clock import SystemClock
from aforo.errors import BadCommand
from aforo.live.estimates import news
from aforo.reporting.compute import compute_report, known_of
from aforo.reporting.data import EventReport
from aforo.reporting.renderer_process import render
from aforo.reporting.writers import file_name, write
from aforo.settings import Settings, zones_from
from aforo.storage import EventRecord, JournalKind, Store, require_existing

__all__ = ["EventReport", "compute_report", "make_reports", "render", "suffix_of", "write"]


def make_reports(settings: Settings, day: date, folder: Path) -> list[Path]:
    """Make the reports of a date's events anew and return the pages' paths.

    Raises BadCommand, BadSetting, StoreError.
    """
    require_existing(settings.database.address())
    store = Store(settings.database.address(), zones_from(settings.zones), settings.monitor.timezone)
    try:
        store.open()
        records = store.records_on(day)
        if not records:
            raise BadCommand(
                f"La base de datos {store.name} no tiene ningún evento del {day}.",
                remedy=f"Si lo hubo, «aforo backfill {day}» lo recupera de ACC y hace su acta.",
            )
        now = SystemClock().now()
        pages = []
        for record in records:
            snapshot = store.report_snapshot(record, now)
            for zone, text in news(known_of(snapshot, settings)).items():
                since = record.event.window.since
                store.begin_entry(JournalKind.LEARNED, zone, since, detail=text, record=record, ended=now)
            pages.append(write(compute_report(snapshot, settings, now), folder, suffix=suffix_of(record, records)))
        return pages
    finally:
        store.close()


def suffix_of(record: EventRecord, records: Sequence[EventRecord]) -> str:
    """Return what makes the file names of events with one date and name differ: "", then ``-2``, ``-3``…."""
    name = file_name(str(record.event.day), record.event.name).casefold()
    alike = [other.id for other in records if file_name(str(other.event.day), other.event.name).casefold() == name]
    place = alike.index(record.id) if record.id in alike else 0
    return f"-{place + 1}" if place else ""
