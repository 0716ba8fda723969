"""``AvigilonClient``: the public interface to Avigilon's Web Endpoint; typed answers or AccErrors."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta

from aforo.avigilon.pagination import EventSearch
from aforo.avigilon.payloads import Camera, SearchAnswer, Server, decode_cameras, decode_servers
from aforo.avigilon.query_batching import BatchLimits
from aforo.avigilon.request_pipeline import SEARCH, Request, RequestPipeline, connections
from aforo.avigilon.tolerant_decoding import decode_events
from aforo.avigilon.transport import Query, Transport
from aforo.background import Backoff
from aforo.clock import Clock
from aforo.models import Page, Window
from aforo.settings import AccSettings


class AvigilonClient:
    """The cameras' server. An async context manager: it owns the connections, and logs out at the end.

    With ``backoff=Backoff(…, attempts=1)`` no failed request is sent again.
    """

    def __init__(self, settings: AccSettings, clock: Clock, backoff: Backoff | None = None) -> None:
        self._settings = settings
        self._transport = Transport(settings, clock, connections(settings))
        self._pipeline = RequestPipeline(settings, clock, self._transport, backoff)
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
    def batch_limits(self) -> BatchLimits:
        """How many cameras one query to each server may name."""
        return self._batch_limits

    @property
    def clock_skew(self) -> timedelta | None:
        """The server's clock minus ours, None while it is not known; zero where it is less than can be measured."""
        return self._transport.skew

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
        return await self._pipeline.send(Request("/server/ids", ("servidores",)), decode_servers)

    async def cameras(self) -> list[Camera]:
        """Return the cameras that this user may see. Raises AccError."""
        request = Request("/cameras", ("cámaras",), [("verbosity", "HIGH")])
        return await self._pipeline.send(request, decode_cameras)

    def events(
        self, server_id: str, camera_ids: Sequence[str], window: Window, *, suspect: bool = False
    ) -> AsyncGenerator[Page, None]:
        """Yield all events of these cameras in the window, page by page, whatever the server's paging; no others.

        An event may come twice, always with the same identity. ``suspect``: these cameras failed lately, and their
        requests have a small lane of their own. Raises AccError: AccWindowTooLarge for a window that takes too many
        requests, AccIncomplete only after all that could be had was yielded.
        """
        subjects = tuple(f"{server_id} {camera_id}" for camera_id in camera_ids)

        async def send(query: Query, *, idempotent: bool) -> SearchAnswer:
            request = Request(SEARCH, subjects, query, suspect, idempotent, server_id)
            return await self._pipeline.send(request, lambda body: decode_events(body, server_id))

        return self._search.events(send, server_id, camera_ids, window)
