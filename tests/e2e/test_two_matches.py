"""Matches in a row, as processes: the next one is watched while the last one is closed beside it."""

import json
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.e2e.harness import BOGOTA, TABLES, Stadium, stadium
from tests.e2e.test_killed import FAST, kill_after

pytestmark = pytest.mark.e2e

OPTIONS = ("--cameras", "17", "--events", "6000", "--seed", "11")
BREAK = timedelta(seconds=2)  # between the end of a match and the start of the next


@dataclass(frozen=True)
class Match:
    """One event of the schedule, aware UTC."""

    name: str
    since: datetime
    until: datetime


@dataclass
class MatchDay:
    """Matches in a row at a simulated stadium."""

    place: Stadium
    matches: list[Match]

    def await_rows(self, match: Match, until: datetime) -> Counter[tuple[str, ...]]:
        """The rows of a match once there are some; a busy machine may take a while to make the tables."""
        while datetime.now(UTC) < until:
            with closing(self.place.database()) as database:
                made = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'eventos_Analisis'").fetchone()
            if made and (rows := self.rows(match)):
                return rows
            time.sleep(0.2)
        raise AssertionError(f"nothing of {match.name} by {until}")

    def rows(self, match: Match) -> Counter[tuple[str, ...]]:
        columns = '"analyticEventName", "area", "activity", "cameraId", "timestamp"'
        query = f'SELECT {columns} FROM "eventos_Analisis" WHERE nombre_evento = ?'
        with closing(self.place.database()) as database:
            return Counter(database.execute(query, (match.name,)).fetchall())

    def is_closed(self, match: Match) -> bool:
        query = "SELECT closed_ms IS NOT NULL FROM aforo_shows WHERE name = ?"
        with closing(self.place.database()) as database:
            return bool(database.execute(query, (match.name,)).fetchone()[0])

    def check(self) -> None:
        """Of each match: 0 lost, 0 doubled, the right zones."""
        for match in self.matches:
            window = "&".join(
                f"{key}={instant.astimezone(UTC).isoformat().replace('+00:00', 'Z')}"
                for key, instant in (("since", match.since), ("until", match.until))
            )
            truth = self.place.control(f"truth?rows=1&{window}")
            wanted = Counter(
                (*row[:4], datetime.fromisoformat(row[4]).isoformat(" ", "milliseconds")) for row in truth["history"]
            )
            stored = self.rows(match)
            assert wanted
            assert wanted - stored == Counter(), f"lost of {match.name}"
            assert stored - wanted == Counter(), f"doubled of {match.name}"
            with closing(self.place.database()) as database:
                for zone, table in TABLES.items():
                    query = f'SELECT aforo FROM "{table}" WHERE evento = ?'
                    (aforo,) = database.execute(query, (match.name,)).fetchone()
                    assert aforo == truth["zones"][zone]["aforo"], (match.name, zone)


@pytest.fixture
def match_day(tmp_path: Path) -> Iterator[MatchDay]:
    """Three matches: one that ends in 8 s, one of 20 s from 2 s later on, and one that begins when that one ends."""
    before, after = timedelta(minutes=2), timedelta(seconds=75)  # longer than all three: the simulator may start slowly
    with stadium(tmp_path, before=before, after=after, options=OPTIONS, **FAST) as place:
        half = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=8)
        last = half + BREAK + timedelta(seconds=20)
        matches = [
            Match("Primero", place.since, half),
            Match("Segundo", half + BREAK, last),
            Match("Tercero", last, last + timedelta(seconds=15)),
        ]
        document: dict[str, list[dict[str, str]]] = {}
        for match in matches:
            begins, ends = match.since.astimezone(BOGOTA), match.until.astimezone(BOGOTA)
            entry = {"nombre": match.name, "hora_inicio": f"{begins:%H:%M:%S}", "hora_fin": f"{ends:%H:%M:%S}"}
            document.setdefault(str(begins.date()), []).append(entry)
        (tmp_path / "eventos_programados.json").write_text(json.dumps(document), encoding="utf-8")
        yield MatchDay(place, matches)


