"""Setting up the log: levels, destinations, and the loggers as before at the end."""

import logging
from pathlib import Path

import pytest
from tests.unit.logging_setup.log_files import logged, messages

ours = logging.getLogger("aforo.test")


def test_our_lines_from_the_level_on_and_the_libraries_warnings(path: Path) -> None:
    library = logging.getLogger("sqlalchemy.engine")
    with logged(path, level="WARNING"):
        ours.info("no")
        ours.warning("sí")
        library.info("no")
        library.warning("también")
    assert messages(path) == ["sí", "también"]


def test_all_is_as_before_at_the_end(path: Path) -> None:
    root = logging.getLogger()
    before = list(root.handlers), root.level, logging.getLogger("aforo").level
    with pytest.raises(KeyError), logged(path):
        raise KeyError
    assert (list(root.handlers), root.level, logging.getLogger("aforo").level) == before


def test_arguments_are_written_as_they_were_when_logged(path: Path) -> None:
    counts = {"a": 1}
    with logged(path):
        ours.info("%s", counts)
        counts["a"] = 2
    assert messages(path) == ["{'a': 1}"]


def test_only_the_console(tmp_path: Path) -> None:
    with logged(None) as console:
        ours.info("hola")
    assert console.getvalue().endswith("hola\n")
    assert list(tmp_path.iterdir()) == []


def test_a_closed_console_stops_nothing(path: Path) -> None:
    with logged(path) as console:
        console.close()
        ours.info("uno")
        ours.info("dos")
    assert messages(path) == ["uno", "dos"]
