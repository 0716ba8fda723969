"""``AvigilonClient``: the public interface to Avigilon's Web Endpoint; typed answers or AccErrors."""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from aforo.avigilon.errors import CutAnswer
from aforo.avigilon.event_query import Lane
from aforo.avigilon.health_topics import HealthAnswer, decode_health, decode_topics
from aforo.avigilon.pagination import EventSearch
from aforo.avigilon.payloads import (
    Camera,
    Damage,
    SearchAnswer,
    Server,
    SharedTexts,
    decode_cameras,
    decode_servers,
    instant_text,
)
from aforo.avigilon.query_batching import BatchLimits
from aforo.avigilon.request_pipeline import SEARCH, Request, RequestPipeline, connections
from aforo.avigilon.tolerant_decoding import decode_events
from aforo.avigilon.transport import Query, Transport
from aforo.avigilon.webhooks import WebhookApi
from aforo.background import Backoff
from aforo.clock import Clock
from aforo.errors import AccBadRequest, AccError
from aforo.models import HealthEvent, Page, Window
from aforo.outside_text import LONGEST_TEXT
from aforo.redaction import Mask
from aforo.reference_clock import ReferenceClock
from aforo.settings import AccSettings

_log = logging.getLogger(__name__)
_QUERIED_ANEW = 2  # damaged pages of one window that a token led to; then they are taken as they are

_HEALTH_LIMIT = 1000  # health events in a page
_LEAST_FULL_HEALTH_PAGE = 50  # a page with fewer is the last one, whatever token it carries
_MOST_HEALTH_PAGES = 4  # of one read

_TIME_SECONDS = 5.0  # that an answer may take which is asked for its Date only
_TIME_ATTEMPTS, _TIME_PAUSE = 4, 1.5  # at the start, seconds between two


