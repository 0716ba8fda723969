"""The event report's charts, as SVG inside the page. matplotlib is imported here only: it takes a second."""

import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
from matplotlib import dates as mdates
from matplotlib.figure import Figure

from aforo.outside_text import visible
from aforo.reporting.data import DoorFigures, EventReport, Flow, ZoneFigures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _SOFT, _GRID = "#1c2733", "#5d6b7a", "#dfe5ea"
_COUNT, _IN, _OUT, _FULL, _OUTAGE = "#1f5f8b", "#1f8a70", "#d1682b", "#b3261e", "#f3d9a4"
_ESTIMATE = "#8fb3cc"
_WIDTH = 7.4  # inches: a page of A4 without its margins
_MINUTE = 1 / 1440  # of a day
_MOST_DOORS = 45  # rows that stay legible on a page
_LONGEST_LABEL = 34  # characters
_STYLE: Any = {  # matplotlib types the keys as literals
    "svg.fonttype": "none",  # text stays text: small, searchable, sharp on paper
    "svg.hashsalt": "aforo",
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.parse_math": False,  # a name may hold dollar signs
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _SOFT,
    "axes.titleweight": "bold",
    "text.color": _INK,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def zone_chart(report: EventReport, zone: ZoneFigures) -> str:
    """Draw the zone's count over the event, with peak, capacity, corrections and outages; below, entries and exits."""

    def draw(figure: Figure) -> None:
        curve, bars = figure.subplots(2, 1, sharex=True, height_ratios=[2.3, 1])
        _curve(curve, report, zone)
        _bars(bars, _by_slot(zone.minutes))
        _clock_axis(bars, report)

    return _svg(draw, 3.5)


def doors_chart(report: EventReport, doors: Sequence[DoorFigures]) -> str:
    """Draw every door as a row, the darker the more crossings in five minutes."""
    shown = list(doors)[:_MOST_DOORS]
    slots = _slots(report)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        table = [[math.nan] * len(slots) for _ in shown]  # no crossing: the paper stays white
        for row, door in enumerate(shown):
            for flow in door.flows:
                if flow.at in slots:
                    table[row][slots[flow.at]] = (flow.entries + flow.exits + flow.others) or math.nan
        edges = [*map(_days, slots), _days(max(slots) + timedelta(minutes=5))]
        most = _usual_most([value for row in table for value in row if value > 0])
        mesh = axes.pcolormesh(edges, range(len(shown) + 1), table, cmap="YlGnBu", vmin=0, vmax=most)
        axes.set_yticks([row + 0.5 for row in range(len(shown))], [_short(door.name) for door in shown])
        axes.invert_yaxis()
        axes.tick_params(length=0)
        figure.colorbar(mesh, ax=axes, label="pasos en 5 minutos", extend="max", pad=0.015, fraction=0.03)
        _clock_axis(axes, report)

    return _svg(draw, 1.1 + 0.2 * len(shown))


def _usual_most(values: Sequence[float]) -> float:
    """Return what only one slot in a hundred exceeds: a single burst must not make the rest of the event pale."""
    return sorted(values)[int(len(values) * 0.99)] if values else 1.0


def _curve(axes: "Axes", report: EventReport, zone: ZoneFigures) -> None:
    instants = [_days(report.since), *(_days(at) + _MINUTE for at, _ in zone.curve), _days(report.until)]
    counts = [zone.initial, *(count for _, count in zone.curve)]
    counts.append(counts[-1])
    for incident in report.incidents:
        axes.axvspan(*_inside(report, incident.began, incident.ended or report.until), color=_OUTAGE, alpha=0.6, lw=0)
    if zone.estimate is not None and len(zone.estimate.band) > 1:
        band = zone.estimate.band
        bounds = [one.low for one in band], [one.high for one in band]
        axes.fill_between([_days(one.at) for one in band], *bounds, color=_ESTIMATE, alpha=0.35, lw=0)
    axes.fill_between(instants, counts, step="post", color=_COUNT, alpha=0.14, lw=0)
    axes.step(instants, counts, where="post", color=_COUNT, lw=1.4)
    if zone.capacity:
        axes.axhline(zone.capacity, color=_FULL, lw=1, ls=(0, (5, 3)))
        axes.annotate(f"cupo {zone.capacity}", (_days(report.until), zone.capacity), (0, 3), textcoords="offset points",
                      ha="right", color=_FULL)  # fmt: skip
    if zone.peak_at is not None:
        at = _days(zone.peak_at) + _MINUTE
        axes.plot([at], [zone.peak], "o", color=_COUNT, ms=4)
        axes.annotate(f"máximo {zone.peak}", (at, zone.peak), (-5, 3), textcoords="offset points",
                      ha="right", color=_COUNT, weight="bold")  # fmt: skip
    for correction in report.corrections:
        if correction.zone == zone.name:
            axes.axvline(_days(correction.at), color=_OUT, lw=1, ls=":")
            place = (_days(correction.at), 1)
            axes.annotate(f"{correction.delta:+d}", place, (2, -9), xycoords=("data", "axes fraction"),
                          textcoords="offset points", color=_OUT)  # fmt: skip
    highest = zone.estimate.peak.high if zone.estimate is not None else 0
    axes.set_ylim(0, max(zone.peak, zone.capacity, highest, 1) * 1.15)
    axes.locator_params(axis="y", integer=True)
    axes.set_ylabel("aforo")
    axes.grid(axis="y", color=_GRID, lw=0.6)


def _bars(axes: "Axes", flows: Sequence[Flow]) -> None:
    width = 4.4 * _MINUTE
    instants = [_days(flow.at) for flow in flows]
    axes.bar(instants, [flow.entries for flow in flows], width, align="edge", color=_IN, label="entradas")
    axes.bar(instants, [-flow.exits for flow in flows], width, align="edge", color=_OUT, label="salidas")
    axes.axhline(0, color=_SOFT, lw=0.6)
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.locator_params(axis="y", integer=True)
    axes.set_ylabel("cada 5 min")
    axes.grid(axis="y", color=_GRID, lw=0.6)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.02), frameon=False, ncols=2, fontsize=7.5, borderaxespad=0,
                handlelength=1)  # fmt: skip  # above: a bar may reach the top wherever it stands


