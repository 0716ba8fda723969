"""What a server does differently from others, learned from its answers."""

from dataclasses import dataclass

_MEANINGLESS_AFTER = 3  # short pages whose token the server rejected twice


@dataclass(slots=True)
class ServerQuirks:
    """The quirks of one server.

    ``largest_page``: the most events that it ever sent in a page. ``short_page_refusals``: how often it rejected twice
    the token of a page that was not full. ``short_pages_go_on``: such a token once led to more events, so a short page
    is not always the last. ``out_of_order``: an event once came before an older one. ``foreign_cameras_reported``: the
    log says that it sends events of other cameras.
    """

    largest_page: int = 0
    short_page_refusals: int = 0
    short_pages_go_on: bool = False
    out_of_order: bool = False
    foreign_cameras_reported: bool = False

    @property
    def ignores_short_page_tokens(self) -> bool:
        """Whether a short page is the last one, whatever token it carries."""
        return self.short_page_refusals >= _MEANINGLESS_AFTER and not self.short_pages_go_on

    def record_page(self, received: int) -> None:
        """Learn from the number of events in a page."""
        self.largest_page = max(self.largest_page, received)

    def record_order(self, *, in_order: bool) -> None:
        """Learn whether the pages of a search came oldest first."""
        self.out_of_order |= not in_order

    def record_short_page_refusal(self) -> bool:
        """Learn that the token of a short page was rejected twice; return whether this makes such tokens ignored."""
        self.short_page_refusals += 1
        return self.short_page_refusals == _MEANINGLESS_AFTER

    def full_page(self, limit: int, least: int) -> int:
        """Return from how many events on a page may have been cut: some servers cut below the limit of the query."""
        return max(least, min(limit, self.largest_page))
