"""The whole program on the databases of AFORO_TEST_MSSQL_URL: killed, every fault on, the server restarted under it."""

import os
import random
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
from tests.contract.storage.databases import DatabaseUnderTest
from tests.e2e.harness import EVENT, MINUTES, PEOPLE, TABLES, Stadium, count_of, stadium
from tests.e2e.test_killed import FAST, LATE, end, kill_after

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not os.environ.get("AFORO_TEST_MSSQL_URL"), reason="AFORO_TEST_MSSQL_URL names no server"),
]


class _OnServer(Stadium):
    """The same event, with its tables on a server."""

    tables: DatabaseUnderTest

    @property
    def environment(self) -> dict[str, str]:
        return {name: value for name, value in super().environment.items() if not name.startswith("AFORO_TEST_")}

    def history(self) -> Counter[tuple[str, ...]]:
        return Counter(row[:5] for row in self.tables.history())

    def aforos(self) -> dict[str, int]:
        aforos = {zone: self.tables.aforo(table)[EVENT] for zone, table in TABLES.items()}
        return aforos | {PEOPLE: count_of(self.tables.rows(MINUTES, zone=PEOPLE, event=EVENT))}


@contextmanager
def _on_server(url: str, folder: Path, after: timedelta, *options: str) -> Iterator[Stadium]:
    before = timedelta(minutes=3)
    with stadium(folder, before=before, after=after, options=options, **FAST, AFORO_DATABASE__URL=url) as made:
        place = _OnServer(**{field.name: getattr(made, field.name) for field in fields(made)})
        place.tables = DatabaseUnderTest(url)
        place.tables.clear()
        try:
            yield place
        finally:
            place.tables.close()


@pytest.mark.parametrize("number", range(len(os.environ.get("AFORO_TEST_MSSQL_URL", "").split())))
def test_killed_ten_times_with_every_fault_on(tmp_path: Path, number: int) -> None:
    url, chance = os.environ["AFORO_TEST_MSSQL_URL"].split()[number], random.Random(20260308)
    options = ("--cameras", "17", "--events", "6000", "--faults", "all", "--seed", "3")
    with _on_server(url, tmp_path, timedelta(seconds=60), *options) as place:
        place.control("faults", LATE)
        for _ in range(10):
            kill_after(place.start(), chance.uniform(2.0, 5.0))
        output = end(place.start())
        place.check_against_truth()
    assert "diferencia 0" in output


def test_the_server_is_restarted_in_mid_event(tmp_path: Path) -> None:
    command = os.environ.get("AFORO_TEST_MSSQL_RESTART")
    if not command:
        pytest.skip("AFORO_TEST_MSSQL_RESTART names no command")
    url = os.environ["AFORO_TEST_MSSQL_URL"].split()[0]
    with _on_server(url, tmp_path, timedelta(seconds=30), "--cameras", "8", "--events", "4000") as place:
        process = place.start()
        restarts = [threading.Timer(at, subprocess.run, [command], {"shell": True}) for at in (6, 12, 18)]
        for restart in restarts:
            restart.start()
        end(process)
        for restart in restarts:
            restart.join()
        place.check_against_truth()
