"""A window → every event of it, whatever the server does with ``to``, order, limits and tokens.

The window is asked for; a page that may have been cut is followed by its token, and where there is none, or the token
leads nowhere, the window is split and each part asked by itself, down to one millisecond. Neither the order of the
answers, nor a tie at a page's edge, nor a lost token can then lose an event.

Events without ``thisId`` are numbered among their equals inside one whole answer. Equals share their millisecond, and
windows are cut between milliseconds: however a window is split, equals stay together and get the same numbers.
"""

import logging
import math
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from aforo.avigilon.identity import numbered, page_print
from aforo.avigilon.payloads import STOP, Answer
from aforo.avigilon.server_quirks import DEAD_TOKENS, ServerQuirks
from aforo.avigilon.spans import Span
from aforo.avigilon.transport import Query, instant_text
from aforo.errors import AccBadRequest, AccDenied, AccIncomplete, AccUnknownCamera, AccUnreachable, AccWindowTooLarge
from aforo.models import MILLISECOND, CameraEvent, Page, Window, from_ms

_log = logging.getLogger("aforo.avigilon")

LIMIT = 1000  # events in a page: the API's default and most
_LEAST_CAP = 50  # events: no server is taken to cut its pages below that
_MOST_PARTS = 16
_FILL = 0.7  # how full the parts of a split window should be, so that few need another split
_MOST_REQUESTS = 20_000  # for one window: beyond it the server does not keep to the window, or its tokens never end
_MOST_STALE = 3  # pages in a row that came before
_LAST_OF_MILLISECOND = timedelta(microseconds=999)  # a server may keep time finer than it is asked for


class Ask(Protocol):
    """One request of ``/events/search``. ``once``: a lost answer may not be asked for again, for tokens may move on."""

    async def __call__(self, query: Query, *, once: bool) -> Answer:
        """Raises AccError."""
        ...


class Target(NamedTuple):
    """Who is asked, and about which cameras."""

    server_id: str
    camera_ids: tuple[str, ...]


class Search:
    """Knows how to ask; learns each server's habits. ``limit`` and ``least`` are handed in by tests only."""

    def __init__(self, limit: int = LIMIT, least: int = _LEAST_CAP) -> None:
        self.limit = limit
        self.least = least
        self._habits: dict[str, ServerQuirks] = {}

    async def events(
        self, ask: Ask, server_id: str, camera_ids: Sequence[str], window: Window
    ) -> AsyncGenerator[Page, None]:
        """See ``Acc.events``."""
        habits = self._habits.setdefault(server_id, ServerQuirks())
        hunt = _WindowFetch(self, habits, ask, Target(server_id, tuple(camera_ids)), Span.of(window))
        while hunt.goes_on:
            page = await hunt.step()
            if page is not None and (page.events or page.malformed):
                yield page
        hunt.conclude()


@dataclass(slots=True)
class _TokenChain:
    """A window that is being followed by tokens. ``short``: only one page so far, and it did not look cut.

    ``used``: tokens sent; ``seen``: prints of the pages that came; ``inside``: one of them told of the window;
    ``stale``: how many in a row brought nothing, for they had come before or told only of other times; ``doubtful``:
    it is not sure that nothing was left: where events have no ``thisId`` others can be just like them.
    """

    span: Span
    short: bool
    token: str = ""
    used: set[str] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)
    inside: bool = False
    stale: int = 0
    doubtful: bool = False
    ordinals: Counter[str] = field(default_factory=Counter)
    count: int = 0
    edges: list[datetime] = field(default_factory=list)


