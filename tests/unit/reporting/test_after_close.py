"""What comes after the close is no part of it: it fails with a line in the log."""

from pathlib import Path

import pytest
from tests.unit.ingestion.memory import ingestion

from aforo.errors import StoreRejectedRow
from aforo.ingestion.reconciliation import Reconciliation
from aforo.ingestion.source_count import SourceCount
from aforo.live.latency import Latency
from aforo.reporting.after_close import after_close
from aforo.settings import ReportSettings, Settings
from aforo.storage import Database, Store


class Rejecting(Database):
    """A database that takes no journal entry."""

    async def begin_entry(self, *_: object, **__: object) -> int:
        raise StoreRejectedRow("La tabla aforo_journal no admite la fila.")


async def test_a_journal_entry_that_is_rejected_is_logged_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ingestion(tmp_path) as parts:
        settings = Settings(monitor=parts.context.settings, report=ReportSettings(folder=tmp_path))
        database = Rejecting(Store(f"sqlite:///{tmp_path / 'a.db'}", (), parts.context.timezone), parts.clock)
        record = await parts.record()
        await after_close(database, settings, parts.context, record, Reconciliation(SourceCount()), latency=Latency())
    assert caplog.messages == ["La tabla aforo_journal no admite la fila."]
