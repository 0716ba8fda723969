"""What was measured, as rows of a table that a person can paste."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.process import machine
from bench.testbed import ROOT, Difference

RESULTS = ROOT / "bench" / "RESULTS.md"
DOCS = ROOT / "docs"


@dataclass(frozen=True, slots=True)
class Figure:
    """A row: what, what came out, what was to be reached, and whether it was (None: there is no target)."""

    what: str
    measured: str
    target: str = ""
    reached: bool | None = None

    @property
    def row(self) -> str:
        """As Markdown."""
        mark = "" if self.reached is None else "yes" if self.reached else "**no**"
        return f"| {self.what} | {self.measured} | {self.target} | {mark} |"


def spread(values: Sequence[float], unit: str = "s", digits: int = 2) -> str:
    """The median and, in brackets, the least and the most."""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} {unit} ({least:.{digits}f}–{most:.{digits}f})"


def truthful(what: str, differences: Sequence[Difference]) -> Figure:
    """The row about whether the tables were right after every run."""
    rows, lost, doubled, off = (sum(column) for column in zip(*differences, strict=True))
    text = f"of {rows:,} rows in {len(differences)} runs {lost} lost, {doubled} doubled; aforo off by {off}"
    return Figure(what, text, "0, 0, 0", all(one.exact for one in differences))


def table(figures: Sequence[Figure]) -> str:
    """All rows with their head."""
    head = "| what | measured: median (least–most) | to reach | reached |\n|---|---|---|---|\n"
    return head + "\n".join(figure.row for figure in figures) + "\n"


_SECTION = "\n## "


def write_section(title: str, text: str, path: Path = RESULTS) -> None:
    """Write a section below the table, or anew where there is one of that title."""
    head, *sections = path.read_text(encoding="utf-8").split(_SECTION)
    others = [section for section in sections if not section.startswith(f"{title}\n")]
    path.write_text(_SECTION.join([head, *others, f"{title}\n\n{text}"]), encoding="utf-8")


def write(figures: Sequence[Figure], day: str, path: Path = RESULTS) -> None:
    """Write the page, and leave its sections. Figures of one run on one machine: only the ratios travel."""
    text = (
        "# What was measured\n\n"
        f"Written by `python -m bench` on {day}: {machine()}. The simulator ran in a process of its own on the same"
        " machine, with 20 ms of latency per request unless a row says otherwise. How each row is made: README.md.\n\n"
    )
    plots = "".join(f"\n![{name}](../docs/{name})\n" for name in sorted(path.name for path in DOCS.glob("bench-*.png")))
    sections = path.read_text(encoding="utf-8").split(_SECTION)[1:] if path.exists() else []
    path.write_text(_SECTION.join([text + table(figures) + plots, *sections]), encoding="utf-8")