class _WindowFetch:
    """One window being searched: each step is one request."""

    def __init__(self, search: Search, habits: ServerQuirks, ask: Ask, target: Target, span: Span) -> None:
        self._limit, self._least = search.limit, search.least
        self._ask = ask
        self._habits = habits
        self._server_id = target.server_id
        self._cameras = frozenset(target.camera_ids)
        self._fixed = [
            ("serverId", target.server_id),
            ("eventTopics", STOP),
            *(("deviceIds", camera) for camera in target.camera_ids),
            ("limit", str(self._limit)),
        ]
        self._left = [span] if span.width > 0 and target.camera_ids else []
        self._chain: _TokenChain | None = None
        self._unproven: list[Span] = []
        self._requests = 0

    @property
    def goes_on(self) -> bool:
        """Whether something is left to ask."""
        return self._chain is not None or bool(self._left)

    async def step(self) -> Page | None:
        """One request; the page that it gave, None where it only showed how to go on. Raises AccError."""
        if self._requests >= _MOST_REQUESTS:
            raise AccWindowTooLarge(
                f"El servidor {self._server_id} no termina de dar una ventana ({_MOST_REQUESTS} consultas).",
                remedy="Se pide por partes más cortas y cada vez menos a menudo; avise al administrador de ACC.",
            )
        return await (self._follow(self._chain) if self._chain is not None else self._open(self._left.pop()))

    def conclude(self) -> None:
        """Raise AccIncomplete where the server could not show that it gave everything."""
        if self._unproven:
            first = instant_text(self._unproven[0].window.since)
            raise AccIncomplete(
                f"El servidor de cámaras tiene en un solo milisegundo ({first}) más eventos de los que da de una vez:"
                f" no se puede garantizar que estén todos (milisegundos así: {len(self._unproven)}).",
                "Lo que sí dio está contado.",
                "Avise al administrador de ACC: una regla de analítica está disparando sin medida.",
            )

    async def _open(self, span: Span) -> Page | None:
        answer = await self._range(span.since, from_ms(span.until))
        cut = self._cut(answer.raw)
        if answer.token and answer.raw and (cut or not self._habits.dead):
            self._chain = _TokenChain(span, short=not cut)
            return self._take(self._chain, answer)
        if not cut:
            return self._page(span, answer, Counter())
        if span.width == 1:
            return await self._last_resort(span, answer)
        self._split(span, len(answer.events), _edges(answer))
        return None

    async def _follow(self, chain: _TokenChain) -> Page | None:
        chain.used.add(chain.token)
        try:
            answer = await self._asked([("queryType", "CONTINUE"), ("token", chain.token)], once=True)
        except (AccUnreachable, AccBadRequest, AccDenied, AccUnknownCamera) as error:
            self._broken(chain, error)
            return None
        if not answer.raw:
            self._ended(chain, answer)
            return None
        strays = chain.inside and not _inside(chain.span, answer)
        if strays or page_print(answer) in chain.seen:
            chain.doubtful |= strays or (answer.unnamed and self._cut(answer.raw))
            self._brings_nothing(chain, answer)
            return None
        self._habits.leads_on |= chain.short
        chain.short = False
        page = self._take(chain, answer)
        if not answer.token:
            self._ended(chain, answer)
        return page

    def _take(self, chain: _TokenChain, answer: Answer) -> Page:
        chain.token, chain.stale = answer.token, 0
        chain.seen.add(page_print(answer))
        chain.inside |= bool(answer.events) and _inside(chain.span, answer)
        chain.count += len(answer.events)
        chain.edges += _edges(answer)
        return self._page(chain.span, answer, chain.ordinals)

    def _brings_nothing(self, chain: _TokenChain, answer: Answer) -> None:
        """The server repeats its last page for ever, leaves the window, or is stuck before the end."""
        chain.token = answer.token
        chain.stale += 1
        if not chain.token or chain.token in chain.used or chain.stale >= _MOST_STALE:
            self._ended(chain, answer)

    def _ended(self, chain: _TokenChain, answer: Answer) -> None:
        """No way on. Where the last page was full, it need not be the end."""
        self._chain = None
        if chain.doubtful or self._cut(answer.raw):
            self._broken(chain, None)

    def _broken(self, chain: _TokenChain, error: Exception | None) -> None:
        """The token leads no further, and it is not known whether all was seen: ask the window anew."""
        self._chain = None
        span = chain.span
        if span.width > 1 and not chain.short:
            self._split(span, chain.count + self._limit, chain.edges)
        elif not span.again:
            self._left.append(span._replace(again=True))
        elif isinstance(error, AccUnreachable):
            raise error
        elif chain.short:
            self._note_dead_token()
        else:
            self._unproven.append(span)

    def _note_dead_token(self) -> None:
        """Twice a token with a page that was not full, and twice the server refused it: it had nothing more to give."""
        self._habits.dead_tokens += 1
        if self._habits.dead_tokens == DEAD_TOKENS:
            _log.warning(
                "El servidor %s ofrece más páginas y luego las niega, también cuando ya lo dio todo:"
                " sus páginas a medio llenar se toman por las últimas.",
                self._server_id,
            )

    async def _last_resort(self, span: Span, answer: Answer) -> Page:
        """One millisecond, and its page is full. Where ``to`` is inclusive, the next millisecond may have filled it."""
        page = self._page(span, answer, Counter())
        for until in (_LAST_OF_MILLISECOND, timedelta()):
            try:
                exact = await self._range(span.since, from_ms(span.since) + until)
            except (AccBadRequest, AccUnknownCamera):
                continue
            except AccUnreachable:
                if not until:
                    raise
                continue  # some servers answer with a fault of their own to what they cannot read
            narrow = self._page(span, exact, Counter())
            if exact.raw < self._limit and set(page.events) <= set(narrow.events):
                return narrow
            if exact.events and all(event.occurred_at < from_ms(span.until) for event in exact.events):
                break  # the end was read as it is meant: a coarser one would only hide what is finer than that
        if answer.raw >= self._limit:
            self._unproven.append(span)
        return page

    def _split(self, span: Span, count: int, edges: Sequence[datetime]) -> None:
        """Ask in parts: as many as the page's density, over the stretch that it covers, lets expect."""
        since, until = span.window
        inside = [min(max(edge, since), until) for edge in edges]
        covered = (max(inside) - min(inside)) / MILLISECOND + 1 if inside else span.width
        expected = max(count, 1) * span.width / covered
        size = self._habits.page_size(self._limit, self._least)
        number = min(_MOST_PARTS, max(2, math.ceil(expected / (_FILL * size))))
        self._left += span.parts(number)

    def _cut(self, raw: int) -> bool:
        return raw >= self._habits.page_size(self._limit, self._least)

    async def _range(self, since: int, until: datetime) -> Answer:
        query = [("queryType", "TIME_RANGE"), ("from", instant_text(from_ms(since))), ("to", instant_text(until))]
        return await self._asked([*query, *self._fixed], once=False)

    async def _asked(self, query: Query, *, once: bool) -> Answer:
        self._requests += 1
        answer = await self._ask(query, once=once)
        self._habits.largest = max(self._habits.largest, answer.raw)
        return answer

    def _page(self, span: Span, answer: Answer, ordinals: Counter[str]) -> Page:
        since, until = span.window
        cameras = self._cameras
        kept = [event for event in answer.events if since <= event[2] < until and event[3] in cameras]
        if len(kept) < len(answer.events):
            self._note_foreign(answer.events)
        return Page(numbered(kept, ordinals) if answer.unnamed else kept, answer.malformed)

    def _note_foreign(self, events: Iterable[CameraEvent]) -> None:
        if self._habits.told_foreign or all(event.camera_id in self._cameras for event in events):
            return
        self._habits.told_foreign = True
        _log.warning(
            "El servidor %s da también eventos de cámaras por las que no se pregunta (no filtra por deviceIds):"
            " se apartan aquí, y cada consulta cuesta más.",
            self._server_id,
        )


def _inside(span: Span, answer: Answer) -> bool:
    """Whether a page may tell of that time: not where all its events are of another."""
    since, until = span.window
    return not answer.events or any(since <= event[2] < until for event in answer.events)


def _edges(answer: Answer) -> list[datetime]:
    """Where a page begins and ends in time, if it is in order: enough for an estimate."""
    return [answer.events[0].occurred_at, answer.events[-1].occurred_at] if answer.events else []