def fail_a_camera(match_day: MatchDay, *, until: datetime) -> None:
    """One camera fails from now on until then."""
    fault = {"cameras": [match_day.place.site["cameras"][0]], "until": until.isoformat()}
    match_day.place.control("faults", {"set": {"camera_500": fault}})


def end(process: subprocess.Popen[str]) -> str:
    """The program's own end; a camera may have sent nothing in a match that is so short."""
    _, output = process.communicate(timeout=120)
    assert process.returncode in {0, 6}, output[-3000:]
    assert "Traceback" not in output
    return output


def wait_until(instant: datetime) -> None:
    time.sleep(max(0.0, (instant - datetime.now(UTC)).total_seconds()))


def test_the_second_match_is_seen_from_its_first_seconds_while_the_first_is_closed(match_day: MatchDay) -> None:
    first, second, _ = match_day.matches
    answers = second.since + timedelta(seconds=15)
    fail_a_camera(match_day, until=answers)
    process = match_day.place.start()
    wait_until(second.since + timedelta(seconds=7))
    rows = match_day.await_rows(second, answers - timedelta(seconds=3))
    earliest = min(datetime.fromisoformat(row[4]).replace(tzinfo=BOGOTA) for row in rows)
    assert earliest - second.since < timedelta(seconds=3)
    assert not match_day.is_closed(first), "one of its cameras does not answer"
    output = end(process)
    match_day.check()
    assert all(match_day.is_closed(match) for match in match_day.matches)
    assert "«Segundo»: Vuelta hasta" in output
    for match in match_day.matches:
        assert f"Cierre de «{match.name}»: ACC tiene" in output


def test_killed_while_matches_are_watched_and_closed_beside_each_other(match_day: MatchDay) -> None:
    chance = random.Random(20261128)
    _, _, third = match_day.matches
    fail_a_camera(match_day, until=third.since + timedelta(seconds=8))
    kills = 0
    while datetime.now(UTC) < third.since + timedelta(seconds=6):
        kill_after(match_day.place.start(), chance.uniform(1.5, 4.0))
        kills += 1
    assert kills >= 8
    end(match_day.place.start())
    match_day.check()
    assert all(match_day.is_closed(match) for match in match_day.matches)


def test_a_stop_ends_the_watch_and_the_close_and_the_next_start_goes_on_with_both(match_day: MatchDay) -> None:
    first, second, _ = match_day.matches
    fail_a_camera(match_day, until=second.since + timedelta(seconds=25))
    process = match_day.place.start()
    wait_until(second.since + timedelta(seconds=8))
    assert not match_day.is_closed(first)
    process.terminate()
    stopped = time.monotonic()
    end(process)
    assert time.monotonic() - stopped < 10
    end(match_day.place.start())
    match_day.check()


def test_a_backfill_in_another_process_beside_the_close_and_the_watch(match_day: MatchDay) -> None:
    """It closes the first match a second time, while the service closes it and watches the next one."""
    first, second, _ = match_day.matches
    fail_a_camera(match_day, until=second.since + timedelta(seconds=6))
    process = match_day.place.start()
    wait_until(second.since + timedelta(seconds=3))
    schedule = json.loads((match_day.place.folder / "eventos_programados.json").read_text(encoding="utf-8"))
    day = str(first.since.astimezone(BOGOTA).date())
    past = match_day.place.folder / "pasado.json"
    past.write_text(json.dumps({day: schedule[day][:1]}), encoding="utf-8")
    match_day.place.settings["AFORO_MONITOR__SCHEDULE_FILE"] = str(past)
    backfill = match_day.place.start("backfill", day)
    _, output = backfill.communicate(timeout=90)
    assert backfill.returncode in {0, 5, 6}, output[-3000:]
    end(process)
    match_day.check()
