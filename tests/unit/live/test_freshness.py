from datetime import UTC, datetime, timedelta

from aforo.live.freshness import behind, silences, unknown_cameras, waited_for
from aforo.models import Feed, FeedStatus

NOW = datetime(2026, 11, 24, 22, tzinfo=UTC)
EARLIER, LATER = NOW - timedelta(minutes=5), NOW + timedelta(minutes=5)
WELL = FeedStatus(Feed("s1", "A"), NOW, answered=True)
ALONE = FeedStatus(Feed("s1", "B"), EARLIER, EARLIER, EARLIER)
WITH_SERVER = FeedStatus(Feed("s2", "C"), EARLIER, EARLIER, server_failing=True)
ELSEWHERE = FeedStatus(Feed("s2", "A"), EARLIER, unknown=True)
NOWHERE = FeedStatus(Feed("s1", "D"), EARLIER, unknown=True)
ALL = [WELL, ALONE, WITH_SERVER, ELSEWHERE, NOWHERE]


def test_a_camera_is_unknown_where_no_server_has_it() -> None:
    assert unknown_cameras(ALL) == {"D"}


def test_the_count_waits_for_all_but_cameras_that_fail_alone_or_are_of_another_server() -> None:
    assert waited_for(ALL) == [WELL, WITH_SERVER, NOWHERE]


def test_a_silence_is_counted_from_the_return_of_its_server() -> None:
    returned = FeedStatus(Feed("s1", "E"), EARLIER, EARLIER, EARLIER, server_recovered_at=NOW)
    assert silences([*ALL, returned]) == {"B": EARLIER, "C": None, "E": NOW}


def test_behind_are_the_feeds_that_are_not_read_until_then() -> None:
    assert behind(ALL, NOW) == [ALONE, WITH_SERVER]
    assert behind([WELL], LATER) == [WELL]
