"""The whole program as a process whose wall clock is set wrong by libfaketime; the simulator's is right.

CI installs faketime; elsewhere the tests are skipped where its library is missing.
"""

import os
import sqlite3
import subprocess
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.e2e.harness import Stadium, stadium
from tests.e2e.test_killed import FAST, end

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(LIBRARY is None and "CI" not in os.environ, reason="libfaketime is not installed"),
]
OPTIONS = ("--cameras", "8", "--events", "3000", "--seed", "9")


class WallClock:
    """The wall clock of the program's machine: an offset in a file that libfaketime reads at every look at the time."""

    def __init__(self, folder: Path, offset: str = "+0") -> None:
        self._file = folder / "faketime"
        self.set(offset)

    def set(self, offset: str) -> None:
        """Move the clock; the offset is from the right time, as ``+5h``."""
        draft = self._file.with_suffix(".new")
        draft.write_text(offset, encoding="ascii")
        draft.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }


def start(place: Stadium, clock: WallClock) -> subprocess.Popen[str]:
    """Start the program, and return when it has stored something."""
    place.settings.update(clock.environment)
    return place.start()


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"it ended before «{words}»")


def steps(place: Stadium) -> list[tuple[str, int]]:
    """The steps of the act: the sentence, and how many milliseconds each lasted."""
    with closing(sqlite3.connect(place.folder / "aforo.db")) as database:
        query = "SELECT detail, coalesce(ended_ms - began_ms, -1) FROM aforo_journal WHERE kind = 'clock' ORDER BY id"
        return database.execute(query).fetchall()


@pytest.mark.parametrize(("step", "words"), [("+5h", "adelantado 5 h"), ("-1h", "atrasado 1 h")])
def test_a_step_in_mid_event_does_nothing_and_is_logged_once(tmp_path: Path, step: str, words: str) -> None:
    before, after = timedelta(minutes=2), timedelta(seconds=25)
    with stadium(tmp_path, before=before, after=after, options=OPTIONS, **FAST) as place:
        clock = WallClock(tmp_path)
        process = start(place, clock)
        wait_for(process, "Vuelta hasta")
        clock.set(step)
        wait_for(process, "Aviso: El reloj de este equipo")
        clock.set("+0")
        output = end(process)
        place.check_against_truth()
        ((text, lasted),) = steps(place)
    assert words in text
    assert lasted >= 0, "it has an end"
    assert output.count("Fin del aviso: El reloj de este equipo") == 1
    assert "Aviso: El reloj" not in output.replace("Fin del aviso", ""), "once"
    assert "diferencia 0" in output


@pytest.mark.parametrize("offset", ["+2m", "-1d"])  # others on virtual time: tests/flow/test_clocks.py
def test_started_with_a_wrong_clock_it_watches_the_event_that_is_on(tmp_path: Path, offset: str) -> None:
    before, after = timedelta(minutes=2), timedelta(seconds=15)
    with stadium(tmp_path, before=before, after=after, options=OPTIONS, **FAST) as place:
        process = start(place, WallClock(tmp_path, offset))
        wait_for(process, "Aviso: El reloj de este equipo va")
        output = end(process)
        place.check_against_truth()
    assert "diferencia 0" in output


def test_a_wrong_day_that_is_mended_in_mid_event_changes_nothing(tmp_path: Path) -> None:
    before, after = timedelta(minutes=2), timedelta(seconds=25)
    with stadium(tmp_path, before=before, after=after, options=OPTIONS, **FAST) as place:
        clock = WallClock(tmp_path, "-1d")
        process = start(place, clock)
        wait_for(process, "Aviso: El reloj de este equipo va atrasado 24 h")
        clock.set("+0")
        output = end(process)
        place.check_against_truth()
    assert output.count("Fin del aviso: El reloj de este equipo") == 1
    assert "diferencia 0" in output
