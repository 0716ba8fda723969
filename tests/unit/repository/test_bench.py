"""What the bench reports must follow from what it measured."""

import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import crowds, estimate, testbed
from bench.__main__ import parts
from bench.results import Figure, spread, table, truthful, write, write_section
from bench.testbed import EVENT, ROOT, Difference


def test_a_missed_target_is_marked() -> None:
    text = table([Figure("a", "3 s", "≤ 2 s", reached=False), Figure("b", "1 s", "≤ 2 s", reached=True)])
    assert "| a | 3 s | ≤ 2 s | **no** |" in text
    assert "| b | 1 s | ≤ 2 s | yes |" in text


def test_one_row_lost_in_one_run_is_a_missed_target() -> None:
    figure = truthful("tables", [Difference(10, 0, 0, 0), Difference(10, 1, 0, 0)])
    assert not figure.reached
    assert "of 20 rows in 2 runs 1 lost" in figure.measured


def test_the_spread_is_median_least_and_most() -> None:
    assert spread([3.0, 1.0, 2.0]) == "2.00 s (1.00–3.00)"


def test_every_figure_stands_in_the_readme() -> None:
    readme = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
    assert [name for name in parts(1, disk=False) if f"python -m bench {name}" not in readme] == []


class KnownTruth(testbed.Testbed):
    """A testbed whose truth is known without a simulator."""

    def truth(self, until: datetime | None = None, *, rows: bool = True) -> dict[str, Any]:
        row = ["PUERTA 1", "", "OBJECT_COUNTING_ENTER", "CAM1", "2026-01-17T16:00:01.250"]
        return {"history": [row, [*row[:3], "CAM2", row[4]]], "zones": {"Zona Sur": {"aforo": 5}}}


def test_what_is_lost_doubled_and_miscounted_is_found(tmp_path: Path) -> None:
    row = ("PUERTA 1", "", "OBJECT_COUNTING_ENTER", "CAM1", "2026-01-17 16:00:01.250", EVENT)
    with closing(sqlite3.connect(tmp_path / "aforo.db")) as database, database:
        database.execute(
            'CREATE TABLE "eventos_Analisis"'
            ' ("analyticEventName", "area", "activity", "cameraId", "timestamp", "nombre_evento")'
        )
        database.executemany('INSERT INTO "eventos_Analisis" VALUES (?, ?, ?, ?, ?, ?)', [row, row])
        database.execute('CREATE TABLE "Aforo_parqueadero_SUR" (evento, aforo)')
        database.execute('INSERT INTO "Aforo_parqueadero_SUR" VALUES (?, 3)', (EVENT,))
    since = datetime(2026, 1, 17, 21, tzinfo=UTC)
    simulated = KnownTruth(tmp_path, since, since + timedelta(hours=1), {})
    assert simulated.difference() == Difference(rows=2, lost=1, doubled=1, aforo_off=2)


def test_a_section_is_written_anew_and_outlives_the_table(tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    write([Figure("a", "1 s")], "2026-11-28", page)
    write_section("One", "first\n", page)
    write_section("Two", "second\n", page)
    write_section("One", "third\n", page)
    write([Figure("b", "2 s")], "2026-11-29", page)
    text = page.read_text(encoding="utf-8")
    assert "| b | 2 s |" in text
    assert "| a |" not in text
    assert text.index("## Two\n\nsecond\n") < text.index("## One\n\nthird\n")
    assert "first" not in text


def test_a_simulated_event_is_what_its_cameras_saw_and_what_operators_know() -> None:
    chance = random.Random(5)
    for _ in range(12):
        event = crowds.event(crowds.venue(chance), chance)
        for number, counted in enumerate(event.crowd.counted):
            dark = {minute for since, until in event.blind[number] for minute in range(since, until)}
            seen = [0 if minute in dark else count for minute, count in enumerate(counted.entries)]
            assert event.entries[number] == tuple(seen)
        by_hand = crowds.manual_count(event, chance)
        assert abs(by_hand.value - event.crowd.inside(by_hand.minute)) < 5 * by_hand.sd
        assert event.count(0) == event.initial


def test_an_interval_is_judged_by_the_truth() -> None:
    traits, judged = estimate.judge(3, seed=1, past_events=2)
    assert [one.event for one in judged] == [3] * len(judged)
    assert max(one.truth for one in judged) <= traits.peak
    one = judged[5]._replace(event=0, truth=100, intervals=((90, 100), (101, 110), (50, 99), (0, 1_000)))
    rows = [line.split("|") for line in estimate.report([traits], [one]).splitlines()[2:6]]
    assert [row[2].split()[0] for row in rows] == ["100.0", "0.0", "0.0", "100.0"]
    assert ["**no**" in row[3] for row in rows] == [False, False, True, False]
