"""The event report's three files: the page, a table for spreadsheets, and everything as JSON for programs."""

import csv
import io
import re
import unicodedata
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from aforo.errors import BadSetting, os_reason
from aforo.inputs.watched_file import write_whole
from aforo.outside_text import json_text, visible
from aforo.reporting.data import EventReport, ZoneFigures

_LONGEST_NAME = 80  # characters of a file's name that come from the event's…
_MOST_BYTES = 110  # …and their bytes: with date, suffixes and a temporary ending 143, the least that file systems take
_FORMULA_SIGNS = frozenset("=+-@\N{MINUS SIGN}|%")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)")  # names that Windows keeps for itself


def write(report: EventReport, folder: Path, *, suffix: str = "") -> Path:
    """Write the three files beside each other and return the page's path. Raises BadSetting where they cannot be."""
    from aforo.reporting.page import html  # noqa: PLC0415 -- matplotlib takes a second

    page = folder / f"{file_name(report.day.isoformat(), report.name)}{suffix}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(page, html(report))
        write_whole(page.with_suffix(".csv"), table(report))
        write_whole(page.with_suffix(".json"), document(report))
    except OSError as exc:
        raise BadSetting(
            f"El acta {page} no se puede escribir ({os_reason(exc)}).",
            "Las cifras están en la base de datos.",
            f"Dé permiso en esa carpeta o cambie report.folder, y ejecute «aforo report {report.day}».",
        ) from exc
    return page


def file_name(day: str, name: str) -> str:
    """Return ``2026-01-27-Concierto-A``: a file name that Windows and Linux accept, whatever the event's name."""
    plain = unicodedata.normalize("NFC", name)
    words = "-".join(re.findall(r"[\w.]+", plain)).strip(".-_")[:_LONGEST_NAME]
    words = words.encode()[:_MOST_BYTES].decode("utf-8", "ignore").rstrip(".-_")
    return f"{day}-{words}" if words and not _RESERVED.fullmatch(words) else f"{day}-evento"


def table(report: EventReport) -> str:
    """Return a row for each minute of zones and totals: hour, zone, entries, exits, aforo; for a Spanish Excel."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    header = ["fecha", "hora", "evento", "zona", "entradas", "salidas", "aforo", "tipo", "como_poco", "como_mucho"]
    writer.writerow(header)
    timezone = ZoneInfo(report.timezone)
    for kind, zone in [*(("zona", one) for one in report.zones), *(("suma", one) for one in report.totals)]:
        bounds = _bounds(zone)
        for flow, (at, count) in zip(zone.minutes, zone.curve, strict=True):
            local = at.astimezone(timezone)
            name = _no_formula(report.name)
            place = [f"{local:%Y-%m-%d}", f"{local:%H:%M}", name, _no_formula(zone.name)]
            writer.writerow([*place, flow.entries, flow.exits, count, kind, *bounds.get(at, ("", ""))])
    return "\ufeff" + out.getvalue()


def _bounds(zone: ZoneFigures) -> dict[datetime, tuple[int, int]]:
    """Return the bounds of a zone's people at the end of the minute before each quarter of an hour."""
    band = zone.estimate.band if zone.estimate is not None else []
    return {one.at - timedelta(minutes=1): (one.low, one.high) for one in band}


def document(report: EventReport) -> str:
    """Return everything as JSON; instants are UTC."""
    figures = msgspec.to_builtins(report)
    figures |= {"stored": report.stored, "acc": report.acc, "reconciled": report.reconciled, "outcome": report.outcome}
    for camera, row in zip(report.cameras, figures["cameras"], strict=True):
        row["difference"] = camera.difference
    return json_text(figures, indent=2) + "\n"


def _no_formula(text: str) -> str:
    """Return a text that a spreadsheet does not read as a formula, also where it trims blanks or normalises signs."""
    begin = next((one for one in text if not one.isspace() and visible(one) == one), "")
    shown = visible(text)
    return f"'{shown}" if unicodedata.normalize("NFKC", begin)[:1] in _FORMULA_SIGNS else shown
