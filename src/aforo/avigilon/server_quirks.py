"""What a server does, learned while it is asked."""

from dataclasses import dataclass

DEAD_TOKENS = 3  # so many tokens of short pages were refused twice: they mean nothing on that server


@dataclass(slots=True)
class ServerQuirks:
    """What was learned of one server.

    ``largest``: the most events that it ever gave in a page. ``dead_tokens``: how often it refused, twice, the token of
    a page that was not full. ``leads_on``: such a token led to more events, so its short pages are not always the last.
    """

    largest: int = 0
    dead_tokens: int = 0
    leads_on: bool = False
    told_foreign: bool = False

    @property
    def dead(self) -> bool:
        """The tokens of short pages mean nothing on that server."""
        return self.dead_tokens >= DEAD_TOKENS and not self.leads_on

    def page_size(self, limit: int, least: int) -> int:
        """A page with so many events may have been cut: some servers cut below the limit that was asked."""
        return max(least, min(limit, self.largest))
