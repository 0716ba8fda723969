"""Stretches of time in whole milliseconds: the finest that ACC tells apart, and where windows are split."""

from typing import NamedTuple

from aforo.models import EPOCH, MILLISECOND, Window, from_ms


class Span(NamedTuple):
    """Milliseconds since the epoch, ``[since, until)``. ``again``: asked before, and its token led nowhere."""

    since: int
    until: int
    again: bool = False

    @classmethod
    def of(cls, window: Window) -> "Span":
        """The milliseconds of a window: an event's instant is whole milliseconds, so both ends can be rounded up."""
        return cls(-((EPOCH - window.since) // MILLISECOND), -((EPOCH - window.until) // MILLISECOND))

    @property
    def width(self) -> int:
        """Milliseconds."""
        return self.until - self.since

    @property
    def window(self) -> Window:
        """As aware UTC."""
        return Window(from_ms(self.since), from_ms(self.until))

    def parts(self, number: int) -> list["Span"]:
        """Split evenly into at most that many, none empty; the latest first."""
        number = min(number, self.width)
        edges = [self.since + self.width * i // number for i in range(number + 1)]
        return [Span(edges[i], edges[i + 1]) for i in reversed(range(number))]
