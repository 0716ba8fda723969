"""How late camera events become visible at a server, from what the reads of an event find. Pure: ``now`` is handed in.

A new camera event in a part of a window that was read before became visible between the two reads: its lateness is
known as an interval. One that the first read of its instant finds is punctual, however late that read was: an outage of
ours, a late start or a backfill says nothing of the server. Where the pause between the two reads was longer than usual
(the program, the server or the camera was away), only the interval's lower end counts.

A camera whose clock is off gives *all* its events with the same lateness, as far as the intervals can tell; a delivery
that is late also gives punctual ones, or, after an outage, ever less late ones. A clock that is ahead shows in events
of the future.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple

from aforo.avigilon import EventQuery
from aforo.ingestion.sweep import FeedReads, LastRead
from aforo.models import EPOCH, Batch, CameraEvent, CommitResult, Feed, FeedLateness, Window

LONGEST_WAIT = timedelta(minutes=15)  # how far the overlap reaches and the close waits, at most
_OVERLAPS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15))  # few, so that queries can be joined
_BEYOND = 1.25  # what is seen near the overlap's edge is cut off by it: the overlap reaches so much further
_PAUSE_SLACK = timedelta(seconds=30)  # a poll cycle that took that much longer is still a usual one
_CLOCK_SET = timedelta(seconds=5)
_BIN = 5  # seconds: the late events are counted in steps of it
_LEAST, _MOST = 5.0, 30.0  # seconds: the bounds of the lateness from which an event counts as late

_RECENT = 60  # events of a feed, of which its clock is judged
_FEWEST = 8  # of them, at least…
_LEAST_SPAN = timedelta(minutes=3)  # …over so much time
_USUAL = 0.95  # share of the events by which it is judged how soon they become visible
_OUTLIERS = 0.05  # share of the events that may lie elsewhere
_CLOCK_OFF = 20.0  # seconds: a smaller constant lateness may be a slow server or a slow poll cycle
_CLOCK_AHEAD = 10.0  # seconds
_JITTER, _JITTER_SHARE = 5.0, 0.1  # seconds, and share of the offset, by which the events of one clock may differ
_WIDEST = 90.0  # seconds: while the offset is not known better, nothing is said
_AHEAD_FOR = timedelta(minutes=20)  # after its last event of the future a clock is not ahead any more

_Identity = tuple[str, str, str]


class Delay(NamedTuple):
    """The lateness of one camera event: more than ``lower``, at most ``upper`` seconds."""

    lower: float
    upper: float


_NO_DELAY = Delay(0.0, 0.0)


class ReadKind(Enum):
    """Why a window is read: by a poll cycle or the sweep, by a live read, or since ACC pushed an event of it."""

    POLL = auto()
    LIVE = auto()
    HINT = auto()


@dataclass(frozen=True, slots=True)
class Reading:
    """A fetch under way: what of its feeds had been read before it was sent."""

    query: EventQuery
    sent: datetime
    before: Mapping[Feed, FeedReads]
    kind: ReadKind


@dataclass(slots=True)
class _Observed:
    """What was measured of one feed. ``earlier_offset``: of its clock, as an earlier run of the program found it."""

    events: int = 0
    late: Counter[int] = field(default_factory=Counter)
    worst: Delay = _NO_DELAY
    recent: deque[tuple[datetime, Delay]] = field(default_factory=lambda: deque(maxlen=_RECENT))
    ahead: float = 0.0
    ahead_at: datetime | None = None
    earlier_offset: float | None = None


class LatenessMeter:
    """Measures the lateness of one event's feeds. ``interval``: between two poll cycles; ``grace``: of the close."""

    def __init__(self, interval: timedelta, overlap: timedelta, grace: timedelta) -> None:
        self._usual_pause = 2 * interval + _PAUSE_SLACK
        self._resolution = interval.total_seconds()
        self._overlap = overlap
        self._grace = grace
        self._late_from = min(_MOST, max(_LEAST, grace.total_seconds() / 2))
        self._begin = EPOCH
        self._clock: datetime | None = None  # what the clock showed when the monotonic one was zero
        self._reads: dict[Feed, FeedReads] = {}
        self._observed: defaultdict[Feed, _Observed] = defaultdict(_Observed)
        self._uncommitted: dict[_Identity, tuple[Feed, Delay] | None] = {}  # None: found by the first read
        self._changed: set[Feed] = set()
        self._found_late: Counter[Feed] = Counter()
        self._late_events = 0

    @property
    def reads(self) -> Mapping[Feed, FeedReads]:
        """When each feed was read."""
        return self._reads

    def open(self, begin: datetime) -> None:
        """Begin with an event that begins then, or go on with it after an edit of the schedule or another database.

        What was read and is not stored is stored by now, or was dropped and is read anew: then it is not late by that.
        """
        self._begin = begin
        self._reads.clear()
        self._uncommitted.clear()

    def follow(self, feeds: Iterable[Feed], checkpoints: Mapping[Feed, datetime]) -> None:
        """Follow these feeds, and those of the checkpoints.

        A feed that is new was read from the event's begin to its checkpoint, or not at all where it has none.
        """
        for feed in (*feeds, *checkpoints):
            if feed not in self._reads:
                checkpoint = checkpoints.get(feed, self._begin)
                self._reads[feed] = FeedReads.until_checkpoint(self._begin, checkpoint, self._overlap)

    def begin_cycle(self, now: datetime, monotonic: float) -> None:
        """A poll cycle begins. Where the clock was set meanwhile, earlier reads cannot be compared with later ones."""
        before, self._clock = self._clock, now - timedelta(seconds=monotonic)
        if before is not None and abs(self._clock - before) > _CLOCK_SET:
            self.distrust()

    def distrust(self, server_id: str | None = None) -> None:
        """What that server (None: any) answered is no evidence: everything is read anew, and is not late by that."""
        for feed in self._reads:
            if server_id is None or feed.server_id == server_id:
                self._reads[feed] = FeedReads.until_checkpoint(self._begin, self._begin, self._overlap)

    def restore(self, known: Iterable[FeedLateness]) -> None:
        """Take what an earlier run of the program measured of this event."""
        for one in known:
            observed = _Observed(one.events, Counter(one.late), Delay(*one.worst), earlier_offset=one.clock_offset)
            observed.ahead = max(0.0, one.clock_offset or 0.0)
            self._observed[one.feed] = observed
            self._changed.add(one.feed)

    # What the reads find.

    def begin(self, query: EventQuery, now: datetime, kind: ReadKind = ReadKind.POLL) -> Reading:
        """A fetch is sent."""
        before = {feed: reads.copy() for feed in query.feeds if (reads := self._reads.get(feed)) is not None}
        return Reading(query, now, before, kind)

    def page_read(self, reading: Reading, events: Sequence[CameraEvent], now: datetime) -> None:
        """A page of it was read at ``now``."""
        feeds = {
            feed.camera_id: (feed, reads, self._overtaking(reading, feed)) for feed, reads in reading.before.items()
        }
        for event in events:
            known = feeds.get(event.camera_id)
            if known is None or event.server_id != reading.query.server_id:
                continue  # passed on from another server: when that server had it is not known
            feed, reads, overtaking = known
            upper = (now - event.occurred_at).total_seconds()
            if upper < 0:
                self._seen_ahead(feed, -upper, now)
            elif (last := reads.last_read(event.occurred_at)) is not None:
                self._read_again(feed, last, event, now)
            elif reading.kind is not ReadKind.HINT:  # what a hint found first is measured by the read that follows
                first = overtaking is None or overtaking.last_read(event.occurred_at) is None
                self._read_first(feed, event, upper, measure=first)

    def reached(self, reading: Reading, until: datetime) -> None:
        """All of its window before ``until`` was read; what reaches into the future is not read by that."""
        if until > reading.sent or reading.kind is ReadKind.HINT:
            return
        window = Window(reading.query.window.since, until)
        for feed in reading.before:
            reads = self._reads.get(feed)
            if reads is not None and reading.kind is ReadKind.LIVE:
                reads.add_live(window, reading.sent)
            elif reads is not None:
                reads.add(window, reading.sent)

    def committed(self, batch: Batch, result: CommitResult) -> None:
        """A batch was stored: which of its events were new, and so late if they were read again."""
        if not self._uncommitted:
            return
        new = {_identity(event) for event in result.new} if result.already else None
        for event in batch.events:
            identity = _identity(event)
            found = self._uncommitted.pop(identity, None)
            if found is not None and (new is None or identity in new):
                self._late(*found, event.occurred_at)

    def _seen_ahead(self, feed: Feed, seconds: float, now: datetime) -> None:
        observed = self._observed[feed]
        observed.ahead, observed.ahead_at = max(observed.ahead, seconds), now
        self._changed.add(feed)

    def _overtaking(self, reading: Reading, feed: Feed) -> FeedReads | None:
        """The reads of a feed as they are now, where one that was sent later has ended sooner."""
        current = self._reads.get(feed)
        if current is None or (
            current.at <= reading.sent and (current.live is None or current.live.at <= reading.sent)
        ):
            return None
        return current

    def _read_first(self, feed: Feed, event: CameraEvent, upper: float, *, measure: bool) -> None:
        """Take an event that the first read of its instant found: without ``measure``, one of several at once."""
        identity = _identity(event)
        known = identity in self._uncommitted
        self._uncommitted.setdefault(identity)
        if known or not measure:
            return
        observed, occurred_at = self._observed[feed], event.occurred_at
        observed.events += 1
        if observed.ahead_at is not None and occurred_at - observed.ahead_at > _AHEAD_FOR:
            observed.ahead, observed.ahead_at = 0.0, None
        if upper <= LONGEST_WAIT.total_seconds():
            observed.recent.append((occurred_at, Delay(0.0, upper)))
        self._changed.add(feed)

    def _read_again(self, feed: Feed, last: LastRead, event: CameraEvent, now: datetime) -> None:
        identity = _identity(event)
        if identity in self._uncommitted:
            return
        if last.at > now:  # the clock was set back meanwhile: the two reads cannot be compared
            return
        lower = max(0.0, (last.at - event.occurred_at).total_seconds())
        upper = (now - event.occurred_at).total_seconds()
        usual = self._usual_pause if last.next_within is None else last.next_within + self._usual_pause
        if now - last.at > usual:
            upper = min(upper, lower + self._resolution)
        self._uncommitted[identity] = feed, Delay(lower, upper)

    def _late(self, feed: Feed, delay: Delay, occurred_at: datetime) -> None:
        observed = self._observed[feed]
        observed.events += 1
        observed.recent.append((occurred_at, delay))
        if delay.lower >= self._late_from:
            # Of a wide interval, as the sweep's are, the lower end is what is certain.
            seconds = delay.lower + min(delay.upper - delay.lower, self._resolution) / 2
            observed.late[int(seconds) // _BIN * _BIN] += 1
            observed.worst = max(observed.worst, delay)
            self._found_late[feed] += 1
            self._late_events += 1
        self._changed.add(feed)

    # What follows from it.

    def overlaps(self) -> dict[Feed, timedelta]:
        """How far the overlap reaches for the feeds for which it reaches further than the setting."""
        shared = self._shared_by_servers()
        overlaps = {feed: self._overlap_within(self._within(feed, shared)) for feed in self._reads}
        return {feed: overlap for feed, overlap in overlaps.items() if overlap > self._overlap}

    def overlap(self, feed: Feed) -> timedelta:
        """How far the overlap reaches for a feed."""
        return self._overlap_within(self.within(feed))

    def within(self, feed: Feed) -> timedelta:
        """How long after its instant a camera event of that feed is expected at most; zero where none was late.

        Where two cameras of a server are late, all of it may be: the second latest counts for the others.
        """
        return self._within(feed, self._shared_by_servers())

    @property
    def late_events(self) -> int:
        """How many late events were stored since this began to measure."""
        return self._late_events

    def close_waits(self) -> timedelta:
        """How long after the event's end camera events may still become visible; zero where none was late."""
        return min(LONGEST_WAIT, timedelta(seconds=max(map(self._worst_of, self._late_feeds()), default=0.0)))

    def usually_visible_within(self) -> dict[str, timedelta]:
        """How old 95 % of the events of each server are at least when they become visible, by what was measured lately.

        Cameras whose clocks are off are left out: their events carry another time.
        """
        seconds: defaultdict[str, list[float]] = defaultdict(list)
        for feed, observed in self._observed.items():
            lower = [delay.lower for _, delay in observed.recent]
            if max(lower, default=0.0) < _CLOCK_OFF or _clock_offset(observed) is None:
                seconds[feed.server_id] += lower
        return {
            server_id: timedelta(seconds=sorted(known)[int(_USUAL * (len(known) - 1))])
            for server_id, known in seconds.items()
            if known
        }

    def is_ahead(self, feed: Feed) -> bool:
        """Whether that camera's clock is ahead."""
        return feed in self._observed and self._observed[feed].ahead >= _CLOCK_AHEAD

    def take_found_late(self) -> Counter[Feed]:
        """How many late events were stored since the last call, by feed."""
        found, self._found_late = self._found_late, Counter()
        return found

    def take_changed(self) -> list[FeedLateness]:
        """What is known of the feeds of which something was measured since the last call."""
        changed, self._changed = self._changed, set()
        return [self.status(feed) for feed in changed]

    def statuses(self) -> list[FeedLateness]:
        """What is known of each feed of which something was measured."""
        return [self.status(feed) for feed in sorted(self._observed)]

    def status(self, feed: Feed) -> FeedLateness:
        """What is known of a feed."""
        observed = self._observed[feed]
        return FeedLateness(feed, observed.events, dict(observed.late), observed.worst, _clock_offset(observed))

    def _overlap_within(self, within: timedelta) -> timedelta:
        wanted = min(_BEYOND * within, LONGEST_WAIT)
        return next(overlap for overlap in _OVERLAPS if overlap >= wanted) if wanted > self._overlap else self._overlap

    def _within(self, feed: Feed, shared: Mapping[str, float]) -> timedelta:
        return min(LONGEST_WAIT, timedelta(seconds=max(self._worst_of(feed), shared.get(feed.server_id, 0.0))))

    def _shared_by_servers(self) -> dict[str, float]:
        """The lateness of each server's second latest camera."""
        worst: defaultdict[str, list[float]] = defaultdict(list)
        for feed in self._late_feeds():
            worst[feed.server_id].append(self._worst_of(feed))
        return {server_id: sorted(seconds)[-2] for server_id, seconds in worst.items() if len(seconds) > 1}

    def _late_feeds(self) -> list[Feed]:
        return [feed for feed, observed in self._observed.items() if observed.late]

    def _worst_of(self, feed: Feed) -> float:
        return self._observed[feed].worst.upper if feed in self._observed else 0.0


def _clock_offset(observed: _Observed) -> float | None:
    """How many seconds the camera's clock is ahead (behind: less than zero), None where it is not known to be off."""
    if observed.ahead >= _CLOCK_AHEAD:
        return observed.ahead
    recent = observed.recent
    instants = [occurred_at for occurred_at, _ in recent]
    if len(recent) < _FEWEST or max(instants) - min(instants) < _LEAST_SPAN:
        return observed.earlier_offset
    left_out = int(len(recent) * _OUTLIERS)
    lower = sorted(delay.lower for _, delay in recent)[-1 - left_out]
    upper = sorted(delay.upper for _, delay in recent)[left_out]
    constant = lower <= upper + max(_JITTER, _JITTER_SHARE * lower)
    return -(lower + upper) / 2 if constant and lower >= _CLOCK_OFF and upper - lower <= _WIDEST else None


def _identity(event: CameraEvent) -> _Identity:
    return event.server_id, event.this_id, event.camera_id
