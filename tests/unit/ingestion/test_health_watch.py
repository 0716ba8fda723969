from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.ingestion.memory import START, Ingestion, at, ingestion

from aforo.avigilon import Camera
from aforo.errors import AccBadRequest, AccError, AccUnknownCamera, AccUnreachable
from aforo.models import CameraFault, FaultSpan, HealthEvent

LOST = FaultSpan("B", CameraFault.NO_VIDEO, at(3))


async def minutes(parts: Ingestion, number: int) -> None:
    """Check once a minute, so often."""
    for _ in range(number):
        await parts.context.health.check()
        await parts.clock.sleep(60)


async def test_states_and_events_are_read_each_minute_and_events_once_more(tmp_path: Path) -> None:
    async with ingestion(tmp_path) as parts:
        parts.context.site.add_servers(["srv"])
        parts.server.topics = ["DEVICE_VIDEO_SIGNAL_LOST"]
        parts.server.health = [
            HealthEvent("B", CameraFault.NO_VIDEO, at(3), on=True),
            HealthEvent("stranger", CameraFault.NO_VIDEO, at(3), on=True),
        ]
        await minutes(parts, 5)
        assert parts.recorder.fault_spans == [LOST]
        windows = [window for _, window in parts.server.health_queries]
        assert windows[0].since == START - timedelta(hours=12)
        assert all(window.until - window.since == timedelta(minutes=3) for window in windows[1:])
        parts.server.listed = [Camera("A", "", "DISCONNECTED", connected=False, server_id="srv")]
        await minutes(parts, 1)
        assert FaultSpan("A", CameraFault.DISCONNECTED, at(5)) in parts.recorder.fault_spans


async def test_a_server_without_topics_or_without_a_list_of_them_is_not_asked_for_events(tmp_path: Path) -> None:
    async with ingestion(tmp_path) as parts:
        parts.context.site.add_servers(["srv"])
        parts.server.topics_error = AccUnknownCamera("404")
        parts.server.listed = [Camera("A", "", "DISCONNECTED", connected=False, server_id="srv")]
        await minutes(parts, 20)
        assert parts.server.health_queries == []
        assert [span.camera_id for span in parts.recorder.fault_spans] == ["A"], "the states are read all the same"


async def test_a_server_that_refuses_is_not_asked_again_and_another_is(tmp_path: Path) -> None:
    async with ingestion(tmp_path) as parts:
        parts.context.site.add_servers(["srv", "srv2"])
        parts.server.topics = ["DEVICE_VIDEO_SIGNAL_LOST"]
        parts.server.health_error = AccBadRequest("400")
        await minutes(parts, 3)
        assert [server for server, _ in parts.server.health_queries] == ["srv", "srv2"]


@pytest.mark.parametrize("error", [AccUnreachable("500"), AccBadRequest("400")])
async def test_a_failure_is_logged_once_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: AccError
) -> None:
    async with ingestion(tmp_path) as parts:
        parts.context.site.add_servers(["srv"])
        parts.server.topics = ["DEVICE_VIDEO_SIGNAL_LOST"]
        parts.server.health = [HealthEvent("B", CameraFault.NO_VIDEO, at(3), on=True)]
        parts.server.states_error = error
        await minutes(parts, 5)
        assert parts.recorder.fault_spans == [LOST]
        assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


async def test_the_list_of_topics_is_asked_for_again_after_an_outage_of_the_server(tmp_path: Path) -> None:
    async with ingestion(tmp_path) as parts:
        parts.context.site.add_servers(["srv"])
        parts.server.topics = ["DEVICE_VIDEO_SIGNAL_LOST"]
        parts.server.topics_error = AccUnreachable("503")
        await minutes(parts, 3)
        parts.server.topics_error = None
        await minutes(parts, 13)
        assert [window.until for _, window in parts.server.health_queries] == [at(15)]


async def test_nothing_is_sent_while_no_server_answers_nor_twice_in_a_minute(tmp_path: Path) -> None:
    async with ingestion(tmp_path) as parts:
        parts.context.site.add_servers(["srv"])
        parts.server.topics = ["DEVICE_VIDEO_SIGNAL_LOST"]
        parts.server.link_down_since = START
        await minutes(parts, 2)
        assert parts.server.health_queries == []
        parts.server.link_down_since = None
        await parts.context.health.check()
        await parts.context.health.check()
        assert len(parts.server.health_queries) == 1


async def test_a_camera_event_ends_a_fault_that_has_no_end_of_its_own(tmp_path: Path) -> None:
    async with ingestion(tmp_path) as parts:
        parts.context.site.take_health([HealthEvent("B", CameraFault.TAMPERED, at(3), on=True)])
        parts.context.site.take_counted([parts.server.add("B", 8)])
        assert parts.recorder.fault_spans == [FaultSpan("B", CameraFault.TAMPERED, at(3), at(8))]