def _clock_axis(axes: "Axes", report: EventReport) -> None:
    timezone = ZoneInfo(report.timezone)
    axes.set_xlim(_days(report.since), _days(report.until))
    locator = mdates.AutoDateLocator(tz=timezone, minticks=5, maxticks=12)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M", tz=timezone))  # type: ignore[no-untyped-call]


def _by_slot(minutes: Sequence[Flow]) -> list[Flow]:
    found: dict[datetime, Flow] = {}
    for flow in minutes:
        at = _slot(flow.at)
        known = found.get(at, Flow(at))
        found[at] = Flow(at, known.entries + flow.entries, known.exits + flow.exits)
    return list(found.values())


def _slots(report: EventReport) -> dict[datetime, int]:
    """Return the place of each five minutes of the event."""
    first = _slot(report.since)
    found: dict[datetime, int] = {}
    while first < report.until:
        found[first] = len(found)
        first += timedelta(minutes=5)
    return found


def _slot(at: datetime) -> datetime:
    return at - timedelta(minutes=at.minute % 5, seconds=at.second, microseconds=at.microsecond)


def _inside(report: EventReport, began: datetime, ended: datetime) -> tuple[float, float]:
    since, until = max(began, report.since), min(max(ended, began), report.until)
    return _days(since), _days(max(until, since + timedelta(seconds=30)))


def _days(at: datetime) -> float:
    """Return an instant as matplotlib counts time: days since 1970."""
    return at.timestamp() / 86_400


def _short(name: str) -> str:
    shown = visible(name)
    return shown if len(shown) <= _LONGEST_LABEL else f"{shown[: _LONGEST_LABEL - 1]}…"


def _svg(draw: Callable[[Figure], None], height: float) -> str:
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has the fonts: text stays text
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        draw(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _embedded(out.getvalue())


def _embedded(svg: str) -> str:
    """Return the SVG without its metadata and size, in the page's font: it is as wide as its place in the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return svg.replace("'DejaVu Sans'", "inherit")