class AvigilonClient:
    """The cameras' server. An async context manager: it owns the connections, and logs out at the end.

    ``clock`` follows the server's time where it is a ReferenceClock; else one is made around it, for the logins.
    With ``backoff=Backoff(…, attempts=1)`` no failed request is sent again. ``mask`` knows the secrets, and learns the
    sessions and tokens: whoever shows what the server sends passes it through the same one.
    """

    def __init__(
        self, settings: AccSettings, clock: Clock, backoff: Backoff | None = None, mask: Mask | None = None
    ) -> None:
        self._settings = settings
        self._clock = ReferenceClock.of(clock)
        self._mask = Mask(settings.secrets()) if mask is None else mask
        self._transport = Transport(settings, self._clock, connections(settings), self._mask)
        self._pipeline = RequestPipeline(settings, self._clock, self._transport, backoff)
        self._webhooks = WebhookApi(self._pipeline, self._mask)
        self._texts = SharedTexts()
        self._unusable: dict[str, int] = {}
        self._reported: set[tuple[str, str]] = set()
        self._search = EventSearch()
        self._batch_limits = BatchLimits(self._transport.host)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._transport.host}>"

    async def __aenter__(self) -> "AvigilonClient":
        await self._transport.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._pipeline.logout()
        finally:
            await self._transport.close()

    @property
    def requests(self) -> int:
        """Requests sent, logins included."""
        return self._transport.requests

    @property
    def retries(self) -> int:
        """Failed requests that were sent again."""
        return self._pipeline.retries

    @property
    def relogins(self) -> int:
        """Logins after the first."""
        return max(0, self._pipeline.logins - 1)

    @property
    def link_down_since(self) -> datetime | None:
        """Since when (aware UTC) the server does not answer; None while it does."""
        return self._pipeline.down_since

    @property
    def unusable(self) -> Mapping[str, int]:
        """How many entries of the last list of «servidores» and of «cámaras» could not be used."""
        return self._unusable

    @property
    def batch_limits(self) -> BatchLimits:
        """How many cameras one query to each server may name."""
        return self._batch_limits

    @property
    def webhooks(self) -> WebhookApi:
        """The webhooks of the site."""
        return self._webhooks

    @property
    def clock_skew(self) -> timedelta | None:
        """The server's clock minus ours, None while it is not known; zero where it is less than can be measured."""
        return self._clock.skew

    async def ask_time(self) -> None:
        """Ask the server, without a session, for what the clock reads in every answer. Raises no AccError."""
        with suppress(AccError):
            await self._transport.exchange("GET", "/health", seconds=_TIME_SECONDS)

    async def learn_time(self) -> None:
        """Ask again where the first answer gave a time far from the machine's, until it is seen to go on."""
        for _ in range(_TIME_ATTEMPTS):
            if not self._clock.undecided:
                return
            await self._clock.sleep(_TIME_PAUSE)
            await self.ask_time()

    async def login(self) -> None:
        """Log in. Raises AccRejectedLogin, AccUntrusted, AccBadRequest, AccUnreachable (retries failed), BadSetting."""
        await self._pipeline.login()

    async def logout(self) -> None:
        """End the session, best effort. Raises no AccError."""
        await self._pipeline.logout()

    async def servers(self) -> list[Server]:
        """Return every server of the site, or only the one that ``acc.server_id`` names. Raises AccError."""
        if self._settings.server_id:
            return [Server(self._settings.server_id, self._settings.server_id)]
        listing = await self._pipeline.send(Request("/server/ids", ("servidores",)), decode_servers)
        self._report_unusable("servidores", listing.unusable)
        return [server._replace(name=self._mask(server.name)) for server in listing.entries]

    async def cameras(self) -> list[Camera]:
        """Return the cameras that this user may see. Raises AccError."""
        request = Request("/cameras", ("cámaras",), [("verbosity", "HIGH")])
        listing = await self._pipeline.send(request, decode_cameras)
        self._report_unusable("cámaras", listing.unusable)
        return [camera._replace(name=self._mask(camera.name)) for camera in listing.entries]

    async def connection_states(self) -> list[Camera]:
        """Return the same list, read beside the count: sent once, and without consequences. Raises AccError."""
        listing = await self._pipeline.send_beside(Request("/cameras", (), [("verbosity", "HIGH")]), decode_cameras)
        return listing.entries

    async def health_topics(self) -> list[str]:
        """Return the topics about cameras' health that the server knows; read beside the count. Raises AccError."""
        return await self._pipeline.send_beside(Request("/event-subtopics", ()), decode_topics)

    async def health_events(self, server_id: str, topics: Sequence[str], window: Window) -> list[HealthEvent]:
        """Return what a server's events of those topics say of its cameras; read beside the count.

        Raises AccError: AccBadRequest where the server does not take several topics, or gives events of others.
        """
        query = [
            ("queryType", "TIME_RANGE"),
            ("from", instant_text(window.since)),
            ("to", instant_text(window.until)),
            ("serverId", server_id),
            *(("eventTopics", topic) for topic in topics),
            ("limit", str(_HEALTH_LIMIT)),
        ]
        answer = await self._read_health(query, topics)
        if answer.foreign:
            raise AccBadRequest("El servidor de cámaras da también eventos por los que no se pregunta.")
        found = answer.events
        for _ in range(_MOST_HEALTH_PAGES - 1):
            if not answer.token or answer.received < _LEAST_FULL_HEALTH_PAGE:
                break
            with suppress(AccError):  # what follows is best effort: the next read overlaps this one
                answer = await self._read_health([("queryType", "CONTINUE"), ("token", answer.token)], topics)
                found += answer.events
                continue
            break
        return found

    async def _read_health(self, query: Query, topics: Sequence[str]) -> HealthAnswer:
        return await self._pipeline.send_beside(Request(SEARCH, (), query), lambda body: decode_health(body, topics))

    def events(
        self, server_id: str, camera_ids: Sequence[str] | None, window: Window, *, lane: Lane = Lane.POLL
    ) -> AsyncGenerator[Page, None]:
        """Yield all events of these cameras in the window, page by page, whatever the server's paging; no others.

        Without ``camera_ids`` (None) those of every camera.

        An event may come twice, always with the same identity. Raises AccError: AccWindowTooLarge for a window that
        takes too many requests, AccIncomplete only after all that could be had was yielded.
        """
        subjects = tuple(f"{server_id} {camera_id}" for camera_id in (camera_ids if camera_ids is not None else ("*",)))

        damaged = 0

        async def send(query: Query, *, idempotent: bool) -> SearchAnswer:
            nonlocal damaged
            request = Request(SEARCH, subjects, query, lane, idempotent, server_id)
            answer = await self._send_search(request, server_id)
            if answer.damage is Damage.EVENTS and idempotent:  # it may come whole
                answer = await self._send_search(request, server_id)
            self._report_odd(server_id, answer)
            if answer.damage is Damage.EVENTS and not idempotent and damaged < _QUERIED_ANEW:
                damaged += 1
                raise CutAnswer(answer)  # its time is queried anew: a token is not used twice
            return answer

        return self._search.events(send, server_id, camera_ids, window)

    async def _send_search(self, request: Request, server_id: str) -> SearchAnswer:
        """Return the answer; its beginning where it came cut at each attempt. A token is not used twice: then raise."""
        try:
            return await self._pipeline.send(request, lambda body: decode_events(body, server_id, self._texts))
        except CutAnswer as error:
            if request.idempotent:
                return error.answer
            raise

    def _report_unusable(self, what: str, number: int) -> None:
        if number != self._unusable.get(what, 0):
            self._unusable[what] = number
            _log.warning(
                "De la lista de %s del servidor %s, %d entradas no se pueden usar (ilegibles o sin id); las demás, sí.",
                what, self._transport.host, number,
            )  # fmt: skip

    def _report_odd(self, server_id: str, answer: SearchAnswer) -> None:
        """Log, once for each server, that answers come damaged or texts too long."""
        if answer.damage is not Damage.NONE and self._is_new("damaged", server_id):
            _log.warning(
                "El servidor de cámaras %s da respuestas dañadas: en esta se leen %d eventos y %d no. Los ilegibles se"
                " cuentan como rechazados; si falta el final, se vuelve a pedir.",
                server_id, len(answer.events), len(answer.malformed),
            )  # fmt: skip
        if self._texts.shortened:
            self._texts.shortened = 0
            if self._is_new("long", server_id):
                _log.warning(
                    "El servidor de cámaras %s da textos de más de %d caracteres: se guardan acortados, con una marca"
                    " que los distingue.",
                    server_id, LONGEST_TEXT,
                )  # fmt: skip

    def _is_new(self, what: str, server_id: str) -> bool:
        known = (what, server_id) in self._reported
        self._reported.add((what, server_id))
        return not known
