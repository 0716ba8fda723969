"""What the checkup waits for, on stderr, where that takes longer than a moment."""

from collections.abc import Callable

from aforo.clock import Clock, SystemClock

_MOMENT = 1.0  # real seconds of silence
_AGAIN = 10.0  # real seconds until the same is said once more, with the time that it has taken


class Progress:
    """Says what goes on. ``say`` receives each Spanish line."""

    def __init__(self, say: Callable[[str], object], clock: Clock | None = None) -> None:
        self._say = say
        self._clock = clock or SystemClock()
        self._what = ""
        self._since = 0.0
        self._next = _MOMENT

    def begin(self, what: str) -> None:
        """Begin something that may take a while; it ends what was begun before, ``""`` only that."""
        self._what = what
        self._since = self._clock.monotonic()
        self._next = _MOMENT

    async def run(self) -> None:
        """Say it until cancelled."""
        while True:
            await self._clock.sleep(_MOMENT / 2)
            taken = self._clock.monotonic() - self._since
            if self._what and taken >= self._next:
                self._say(f"{self._what}…" if self._next == _MOMENT else f"{self._what}… van {taken:.0f} s")
                self._next += _AGAIN
