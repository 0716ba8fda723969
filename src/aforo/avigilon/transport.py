"""HTTPS requests by aiohttp, whose failures become AccErrors here."""

import asyncio
from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from aforo.avigilon.errors import no_connection, redirected, timed_out, unreachable
from aforo.avigilon.tls import another_certificate, certificate_check, untrusted_certificate
from aforo.connections import connection_reason
from aforo.errors import AccError, AccUnreachable
from aforo.outside_text import visible
from aforo.redaction import Mask
from aforo.reference_clock import ReferenceClock
from aforo.settings import AccSettings

API = "/mt/api/rest/v1"
_SESSION_HEADER = "x-avg-session"
_MAX_BODY = 64 * 1024 * 1024  # bytes; a page of 1000 events is about 0.6 MB
_READ_BUFFER = 256 * 1024  # bytes: a page in few wake-ups
_KEEP_ALIVE = 75.0  # seconds: longer than a poll cycle, so that the next one finds its connections open

_LONGEST_HOST = 253  # characters of a DNS name

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Response:
    """A whole HTTP answer."""

    status: int
    body: bytes


class Transport:
    """The connections to one server. ``open`` before the first exchange, ``close`` at the end.

    ``clock`` reads the ``Date`` of the answers; ``requests``: exchanges begun; ``mask``: what hides secrets in texts of
    the server.
    """

    def __init__(self, settings: AccSettings, clock: ReferenceClock, connections: int, mask: Mask) -> None:
        self.requests = 0
        self.mask = mask
        self.host = urlsplit(settings.url).netloc
        self._settings = settings
        self._clock = clock
        self._connections = connections
        self._http: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Prepare the connections; nothing is sent yet. Raises AccUntrusted where acc.ca_file cannot be used."""
        trusted = await asyncio.to_thread(certificate_check, self._settings, self._clock)
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
        # aiohttp would silently repeat a GET on a connection that breaks, though the token in it may have moved on.
        # A test fails should this name ever change.
        self._http._retry_connection = False  # noqa: SLF001

    async def close(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def get(self, path: str, query: Query, session: str, seconds: float = 0.0) -> Response:
        """Send a GET with the query's parameters; see ``exchange``."""
        return await self.exchange("GET", _with_query(path, query), session=session, seconds=seconds)

    async def exchange(
        self, method: str, path: str, *, body: Any = None, session: str = "", seconds: float = 0.0
    ) -> Response:
        """Send a request and read all of its answer within ``seconds`` (0: ``acc.timeout``).

        Raises AccUnreachable, AccUntrusted, or AccBadRequest for a redirect. Any other status is for the caller.
        """
        if self._http is None:
            raise RuntimeError("the transport is not open")
        seconds = seconds or self._settings.timeout
        url = URL(f"{self._settings.url.rstrip('/')}{API}{path}", encoded=True)
        headers = {_SESSION_HEADER: session} if session else None
        self.requests += 1
        sent = self._clock.monotonic()
        try:
            async with (
                self._clock.timeout(seconds),
                self._http.request(method, url, json=body, headers=headers, allow_redirects=False) as response,
            ):
                received = self._clock.monotonic()
                content = await self._read_body(response)
        except TimeoutError as exc:
            raise timed_out(self.host, seconds) from exc
        except AccError:
            raise
        except Exception as exc:  # a header of the server's can make the HTTP library raise whatever it likes
            raise await self._to_acc_error(exc) from exc
        if 300 <= response.status < 400:
            raise redirected(response.status, self.mask(_host_of(response.headers.get("Location", ""))))
        self._read_date(response, sent, received)
        return Response(response.status, content.removeprefix(BOM_UTF8))  # some proxies put a mark before JSON

    async def _read_body(self, response: aiohttp.ClientResponse) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > _MAX_BODY:
                raise AccUnreachable(f"El servidor de cámaras {self.host} dio una respuesta de más de 64 MB.")
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _to_acc_error(self, exc: Exception) -> AccError:
        if isinstance(exc, aiohttp.ServerFingerprintMismatch):
            return another_certificate(self.host, exc.got)
        if isinstance(exc, aiohttp.ClientConnectorCertificateError):
            return await untrusted_certificate(self._settings.url, exc.certificate_error, self._clock)
        if isinstance(exc, aiohttp.ClientConnectorError):
            return no_connection(self.host, connection_reason(exc))
        if isinstance(exc, aiohttp.ClientResponseError):
            _remove_headers(exc)
        return unreachable(self.host, exc)

    def _read_date(self, response: aiohttp.ClientResponse, sent: float, received: float) -> None:
        """Give the answer's Date to the clock; not that of a gateway's error or of an answer out of a cache."""
        if response.status >= 500 or response.headers.get("Age", "0") != "0":
            return
        try:
            date = parsedate_to_datetime(response.headers.get("Date", ""))
        except (ValueError, OverflowError):
            return
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        self._clock.read_server(date, sent, received)


def _with_query(path: str, query: Query) -> str:
    return f"{path}?{urlencode(query, quote_via=quote)}" if query else path


def _host_of(location: str) -> str:
    """Return the host of a redirect's target, "" where it cannot be read."""
    try:
        host = urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        return ""
    return visible(host[:_LONGEST_HOST])


def _remove_headers(exc: aiohttp.ClientResponseError) -> None:
    """Remove the headers, and with them the session, from what this exception shows in its repr."""
    bare: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    exc.request_info = aiohttp.RequestInfo(
        exc.request_info.url, exc.request_info.method, bare, exc.request_info.real_url
    )
    exc.args = ()
