"""How long the close goes on reading what is not answered. Pure: ``now`` is an argument, in monotonic seconds."""

from collections.abc import Mapping

from aforo.ingestion.feed_state import FeedState
from aforo.models import Feed
from aforo.wording import duration

_NEVER_ANSWERED = 30.0  # seconds of the close, for a camera without one page since the event began


class ClosePatience:
    """A feed is given up when nothing of it has moved for ``seconds``, its answers before the close included.

    A dead camera does not hold up the close so long: one that has not answered once in the whole event, while its
    server answers for others, is given up after half a minute. ``began``: when the close did; ``answered``: when each
    feed answered last before it.
    """

    def __init__(self, seconds: float, began: float, answered: Mapping[Feed, float]) -> None:
        self._seconds = seconds
        self._began = began
        self._answered = answered

    def is_over(
        self, waiting: Mapping[Feed, FeedState], feeds: Mapping[Feed, FeedState], now: float, *, server_down: bool
    ) -> bool:
        """Return whether all those of the ``feeds`` that are ``waiting`` for an answer are given up."""
        answers = {feed: state.answered_at for feed, state in feeds.items() if state.answered_at is not None}
        last_of_any = max([self._began, *answers.values()])
        answering = set() if server_down else {feed.server_id for feed in answers}
        ends = [
            self._ends(feed, state)
            if feed.server_id in answering and state.failures
            else last_of_any + self._seconds  # perhaps its turn has not come yet
            for feed, state in waiting.items()
        ]
        return now >= max(ends, default=last_of_any + self._seconds)

    def reason(self, feed: Feed, state: FeedState, now: float) -> str:
        """Return in Spanish why that feed was given up."""
        if not state.failures:
            return "no dio tiempo"
        last = self._last_answer(feed, state)
        if last is not None:
            return f"nada desde hace {duration(now - last)}: {state.error}"
        return f"{'nada entero' if state.page_seen else 'ni una vez'} en todo el evento: {state.error}"

    def _ends(self, feed: Feed, state: FeedState) -> float:
        last = self._last_answer(feed, state)
        soonest = self._began + _NEVER_ANSWERED
        if last is None and state.page_seen:
            return self._began + self._seconds
        return soonest if last is None else max(soonest, last + self._seconds)

    def _last_answer(self, feed: Feed, state: FeedState) -> float | None:
        return state.answered_at if state.answered_at is not None else self._answered.get(feed)
