"""No name costs a line of the log, a command, a page, a message or an event report: every renderer, all of Unicode."""

import csv
import io
import json
import logging
import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.unit.any_names import HOSTILE, NAMES

from aforo.alerting.engine import AlertTransition
from aforo.alerting.webhook import BODIES
from aforo.cli.check.results import Printer, to_document, warning
from aforo.cli.console import Output
from aforo.cli.tui import LastRecords, View
from aforo.logging_setup.formatters import JsonFormatter, TextFormatter
from aforo.models import Alert, AlertKind, Occupancy, Reservation, ReservationKind, ScheduledEvent, Window
from aforo.outside_text import visible
from aforo.redaction import Mask
from aforo.reporting.data import (
    CameraFigures,
    CorrectionFigures,
    DoorFigures,
    EventReport,
    Flow,
    Incident,
    Lateness,
    ZoneFigures,
)
from aforo.reporting.page import html
from aforo.reporting.writers import document, file_name, table, write

BOGOTA = ZoneInfo("America/Bogota")
START = datetime(2026, 1, 27, 21, tzinfo=UTC)
ANY_TEXT = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=()))
SGR = re.compile(r"\x1b\[[0-9;]*m")  # what rich itself writes


def hostile_examples(test: Any) -> Any:
    for name in HOSTILE:
        test = example(name)(test)
    return test


def is_shown(text: str) -> bool:
    """Whether every character is seen and acts on nothing; blanks of any width are."""
    return all(visible(one) == one or unicodedata.category(one) == "Zs" for one in text)


def record(text: str) -> logging.LogRecord:
    error = ValueError(text)
    fields = {"msg": "Cámara «%s».", "args": (text,), "exc_info": (ValueError, error, None)}
    return logging.makeLogRecord({"name": "aforo", "levelname": "INFO", **fields})


@hostile_examples
@given(ANY_TEXT)
def test_a_log_line_is_one_line(text: str) -> None:
    written = TextFormatter(BOGOTA, Mask()).format(record(text))
    lines = written.split("\n")
    assert lines[0].endswith(f"INFO    Cámara «{visible(text)}».")
    assert all(map(is_shown, lines))
    assert not [line for line in lines[1:] if line[:1].isdigit()], "no line of a traceback looks like one of the log"
    written.encode()


@hostile_examples
@given(ANY_TEXT)
def test_a_log_object_holds_the_text_as_it_is_and_shows_nothing_that_acts(text: str) -> None:
    written = JsonFormatter(BOGOTA, Mask()).format(record(text))
    assert json.loads(written)["message"] == f"Cámara «{text}»."
    assert is_shown(written)
    written.encode()


@hostile_examples
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ANY_TEXT)
def test_a_command_writes_one_line(capsys: pytest.CaptureFixture[str], text: str) -> None:
    Output().lines([text, "next"])
    Output().notes(text)
    Output().document({"name": text})
    out, err = capsys.readouterr()
    first, second, *rest = out.removesuffix("\n").split("\n")
    assert (first, second, err) == (visible(text), "next", f"{visible(text)}\n")
    assert json.loads("\n".join(rest)) == {"name": text}
    assert all(map(is_shown, rest))


@hostile_examples
@given(ANY_TEXT.filter(bool))
def test_a_checkup_line_is_one_line(text: str) -> None:
    out = io.StringIO()
    lines = [warning("acc.camera", f"Cámara «{text}».", text, [text])]
    Printer(Console(file=out, width=80), Output()).write(lines)
    printed = out.getvalue().removesuffix("\n").split("\n")
    assert printed[1:] == [
        "Servidor de cámaras",
        f"  ! aviso      Cámara «{visible(text)}».",
        f"               → {visible(text)}",
        f"                 {visible(text)}",
    ]
    assert to_document(lines)["lines"][0]["details"] == [text]


class State:
    def __init__(self, name: str) -> None:
        self.event = ScheduledEvent(date(2026, 1, 27), name, Window(START, START + timedelta(hours=2)))
        self.phase = name
        self.occupancies = {name: Occupancy(name, 3, 2, 1, 0)}
        self.total_occupancies = {f"{number} {name}": Occupancy(f"{number} {name}", 3, 2, 1, 0) for number in range(4)}
        self.curves = {name: [(START, 1)]}
        self.intervals = {name: (0, 4)}
        self.stored, self.repeated = 5, 1


