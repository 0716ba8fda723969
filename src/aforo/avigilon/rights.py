"""A read is refused: has the session expired, or may this user not read that? A login helps against the first only.

What was read with a session that then refuses it waits for no permission: at once another session is begun, one for
all. Of the rest nobody knows, and there may be thousands: together they get a login now and then, ever less often.
"""

import math
from collections.abc import Iterable

from aforo.clock import Clock

_FIRST_PAUSE = 5.0  # seconds between two logins on trial: a server that is starting up may forget sessions…
_LONGEST_PAUSE = 300.0  # …and then twice as long each time: a right that was given may count for new sessions only


class Rights:
    """What each session, by its generation, was good for; ``subjects`` are the cameras or lists that were asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._read_with: dict[str, int] = {}
        self._given_up = 0
        self._pause = _FIRST_PAUSE
        self._again_at = -math.inf

    def granted(self, subjects: Iterable[str], generation: int) -> None:
        """They were read with that session."""
        self._read_with.update(dict.fromkeys(subjects, generation))

    def gives_up(self, subjects: Iterable[str], generation: int) -> bool:
        """Whether to take another session than that one, which refuses them, and try again; else they are denied."""
        if generation <= self._given_up:
            return True
        now = self._clock.monotonic()
        expired = any(self._read_with.get(subject) == generation for subject in subjects)
        if not expired and now < self._again_at:
            return False
        self._given_up = generation
        if now - self._again_at > _LONGEST_PAUSE:
            self._pause = _FIRST_PAUSE
        self._again_at = max(self._again_at, now + self._pause)
        if not expired:
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause)
        return True
