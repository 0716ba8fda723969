from datetime import UTC, datetime, timedelta

from aforo.alerting.engine import ZoneLevels
from aforo.alerting.rules import conditions
from aforo.live.state import HealthProbes, LiveState
from aforo.models import AlertKind, Classification, Feed, FeedStatus, ScheduledEvent, Window
from aforo.settings import AlertsSettings
from aforo.storage import EventRecord

NOW = datetime(2026, 11, 24, 22, tzinfo=UTC)


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def test_a_camera_is_unknown_before_it_was_read_and_while_the_server_is_away() -> None:
    feed, away = Feed("srv", "A"), None
    live = LiveState(probes=HealthProbes(link_down_since=lambda: away))
    event = ScheduledEvent(NOW.date(), "Concierto A", Window(NOW, after(60)))
    live.open(EventRecord(1, event, {}, {}, False, lambda _: Classification(False, ()), ""), NOW)
    live.follow([FeedStatus(feed, NOW)])

    def gone(minutes: float) -> bool | None:
        found = conditions(live, AlertsSettings(), ZoneLevels(0.0), after(minutes))
        return next(one.holds for one in found if one.kind is AlertKind.CAMERA_GONE)

    assert gone(1) is None, "after a restart an alert that is on must not end before the camera was read"
    live.update_feeds([FeedStatus(feed, after(1), answered=True)], after(1))
    assert gone(2) is False
    failing = FeedStatus(feed, after(1), after(2), after(2), answered=True, error="cortado")
    live.update_feeds([failing], after(2))
    assert (gone(4), gone(6)) == (None, True)
    away = after(6)
    assert gone(7) is None