@hostile_examples
@given(NAMES)
def test_the_terminal_view_draws_any_name(name: str) -> None:
    out = io.StringIO()
    last = LastRecords()
    last.emit(logging.makeLogRecord({"msg": "%s", "args": (name,)}))
    console = Console(file=out, force_terminal=True, width=100, height=40)
    console.print(View(State(name), START, BOGOTA, [name], last, "http://127.0.0.1/"))
    assert is_shown(SGR.sub("", out.getvalue()).replace("\n", ""))


def report_of(name: str) -> EventReport:
    flow = Flow(START, 3, 2, 1)
    zone = ZoneFigures(name, name, 10, 0, 3, 2, 0, 1, 1, 3, START, [(START, 1)], [flow])
    door = DoorFigures(name, 3, 2, 1, START, [flow])
    incident = Incident("acc_away", name, START, START + timedelta(minutes=3), name, 2)
    return EventReport(
        name=name, day=date(2026, 1, 27), since=START, until=START + timedelta(hours=2), timezone="America/Bogota",
        made_at=START, version="1", database=name, compared_at=START, complete=True, rules_changed=False,
        zones=[zone], doors=[door], cameras=[CameraFigures(name, name, 3, 3, name)], history_acc=3, history_stored=3,
        refused={name: 1},
        reservations=[Reservation(ReservationKind.SILENT_CAMERA, name, name)], lateness=Lateness(),
        corrections=[CorrectionFigures(START, name, 1, name, name, False)],
        incidents=[incident], alerts=[incident],
    )  # fmt: skip


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


PLAIN_TAGS = Tags(html(report_of("Final"))).tags


@pytest.mark.parametrize("name", HOSTILE)
def test_the_event_report_of_a_hostile_name(name: str, tmp_path: Path) -> None:
    check_report(name, tmp_path)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES)
def test_the_event_report_of_any_name(name: str, tmp_path: Path) -> None:
    check_report(name, tmp_path)


def check_report(name: str, folder: Path) -> None:
    page = write(report_of(name), folder, suffix="-2")
    text = page.read_text(encoding="utf-8")
    tags = Tags(text)
    assert tags.tags == PLAIN_TAGS, "a name is text, and costs no chart"
    assert is_shown(text.replace("\n", ""))
    assert tags.text.count(visible(name)[:30]) >= 10 or len(visible(name)) < 5
    figures = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert figures["name"] == figures["doors"][0]["name"] == name
    assert page.with_suffix(".csv").exists()


@hostile_examples
@given(NAMES)
def test_a_cell_is_one_cell_and_no_formula(name: str) -> None:
    rows = list(csv.reader(io.StringIO(table(report_of(name)).removeprefix("\ufeff")), delimiter=";"))
    assert len(rows) == 2
    assert all(len(row) == 10 for row in rows)
    for cell in (rows[1][2], rows[1][3]):
        assert cell.removeprefix("'") == visible(name).removeprefix("'")
        assert cell.lstrip()[:1] not in {*"=+-@", *"＝＋－＠"}
        assert is_shown(cell)


@hostile_examples
@given(NAMES)
def test_json_of_the_report_holds_the_name_as_it_is(name: str) -> None:
    written = document(report_of(name))
    assert json.loads(written)["zones"][0]["name"] == name
    assert is_shown(written.replace("\n", ""))


@hostile_examples
@given(NAMES)
def test_a_file_name_fits_every_disk(name: str) -> None:
    made = file_name("2026-01-27", name)
    assert re.fullmatch(r"2026-01-27-[\w.-]+", made)
    assert len(f".{made}-99.html.abcdefgh".encode()) <= 143
    assert not made.endswith((".", " "))


@hostile_examples
@given(NAMES)
def test_a_message_of_each_shape_shows_the_name_and_nothing_that_acts(name: str) -> None:
    alert = Alert("id", AlertKind.ZONE_FULL, name, f"{name} está llena.", START)
    made = (BODIES[shape](AlertTransition(alert), name) for shape in ("json", "teams", "slack"))
    plain, teams, slack = (json.loads(json.dumps(body)) for body in made)
    assert (plain["subject"], plain["event"], plain["text"]) == (name, name, alert.text)
    blocks = [block["text"] for block in teams["attachments"][0]["content"]["body"]]
    assert all("](" not in block and "][" not in block and is_shown(block) for block in blocks)
    assert is_shown(slack["text"])
    assert not re.search("[<>]", slack["text"])
