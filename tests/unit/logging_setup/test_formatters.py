"""The formats: time, level, message and traceback, as text and as JSON."""

import json
import logging
import re
from pathlib import Path

from tests.unit.logging_setup.log_files import LINE, lines, logged, messages

ours = logging.getLogger("aforo.test")


def test_time_level_and_message_in_file_and_console(path: Path) -> None:
    with logged(path, level="DEBUG") as console:
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
            ours.log(level, "Aforo %s: %d", "Zona Sur", 7)
    assert [match[1] for line in lines(path) if (match := LINE.fullmatch(line))] == [
        "DETALLE",
        "INFO",
        "AVISO",
        "ERROR",
        "GRAVE",
    ]
    assert set(messages(path)) == {"Aforo Zona Sur: 7"}
    assert console.getvalue().splitlines() == lines(path)


def test_the_time_is_the_stadium_s(path: Path) -> None:
    with logged(path):
        logging.getLogger("aforo").handle(
            logging.makeLogRecord({"msg": "x", "created": 1737406803.1234, "levelname": "INFO", "levelno": 20})
        )
    assert lines(path) == ["2025-01-20 16:00:03.123 INFO    x"]


def test_json_for_collectors(path: Path) -> None:
    with logged(path, ("hush-hush",), format="json"):
        ours.warning("ñandú «%s»\n", "hush-hush")
        try:
            int("x")
        except ValueError:
            ours.exception("mal")
    first, second = map(json.loads, lines(path))
    assert (first["level"], first["logger"], first["message"]) == ("WARNING", "aforo.test", "ñandú «***»\n")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}-05:00", first["time"])
    assert second["exception"].startswith("Traceback")
    assert "exception" not in first


def test_a_traceback_stands_below_its_line_and_control_characters_are_written_out(path: Path) -> None:
    with logged(path):
        try:
            int("x")
        except ValueError:
            ours.exception("dos\nlíneas \x1b[31m")
    first, second, *_ = lines(path)
    assert first.endswith("ERROR   dos\\nlíneas \\x1b[31m")
    assert second == "Traceback (most recent call last):"


def test_a_secret_in_a_traceback_is_masked(path: Path) -> None:
    with logged(path, ("hush-hush",)) as console:
        try:
            int("hush-hush")
        except ValueError:
            ours.exception("mal")
    assert "hush-hush" not in path.read_text() + console.getvalue()
    assert "ValueError: invalid literal for int() with base 10: '***'" in lines(path)
