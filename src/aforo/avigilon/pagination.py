"""Read every event of a window, whatever the server does with ``to``, order, limits and tokens.

The window is queried; a page that may have been cut is followed by its token. Where there is no token, or it leads
nowhere, the window is split and each part is queried by itself, down to one millisecond. So neither the order of the
events, nor a tie at a page's edge, nor a lost token can lose an event. A chain of tokens that breaks is not begun anew
where the server's pages have always come oldest first: it goes on by time, from the last event that it gave.

Events without ``thisId`` are numbered among their equals within one whole answer. Equal events share their
millisecond, and windows are split between milliseconds: however a window is split, equal events stay together and get
the same numbers.

The parts of a window are read earliest first. So all before the earliest part that is still open has been read, and the
pages say so (``Page.read_until``): what is read of a window needs not be read again after a failure.
"""

import logging
import math
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple, Protocol

from aforo.avigilon.errors import garbled
from aforo.avigilon.payloads import STOP, Damage, SearchAnswer, assign_ids, instant_text, page_fingerprint
from aforo.avigilon.server_quirks import ServerQuirks
from aforo.avigilon.transport import Query
from aforo.errors import (
    AccBadRequest,
    AccDenied,
    AccError,
    AccIncomplete,
    AccUnknownCamera,
    AccUnreachable,
    AccWindowTooLarge,
)
from aforo.models import EPOCH, MILLISECOND, CameraEvent, Page, Window, from_ms

_log = logging.getLogger(__name__)

LIMIT = 1000  # events in a page: the API's default and maximum
_LEAST_FULL_PAGE = 50  # events: no server is assumed to cut its pages below that
_MAX_PARTS = 16
_FILL = 0.7  # how full the parts of a split window should be, so that few need another split
MAX_REQUESTS = 20_000  # for one window: beyond it the server ignores the window, or its tokens never end
_MAX_TRIES = 5  # of a part whose token is not answered
_LEAST_IN_ORDER = 30  # different instants, oldest first: by chance no server gives so many in order
_MAX_UNPRODUCTIVE = 3  # pages in a row that bring nothing new
_LAST_OF_MILLISECOND = timedelta(microseconds=999)  # a server may keep time finer than it is queried
_NOTHING = Page(())


class SendSearch(Protocol):
    """Sends one request of ``/events/search``."""

    async def __call__(self, query: Query, *, idempotent: bool) -> SearchAnswer:
        """Raises AccError. Without ``idempotent`` it is not sent again after a lost answer: a token may move on."""
        ...


