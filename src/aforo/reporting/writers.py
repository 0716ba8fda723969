"""The act's three files: the page, a table for spreadsheets, and all of it for programs."""

import csv
import io
import re
import unicodedata
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from aforo.errors import BadSetting, os_reason
from aforo.inputs.watched_file import write_whole
from aforo.reporting.data import EventReport

_LONGEST_NAME = 80  # characters of a file's name that come from the event's
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)")  # names that Windows keeps for itself


def write(act: EventReport, folder: Path, *, suffix: str = "") -> Path:
    """Write the three files beside each other; returns the page's path. Raises BadSetting where that cannot be done."""
    from aforo.reporting.page import html  # noqa: PLC0415 -- matplotlib takes a second

    page = folder / f"{file_name(act.day.isoformat(), act.name)}{suffix}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(page, html(act))
        write_whole(page.with_suffix(".csv"), table(act))
        write_whole(page.with_suffix(".json"), document(act))
    except OSError as exc:
        raise BadSetting(
            f"El acta {page} no se puede escribir ({os_reason(exc)}).",
            "Las cifras están en la base de datos.",
            f"Dé permiso en esa carpeta o cambie report.folder, y ejecute «aforo report {act.day}».",
        ) from exc
    return page


def file_name(day: str, name: str) -> str:
    """``2026-01-27-Concierto-A``: a name that Windows and Linux take, whatever the event is called."""
    plain = unicodedata.normalize("NFC", name)
    words = "-".join(re.findall(r"[\w.]+", plain)).strip(".-_")[:_LONGEST_NAME].rstrip(".-_")
    return f"{day}-{words}" if words and not _RESERVED.fullmatch(words) else f"{day}-evento"


def table(act: EventReport) -> str:
    """A row for each minute of a zone: hour, zone, entries, exits, aforo. As a Spanish Excel opens it."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    writer.writerow(["fecha", "hora", "evento", "zona", "entradas", "salidas", "aforo"])
    timezone = ZoneInfo(act.timezone)
    for zone in act.zones:
        for flow, (at, count) in zip(zone.minutes, zone.curve, strict=True):
            local = at.astimezone(timezone)
            name = _no_formula(act.name)
            writer.writerow(
                [f"{local:%Y-%m-%d}", f"{local:%H:%M}", name, _no_formula(zone.name), flow.entries, flow.exits, count]
            )
    return "\ufeff" + out.getvalue()


def document(act: EventReport) -> str:
    """Everything, as JSON; instants are UTC."""
    figures = msgspec.to_builtins(act)
    figures |= {"stored": act.stored, "acc": act.acc, "reconciled": act.reconciled}
    for camera, said in zip(act.cameras, figures["cameras"], strict=True):
        said["difference"] = camera.difference
    return msgspec.json.format(msgspec.json.encode(figures), indent=2).decode() + "\n"


def _no_formula(text: str) -> str:
    """A text that a spreadsheet will not take for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t"} else text
