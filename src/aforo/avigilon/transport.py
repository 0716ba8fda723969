"""One HTTPS exchange: aiohttp ends here, and each of its failures becomes an AccError."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from aforo.avigilon.errors import no_connection, redirected, timed_out, unreachable
from aforo.avigilon.tls import another_certificate, tls, untrusted
from aforo.clock import Clock
from aforo.errors import AccError, AccUnreachable
from aforo.settings import AccSettings

API = "/mt/api/rest/v1"
_SESSION_HEADER = "x-avg-session"
_LARGEST_BODY = 64 * 1024 * 1024  # bytes; a page of 1000 events is about 0.6 MB
_READ_BUFFER = 256 * 1024  # bytes: a page in few wake-ups
_KEEP_ALIVE = 75.0  # seconds: longer than a turn, so that the next one finds its connections open
_SKEW_EVERY = 60.0  # seconds between two measures
_DATE_GRAIN = timedelta(seconds=1)  # HTTP's Date has no fractions: less than that is no skew

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, whole."""

    status: int
    body: bytes


class Transport:
    """The connections to one server. ``open`` before the first exchange, ``close`` at the end.

    ``skew``: the server's clock less ours, None until it is known; ``requests``: exchanges begun.
    """

    def __init__(self, settings: AccSettings, clock: Clock, connections: int) -> None:
        self.skew: timedelta | None = None
        self.requests = 0
        self.host = urlsplit(settings.url).netloc
        self._settings = settings
        self._clock = clock
        self._connections = connections
        self._http: aiohttp.ClientSession | None = None
        self._skew_at: float | None = None

    async def open(self) -> None:
        """Get ready; nothing is sent yet. Raises AccUntrusted where acc.ca_file cannot be used."""
        trusted = await asyncio.to_thread(tls, self._settings)
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=trusted, limit=self._connections, keepalive_timeout=_KEEP_ALIVE, ttl_dns_cache=60
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # the clock that is handed in holds the time
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "aforo"},
            read_bufsize=_READ_BUFFER,
            trust_env=False,
        )
        # aiohttp would silently repeat a GET on a connection that breaks. Repeating is ours to decide: a token may have
        # moved on. A test fails should this name ever change.
        self._http._retry_connection = False

    async def close(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def get(self, path: str, query: Query, session: str) -> Response:
        """Read; see ``exchange``."""
        return await self.exchange("GET", _pathed(path, query), session=session)

    async def exchange(
        self, method: str, path: str, *, body: Any = None, session: str = "", seconds: float = 0.0
    ) -> Response:
        """Send a request and read all of its answer within ``seconds`` (0: ``acc.timeout``).

        Raises AccUnreachable, AccUntrusted, or AccBadRequest for a redirect. Any other status is for the caller.
        """
        seconds = seconds or self._settings.timeout
        self.requests += 1
        try:
            async with self._clock.timeout(seconds):
                return await self._sent(method, path, body, session)
        except TimeoutError as exc:
            raise timed_out(self.host, seconds) from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise await self._told(exc) from exc

    async def _sent(self, method: str, path: str, body: Any, session: str) -> Response:
        if self._http is None:
            raise RuntimeError("the wire is not open")
        url = f"{self._settings.url.rstrip('/')}{API}{path}"
        headers = {_SESSION_HEADER: session} if session else None
        async with self._http.request(
            method, URL(url, encoded=True), json=body, headers=headers, allow_redirects=False
        ) as response:
            if 300 <= response.status < 400:
                raise redirected(response.status, urlsplit(response.headers.get("Location", "")).hostname)
            whole = await self._whole(response)
            self._measure_skew(response.headers.get("Date"))
            return Response(response.status, whole)

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > _LARGEST_BODY:
                raise AccUnreachable(f"El servidor de cámaras {self.host} dio una respuesta de más de 64 MB.")
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _told(self, exc: Exception) -> AccError:
        if isinstance(exc, aiohttp.ServerFingerprintMismatch):
            return another_certificate(self.host, exc.got)
        if isinstance(exc, aiohttp.ClientConnectorCertificateError):
            return await untrusted(self._settings.url, exc.certificate_error, self._clock)
        if isinstance(exc, aiohttp.ClientConnectorError):
            return no_connection(self.host, exc.strerror or type(exc.os_error).__name__)
        if isinstance(exc, aiohttp.ClientResponseError):
            _forget_headers(exc)
        return unreachable(self.host, exc)

    def _measure_skew(self, date: str | None) -> None:
        monotonic = self._clock.monotonic()
        if date is None or (self._skew_at is not None and monotonic - self._skew_at < _SKEW_EVERY):
            return
        try:
            theirs = parsedate_to_datetime(date)
        except ValueError:
            return
        self._skew_at = monotonic
        skew = (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)) + _DATE_GRAIN / 2 - self._clock.now()
        self.skew = timedelta(0) if abs(skew) < _DATE_GRAIN else skew


def _pathed(path: str, query: Query) -> str:
    return f"{path}?{urlencode(query, quote_via=quote)}" if query else path


def _forget_headers(exc: aiohttp.ClientResponseError) -> None:
    """The session is among the headers that this exception remembers and shows in its repr."""
    bare: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    exc.request_info = aiohttp.RequestInfo(
        exc.request_info.url, exc.request_info.method, bare, exc.request_info.real_url
    )
    exc.args = ()


def instant_text(instant: datetime) -> str:
    """As the Web Endpoint writes it: ``2026-01-27T19:00:00.000Z``, finer where need be. ``instant`` is aware UTC."""
    grain = "microseconds" if instant.microsecond % 1000 else "milliseconds"
    return f"{instant.replace(tzinfo=None).isoformat(timespec=grain)}Z"
