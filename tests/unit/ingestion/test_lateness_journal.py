"""What was measured of lateness before a restart; what cannot be read of it costs nothing else."""

import json
import logging
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from aforo.ingestion.context import RunContext
from aforo.ingestion.lateness_journal import LatenessJournal
from aforo.models import Feed, FeedLateness
from aforo.storage import EventRecord, JournalEntry, JournalKind

NOW = datetime(2026, 1, 27, 22, tzinfo=UTC)
ROW = {"server": "srv", "camera": "A", "events": 9, "late": {"60": 2}, "worst": [60.0, 75.5], "clock": None}
MEASURED = FeedLateness(Feed("srv", "A"), 9, {60: 2}, (60.0, 75.5), None)


class Entries:
    """A journal that has these details."""

    def __init__(self, *details: str) -> None:
        self.details = details

    async def entries(self, _: EventRecord, kind: str) -> list[JournalEntry]:
        assert kind == JournalKind.LATENESS
        return [
            JournalEntry(number, 1, kind, "", NOW, NOW, detail) for number, detail in enumerate(self.details, start=1)
        ]


async def read(*details: str) -> list[FeedLateness]:
    context = cast(RunContext, SimpleNamespace(database=Entries(*details)))
    return await LatenessJournal(context).read(cast(EventRecord, None))


async def test_what_was_measured_is_read() -> None:
    assert await read(json.dumps([ROW])) == [MEASURED]


@pytest.mark.parametrize(
    "damaged",
    [
        "", "{", "null", "[1]", "[{}]", "\ud800", "[" * 5_000,
        *(json.dumps([ROW | {key: value}]) for key, value in (
            ("late", []), ("late", {"x": 1}), ("worst", [1]), ("worst", ["1", 2]), ("worst", [0, 1e300]),
            ("worst", [-1, 0]), ("clock", "x"), ("clock", -1e300), ("camera", None),
        )),
        json.dumps([ROW]).replace("75.5", "NaN"),
    ],
)  # fmt: skip
async def test_an_entry_that_cannot_be_read_is_left_out(damaged: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert await read(damaged, json.dumps([ROW])) == [MEASURED]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