class WindowPart(NamedTuple):
    """A window, or a part of one, in whole epoch milliseconds, the finest unit of the Web Endpoint.

    ``tries``: how often it was queried before, and its token led nowhere.
    """

    since: int
    until: int
    tries: int = 0

    @classmethod
    def of(cls, window: Window) -> "WindowPart":
        """Return the milliseconds of a window: events have whole milliseconds, so both ends can be rounded up."""
        return cls(-((EPOCH - window.since) // MILLISECOND), -((EPOCH - window.until) // MILLISECOND))

    @property
    def width(self) -> int:
        """Milliseconds."""
        return self.until - self.since

    @property
    def window(self) -> Window:
        """The same as aware UTC."""
        return Window(from_ms(self.since), from_ms(self.until))

    def split(self, number: int) -> list["WindowPart"]:
        """Split evenly into at most that many parts, none empty; the latest first."""
        number = min(number, self.width)
        edges = [self.since + self.width * i // number for i in range(number + 1)]
        return [WindowPart(edges[i], edges[i + 1]) for i in reversed(range(number))]


class EventSearch:
    """Reads windows, and learns the quirks of each server. Other limits than the API's are for tests."""

    def __init__(self, limit: int = LIMIT, least_full_page: int = _LEAST_FULL_PAGE) -> None:
        self._limit = limit
        self._least_full_page = least_full_page
        self._quirks: dict[str, ServerQuirks] = {}

    async def events(
        self, send: SendSearch, server_id: str, camera_ids: Sequence[str] | None, window: Window
    ) -> AsyncGenerator[Page, None]:
        """Yield all events of the cameras in the window, page by page; an event may come twice with the same identity.

        Without ``camera_ids`` (None) those of every camera. A page without events says only how far the window has been
        read.

        Raises AccError: AccWindowTooLarge for too many requests, AccIncomplete after the last page where the server
        could not show that it sent everything.
        """
        quirks = self._quirks.setdefault(server_id, ServerQuirks())
        cameras = None if camera_ids is None else tuple(camera_ids)
        target = _Target(server_id, cameras, self._limit, self._least_full_page)
        fetch = _WindowFetch(send, quirks, target, WindowPart.of(window))
        read_until = fetch.read_until
        while fetch.is_open:
            page = await fetch.step() or _NOTHING
            if fetch.read_until > read_until:
                read_until = fetch.read_until
                yield replace(page, read_until=min(from_ms(read_until), window.until))
            elif page.events or page.malformed:
                yield page
        fetch.raise_if_unproven()


class _Target(NamedTuple):
    """What is queried, and how large its pages may be."""

    server_id: str
    camera_ids: tuple[str, ...] | None  # None: every camera
    limit: int
    least_full_page: int


class _Progress(Enum):
    """What the pages of a window that is followed by tokens show so far.

    Doubtful: among them came pages of other times, or ones that may repeat an earlier page or be just like it. They may
    have taken the place of pages that are missing.
    """

    SHORT_PAGE = auto()  # one page, not full: its token may lead nowhere
    DOUBTFUL_SHORT_PAGE = auto()
    PAGES = auto()  # a full page, or several
    DOUBTFUL_PAGES = auto()


_SHORT = {_Progress.SHORT_PAGE, _Progress.DOUBTFUL_SHORT_PAGE}
_DOUBTFUL = {_Progress.DOUBTFUL_SHORT_PAGE, _Progress.DOUBTFUL_PAGES}
_AFTER_NEW_PAGE = {
    _Progress.SHORT_PAGE: _Progress.PAGES,
    _Progress.DOUBTFUL_SHORT_PAGE: _Progress.DOUBTFUL_PAGES,
}
_AFTER_DOUBT = {
    _Progress.SHORT_PAGE: _Progress.DOUBTFUL_SHORT_PAGE,
    _Progress.PAGES: _Progress.DOUBTFUL_PAGES,
}


class _TokenChain:
    """A window that is followed by tokens, from its first page on.

    ``token``: leads to the next page; "" at the end. ``ordinals``: see ``assign_ids``. ``event_count`` and ``edges``
    (instants at which pages begin and end) serve to estimate how dense the events are.
    """

    def __init__(self, part: WindowPart, first: SearchAnswer, *, full: bool) -> None:
        self.part = part
        self.token = ""
        self._progress = _Progress.PAGES if full else _Progress.SHORT_PAGE
        self.ordinals: Counter[str] = Counter()
        self.event_count = 0
        self.edges: list[datetime] = []
        self._sent_tokens: set[str] = set()
        self._fingerprints: set[int] = set()
        self._unproductive = 0
        self._has_events_in_window = False
        self._instants_in_order: int | None = 0  # None: they are not in order
        self._latest = EPOCH
        self._add(first, page_fingerprint(first))

    @property
    def is_short(self) -> bool:
        """Whether only one page came, and it was not full."""
        return self._progress in _SHORT

    @property
    def is_doubtful(self) -> bool:
        """Whether pages may be missing though the last one was not full."""
        return self._progress in _DOUBTFUL

    @property
    def in_order(self) -> bool:
        """Whether no event so far came before an older one."""
        return self._instants_in_order is not None

    def rest(self) -> WindowPart | None:
        """Return what remains of the part after the last event, None where the order does not show that."""
        if self.is_doubtful or (self._instants_in_order or 0) < _LEAST_IN_ORDER:
            return None
        latest = (self._latest - EPOCH) // MILLISECOND  # events of that millisecond may be missing
        return WindowPart(latest, self.part.until) if self.part.since < latest < self.part.until else None

    def send_token(self) -> str:
        """Return the token to send."""
        self._sent_tokens.add(self.token)
        return self.token

    def accept(self, answer: SearchAnswer, *, full: bool) -> bool:
        """Take a page; return whether it is new, and not one of other times or one that came before."""
        if not answer.received:
            self.token = ""
            return False
        fingerprint = page_fingerprint(answer)
        of_other_times = self._has_events_in_window and bool(answer.events) and not _has_events_in(self.part, answer)
        if not of_other_times and fingerprint not in self._fingerprints:
            self._progress = _AFTER_NEW_PAGE.get(self._progress, self._progress)
            self._add(answer, fingerprint)
            return True
        if of_other_times or (full and answer.unnamed):  # without ids, a full page may be just like another one
            self._progress = _AFTER_DOUBT.get(self._progress, self._progress)
        self._unproductive += 1
        leads_on = answer.token not in self._sent_tokens and self._unproductive < _MAX_UNPRODUCTIVE
        self.token = answer.token if leads_on else ""
        return False

    def _add(self, answer: SearchAnswer, fingerprint: int) -> None:
        self.token = answer.token
        self._unproductive = 0
        self._fingerprints.add(fingerprint)
        self._has_events_in_window = self._has_events_in_window or _has_events_in(self.part, answer)
        self.event_count += len(answer.events)
        self.edges += _edges(answer)
        self._check_order([event[2] for event in answer.events])

    def _check_order(self, instants: list[datetime]) -> None:
        if self._instants_in_order is None or not instants:
            return
        if instants != sorted(instants) or instants[0] < self._latest:
            self._instants_in_order = None
        else:
            self._instants_in_order += len(set(instants))
            self._latest = instants[-1]


class _WindowFetch:
    """The reading of one window: each step is one request."""

    def __init__(self, send: SendSearch, quirks: ServerQuirks, target: _Target, part: WindowPart) -> None:
        self._send_search = send
        self._quirks = quirks
        self._server_id = target.server_id
        self._cameras = None if target.camera_ids is None else frozenset(target.camera_ids)
        self._limit, self._least_full_page = target.limit, target.least_full_page
        self._fixed_parameters = [
            ("serverId", target.server_id),
            ("eventTopics", STOP),
            *(("deviceIds", camera) for camera in target.camera_ids or ()),
            ("limit", str(target.limit)),
        ]
        self._parts = [part] if part.width > 0 and target.camera_ids != () else []
        self._end = part.until
        self._chain: _TokenChain | None = None
        self._unproven: list[WindowPart] = []
        self._cut = False
        self._requests = 0

    @property
    def is_open(self) -> bool:
        """Whether a part of the window is not read yet."""
        return self._chain is not None or bool(self._parts)

    @property
    def read_until(self) -> int:
        """The epoch millisecond before which all of the window has been read, and is shown to be all."""
        if self._unproven:
            return self._unproven[0].since
        if self._chain is not None:
            return self._chain.part.since
        return self._parts[-1].since if self._parts else self._end

    async def step(self) -> Page | None:
        """Send a request; return its page, None where it is queried anew or brought nothing. Raises AccError."""
        if self._requests >= MAX_REQUESTS:
            raise AccWindowTooLarge(
                f"El servidor {self._server_id} no termina de dar una ventana ({MAX_REQUESTS} consultas).",
                remedy="Se pide por partes más cortas y cada vez menos a menudo; avise al administrador de ACC.",
            )
        if self._chain is not None:
            return await self._follow(self._chain)
        return await self._query(self._parts.pop())

    def raise_if_unproven(self) -> None:
        """Raise AccIncomplete where the server could not show that it sent everything.

        Raises AccUnreachable where an answer came cut each time: the window must be read again.
        """
        if self._cut:
            raise garbled()
        if self._unproven:
            first = instant_text(self._unproven[0].window.since)
            raise AccIncomplete(
                f"El servidor de cámaras tiene en un solo milisegundo ({first}) más eventos de los que da de una vez:"
                f" no se puede garantizar que estén todos (milisegundos así: {len(self._unproven)}).",
                "Lo que sí dio está contado.",
                "Avise al administrador de ACC: una regla de analítica está disparando sin medida.",
            )

    async def _query(self, part: WindowPart) -> Page | None:
        answer = await self._send_range(part.since, from_ms(part.until))
        if answer.damage is Damage.CUT:
            return self._take_beginning(part, answer)
        full = self._is_full(answer)
        if answer.token and answer.received and (full or not self._quirks.ignores_short_page_tokens):
            self._chain = _TokenChain(part, answer, full=full)
            self._quirks.record_order(in_order=self._chain.in_order)
            return self._page(part, answer, self._chain.ordinals)
        if not full:
            return self._page(part, answer, Counter())
        if part.width == 1:
            return await self._query_millisecond_exactly(part, answer)
        self._split(part, len(answer.events), _edges(answer), part)
        return None

    def _take_beginning(self, part: WindowPart, answer: SearchAnswer) -> Page:
        """Take what could be read of a cut answer, and query its time in parts, whose answers are shorter."""
        if part.width > 1:
            self._split(part, len(answer.events), _edges(answer), part)
        else:
            self._cut = True
            self._unproven.append(part)  # what follows it is read, but the window is not read beyond it
        return Page(self._page(part, answer, Counter()).events)  # what is malformed comes again

    async def _follow(self, chain: _TokenChain) -> Page | None:
        try:
            answer = await self._send([("queryType", "CONTINUE"), ("token", chain.send_token())], idempotent=False)
        except (AccUnreachable, AccBadRequest, AccDenied, AccUnknownCamera) as error:
            self._query_anew(chain, error)
            return None
        full = self._is_full(answer)
        was_short = chain.is_short
        page = None
        if chain.accept(answer, full=full):
            self._quirks.short_pages_go_on |= was_short
            self._quirks.record_order(in_order=chain.in_order)
            page = self._page(chain.part, answer, chain.ordinals)
        if not chain.token:
            self._chain = None
            if full or chain.is_doubtful:  # the last page need not be the end
                self._query_anew(chain)
        return page

    def _query_anew(self, chain: _TokenChain, error: AccError | None = None) -> None:
        """Plan how to read what a token did not lead to. Raises ``error`` where the server cannot be reached twice."""
        self._chain = None
        part = chain.part
        rest = chain.rest() if error is not None and not self._quirks.out_of_order else None
        if part.width > 1 and not chain.is_short:
            self._split(part, chain.event_count + self._limit, chain.edges, rest or part)
        elif part.tries < (_MAX_TRIES if isinstance(error, AccUnreachable) else 1):
            self._parts.append(part._replace(tries=part.tries + 1))
        elif isinstance(error, AccUnreachable):
            raise error
        elif chain.is_short:  # rejected twice: the short page was the last one
            self._record_short_page_refusal()
        else:
            self._unproven.append(part)

    def _record_short_page_refusal(self) -> None:
        if self._quirks.record_short_page_refusal():
            _log.warning(
                "El servidor %s ofrece más páginas y luego las niega, también cuando ya lo dio todo:"
                " sus páginas a medio llenar se toman por las últimas.",
                self._server_id,
            )

    async def _query_millisecond_exactly(self, part: WindowPart, answer: SearchAnswer) -> Page:
        """Query a millisecond with a full page by finer ends: an inclusive ``to`` may have filled it."""
        page = self._page(part, answer, Counter())
        for offset in (_LAST_OF_MILLISECOND, timedelta()):
            try:
                exact = await self._send_range(part.since, from_ms(part.since) + offset)
            except (AccBadRequest, AccUnknownCamera):
                continue
            except AccUnreachable:
                if not offset:
                    raise
                continue  # some servers answer what they cannot parse with a fault of their own
            if exact.damage is Damage.CUT:
                continue
            exact_page = self._page(part, exact, Counter())
            if exact.received < self._limit and set(page.events) <= set(exact_page.events):
                return exact_page
            if exact.events and all(event.occurred_at < from_ms(part.until) for event in exact.events):
                break  # the server honours this end: a coarser one would hide events between the two
        if answer.received >= self._limit:
            self._unproven.append(part)
        return page

    def _split(self, part: WindowPart, count: int, edges: Sequence[datetime], rest: WindowPart) -> None:
        """Query the rest of a part in parts: as many as the density of its pages, over the time that they cover, asks.

        ``count``: events on those pages; ``edges``: instants at which they begin and end.
        """
        since, until = part.window
        inside = [min(max(edge, since), until) for edge in edges]
        covered = (max(inside) - min(inside)) / MILLISECOND + 1 if inside else part.width
        expected = max(count, 1) * rest.width / covered
        size = self._quirks.full_page(self._limit, self._least_full_page)
        number = min(_MAX_PARTS, max(1 if rest != part else 2, math.ceil(expected / (_FILL * size))))
        self._parts += rest.split(number)

    def _is_full(self, answer: SearchAnswer) -> bool:
        """Whether the page may have been cut. In a damaged page the number of events is an estimate."""
        full_page = self._quirks.full_page(self._limit, self._least_full_page)
        return answer.received >= (full_page if answer.damage is Damage.NONE else full_page / 2)

    async def _send_range(self, since: int, until: datetime) -> SearchAnswer:
        query = [("queryType", "TIME_RANGE"), ("from", instant_text(from_ms(since))), ("to", instant_text(until))]
        return await self._send([*query, *self._fixed_parameters], idempotent=True)

    async def _send(self, query: Query, *, idempotent: bool) -> SearchAnswer:
        self._requests += 1
        answer = await self._send_search(query, idempotent=idempotent)
        self._quirks.record_page(answer.received)
        return answer

    def _page(self, part: WindowPart, answer: SearchAnswer, ordinals: Counter[str]) -> Page:
        """Return the events of the cameras in this part of the window, each with an id."""
        since, until = part.window
        cameras = self._cameras
        if cameras is None:
            kept = [event for event in answer.events if since <= event[2] < until]
        else:
            kept = [event for event in answer.events if since <= event[2] < until and event[3] in cameras]
            if len(kept) < len(answer.events):
                self._report_foreign_cameras(answer.events, cameras)
        return Page(assign_ids(kept, ordinals) if answer.unnamed else kept, answer.malformed)

    def _report_foreign_cameras(self, events: Iterable[CameraEvent], cameras: Set[str]) -> None:
        if self._quirks.foreign_cameras_reported or all(event.camera_id in cameras for event in events):
            return
        self._quirks.foreign_cameras_reported = True
        _log.warning(
            "El servidor %s da también eventos de cámaras por las que no se pregunta (no filtra por deviceIds):"
            " se apartan aquí, y cada consulta cuesta más.",
            self._server_id,
        )


def _has_events_in(part: WindowPart, answer: SearchAnswer) -> bool:
    """Whether a page has an event of that time."""
    since, until = part.window
    return any(since <= event[2] < until for event in answer.events)


def _edges(answer: SearchAnswer) -> list[datetime]:
    """Return the instants of the first and the last event, which suffice for an estimate where they are in order."""
    return [answer.events[0].occurred_at, answer.events[-1].occurred_at] if answer.events else []
