"""The event report as one HTML file without anything from outside: for a screen, and for A4 with signatures."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from aforo.outside_text import visible
from aforo.reporting.charts import doors_chart, zone_chart
from aforo.reporting.data import EventReport
from aforo.wording import clock_offset_text, duration_in_tenths, grouped, interval, one_way_line

_DAYS = ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo")
_MONTHS = (
    "enero", "febrero", "marzo", "abril", "mayo", "junio",
    "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre",
)  # fmt: skip


def html(report: EventReport) -> str:
    """Return the whole page. Every name from outside is escaped; the charts are made here."""
    environment = Environment(
        loader=PackageLoader("aforo.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_shown,
    )
    environment.filters.update(_filters(ZoneInfo(report.timezone)))
    return environment.get_template("report.html").render(
        report=report,
        zones=[(zone, Markup(zone_chart(report, zone))) for zone in (*report.zones, *report.totals)],  # noqa: S704 -- made by us
        doors_chart=Markup(doors_chart(report, report.doors)) if report.doors else "",  # noqa: S704
    )


def _shown(value: object) -> object:
    """Return what an expression of the page shows: a text without characters that hide or reverse others."""
    return visible(value) if type(value) is str else value  # not Markup, which is made here


def _filters(timezone: ZoneInfo) -> dict[str, Callable[..., str]]:
    def local(at: datetime, pattern: str) -> str:
        return at.astimezone(timezone).strftime(pattern)

    return {
        "whole": grouped,
        "one_way": lambda door: one_way_line(door.name, door.zone, entries=door.entries),
        "interval": lambda one: interval(one.low, one.high),
        "bound": lambda seconds: f"en menos de {duration_in_tenths(seconds)}" if seconds else "en más de 15 min",
        "seconds": duration_in_tenths,
        "clock_offset": clock_offset_text,
        "clock": lambda at: local(at, "%H:%M"),
        "clock_s": lambda at: local(at, "%H:%M:%S"),
        "moment": lambda at: local(at, "%Y-%m-%d a las %H:%M"),
        "long_day": lambda at: long_day(at.astimezone(timezone)),
    }


def long_day(day: datetime) -> str:
    """Return ``martes, 27 de enero de 2026``."""
    return f"{_DAYS[day.weekday()]}, {day.day} de {_MONTHS[day.month - 1]} de {day.year}"
