"""The log of a poll cycle: what it says adds up, and each step can be followed."""

import logging
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.ingestion.memory import START, at, ingestion

from aforo.ingestion.cycle_stats import CycleStats, total
from aforo.models import Batch, CameraEvent, CommitResult, Exclusion, ExclusionReason, Occupancy

LINE = re.compile(
    r"(\d+) recibidos, (\d+) guardados, (\d+) ya estaban, (\d+) rechazados(?: \([^)]*\))?(?:, (\d+) por guardar)?"
    r"(?:; de vueltas anteriores, (\d+) guardados y (\d+) ya estaban)?$"
)


def event(number: int, camera: str = "A") -> CameraEvent:
    return CameraEvent("srv", str(number), START + timedelta(seconds=number), camera, "ENTRA", "", "")


def parts(stats: object) -> list[int]:
    """The line's numbers; its own cycle's add up."""
    found = LINE.fullmatch(str(stats))
    assert found is not None, str(stats)
    received, *others, earlier_new, earlier_already = [int(number or 0) for number in found.groups()]
    assert received == sum(others), str(stats)
    return [received, *others, earlier_new, earlier_already]


def test_what_an_earlier_cycle_read_is_kept_apart() -> None:
    stats = CycleStats()
    stats.page_read(Batch([event(number) for number in range(5)]))
    assert parts(stats.take()["A"]) == [5, 0, 0, 0, 5, 0, 0]
    stats.page_read(Batch([event(number) for number in range(3, 8)], excluded=[Exclusion("A", "sin regla", 1)]))
    joined = Batch([event(number) for number in (0, 1, 2, 3, 4, 3, 4, 5, 6, 7)])
    stats.committed(joined, CommitResult([event(number) for number in (0, 2, 3, 4, 5, 6, 7)], 3, {}))
    assert parts(stats.take()["A"]) == [6, 3, 2, 1, 0, 4, 1]


@st.composite
def _steps(draw: st.DrawFn) -> list[tuple[str, list[int]]]:
    kinds = st.sampled_from(["read", "commit", "take"])
    numbers = st.lists(st.integers(0, 20), max_size=6)
    return draw(st.lists(st.tuples(kinds, numbers), max_size=25))


@given(_steps())
def test_every_line_adds_up_and_all_lines_together_do(steps: list[tuple[str, list[int]]]) -> None:
    stats, queue, stored, lines = CycleStats(), list[Batch](), set[int](), list[list[int]]()

    def commit(batches: list[Batch]) -> None:
        joined = Batch([one for batch in batches for one in batch.events])
        numbers = dict.fromkeys(int(one.this_id) for one in joined.events)
        new = [number for number in numbers if number not in stored]
        stored.update(new)
        stats.committed(joined, CommitResult([event(number, "AB"[number % 2]) for number in new],
                                             len(joined.events) - len(new), {}))  # fmt: skip

    for kind, numbers in [*steps, ("commit", [len(steps)]), ("take", [])]:
        if kind == "read":
            excluded = [Exclusion("A", ExclusionReason.NO_RULE, number) for number in numbers[::3]]
            batch = Batch([event(number, "AB"[number % 2]) for number in numbers], excluded=excluded)
            stats.page_read(batch)
            queue.append(batch)
        elif kind == "commit":
            taken = len(queue) if numbers and numbers[0] > 5 else 1
            commit(queue[:taken])
            del queue[:taken]
        else:
            cameras = stats.take()
            for one in cameras.values():
                parts(one)
            lines.append(parts(total(cameras)))
    commit(queue)
    lines.append(parts(total(stats.take())))
    received, new, already, rejected, _, earlier_new, earlier_already = map(sum, zip(*lines, strict=True))
    assert received == new + already + rejected + earlier_new + earlier_already
    assert new + earlier_new == len(stored)


async def test_what_a_replaced_database_drops_does_not_wait_for_ever(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aforo.ingestion.cycle_log")
    async with ingestion(tmp_path, starts=at(5)) as running:
        record = await running.record()
        log = running.context.logs.begin(record)
        read = [event(number) for number in range(5)]
        running.context.page_read(record, Batch(read[:2]))
        log.write(at(5), set())
        running.context.page_read(record, Batch(read))
        running.database.generation += 1
        running.context.page_read(record, Batch(read))
        log.dropped()
        running.context.page_read(replace(record, generation=1), Batch(read))
        log.committed(Batch(read), CommitResult(read, 0, {}))
        log.write(at(6), set())
    turns = [line for line in caplog.messages if line.startswith("Vuelta")]
    assert [line.partition(": ")[2] for line in turns] == [
        "2 recibidos, 0 guardados, 0 ya estaban, 0 rechazados, 2 por guardar.",
        "5 recibidos, 5 guardados, 0 ya estaban, 0 rechazados.",
    ]


async def test_with_detail_each_insertion_and_each_change_of_a_zone_has_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aforo.ingestion.cycle_log")
    async with ingestion(tmp_path, starts=at(5)) as running:
        record = await running.record()
        log = running.context.logs.begin(record)
        log.open_record({"Norte": Occupancy("Norte", 0, 0, 0, 0)})
        await running.context.site.refresh()
        new = [event(1), CameraEvent("srv", "2", at(1), "B", "SALE", "Zona 1", "OBJECT_EXIT")]
        log.committed(Batch(new), CommitResult(new, 0, {"Norte": Occupancy("Norte", 1, 0, 3, 0)}))
        log.committed(Batch(new), CommitResult([], 2, {"Norte": Occupancy("Norte", 1, 0, 3, 0)}))
        log.recounted({"Norte": Occupancy("Norte", 1, 1, 2, 0)})
    assert caplog.messages == [
        "Guardado: «ENTRA» a las 2026-01-27 16:00:01.000, cámara «Puerta A» (A): Norte +1.",
        "Guardado: «SALE» (OBJECT_EXIT, Zona 1) a las 2026-01-27 16:01:00.000, cámara «Puerta B» (B): Norte -1.",
        "Cambia el aforo de Norte: de 0 a 3.",
        "Cambia el aforo de Norte: de 3 a 2.",
    ]
