"""The act as one file that needs nothing else: looked at on a screen, printed on A4, signed."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from aforo.reporting.charts import doors_picture, zone_picture
from aforo.reporting.data import EventReport
from aforo.wording import grouped

_DAYS = ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo")
_MONTHS = (
    "enero", "febrero", "marzo", "abril", "mayo", "junio",
    "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre",
)  # fmt: skip


def html(act: EventReport) -> str:
    """The whole page. Every name from outside is escaped; the pictures are ours."""
    environment = Environment(
        loader=PackageLoader("aforo.reporting", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(_filters(ZoneInfo(act.timezone)))
    return environment.get_template("report.html").render(
        act=act,
        zones=[(zone, Markup(zone_picture(act, zone))) for zone in act.zones],  # noqa: S704 -- made by us
        doors=Markup(doors_picture(act, act.doors)) if act.doors else "",  # noqa: S704
    )


def _filters(timezone: ZoneInfo) -> dict[str, Callable[..., str]]:
    def local(at: datetime, pattern: str) -> str:
        return at.astimezone(timezone).strftime(pattern)

    return {
        "whole": grouped,
        "seconds": seconds,
        "clock": lambda at: local(at, "%H:%M"),
        "clock_s": lambda at: local(at, "%H:%M:%S"),
        "moment": lambda at: local(at, "%Y-%m-%d a las %H:%M"),
        "long_day": lambda at: long_day(at.astimezone(timezone)),
    }


def seconds(number: float) -> str:
    """``4,2 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if number < 60:
        return f"{number:.1f} s".replace(".", ",")
    minutes, rest = divmod(round(number), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def long_day(day: datetime) -> str:
    """``martes, 27 de enero de 2026``."""
    return f"{_DAYS[day.weekday()]}, {day.day} de {_MONTHS[day.month - 1]} de {day.year}"
