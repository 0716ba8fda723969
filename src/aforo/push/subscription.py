"""Keeps the webhook at the cameras' server: one for an address, however many processes share it, as long as one runs.

A process that is killed leaves its webhook; the next one finds it by its address and goes on with it. Whether pushes
really arrive is judged by the heartbeats: what the server says of a webhook shows nothing of a firewall.
"""

import asyncio
import logging
import secrets
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from aforo.avigilon import Webhook, WebhookApi
from aforo.background import Backoff
from aforo.clock import Clock, wait_until_set
from aforo.errors import AccBadRequest, AccError, AccUnreachable, StoreError
from aforo.ingestion.hints import HintSink
from aforo.instances import new_instance
from aforo.models import PushState, PushStatus
from aforo.storage import Database, PushShare
from aforo.wording import duration

_log = logging.getLogger(__name__)

HEARTBEAT = 30.0  # seconds between two heartbeats: the least that the server takes
_SILENCE = 2 * HEARTBEAT + 5.0  # seconds without any push after which pushes are missing
_TICK = 5.0  # seconds between two looks
_SHARE_RENEWED = 60.0  # seconds between two signs of life of this process in the database
_KEEPER_WATCHED = 15.0  # the same of a process that waits for another one to leave it the webhook
_ALIVE_FOR = timedelta(seconds=3 * _SHARE_RENEWED)
_CHANGE_SECONDS = 45.0  # that the requests of one check may take in all: less than a keeper is waited for
_CHECK_INTERVAL = 600.0  # seconds between two checks while pushes arrive
_RETRY = Backoff(first=60.0, longest=900.0, least=0.8)
_END_SECONDS = 3.0  # that the end of the program waits for the webhook to be deleted
TOKEN_BYTES = 32
_ELSEWHERE = "Las notificaciones las pide otro proceso de esta base de datos."


class WebhookKeeper:
    """The webhook for an address, found again by it. Its methods raise AccError."""

    def __init__(self, url: str, api: WebhookApi) -> None:
        self._url = url
        self._api = api

    async def write(self, token: str, *, anew: bool) -> bool:
        """Leave exactly one webhook for the address; return whether it was written.

        ``anew``: also where there is one. One that cannot be changed is deleted and made again.
        """
        ours = await self._ours()
        await self._api.delete([surplus.id for surplus in ours[1:]])
        if ours and not anew:
            return False
        try:
            await self._api.write(self._url, token, HEARTBEAT, ours[0].id if ours else "")
        except AccBadRequest:
            if not ours:
                raise
            with suppress(AccBadRequest):  # it is gone meanwhile
                await self._api.delete([ours[0].id])
            await self._api.write(self._url, token, HEARTBEAT)
        return True

    async def delete(self) -> None:
        """Delete the webhook, where there is one."""
        await self._api.delete([webhook.id for webhook in await self._ours()])

    async def _ours(self) -> list[Webhook]:
        wanted = self._url.rstrip("/").casefold()
        return [webhook for webhook in await self._api.listed() if webhook.url.rstrip("/").casefold() == wanted]


class Subscription:
    """The webhook of this process. ``token`` is "" until the database has given it; ``status`` is for page and metrics.

    ``ready`` is set when there is a token; whoever opens the receiver then sets ``receiver_opened``.

    ``last_push`` returns when the last push arrived (monotonic), None before the first.
    """

    def __init__(  # noqa: PLR0913 -- the parts that it joins
        self,
        url: str,
        *,
        webhooks: WebhookApi,
        database: Database,
        sink: HintSink,
        clock: Clock,
        last_push: Callable[[], float | None],
        notify: Callable[[], None] = lambda: None,
    ) -> None:
        self.token = ""
        self.ready = asyncio.Event()
        self.receiver_opened = asyncio.Event()
        self.status = PushStatus(PushState.STARTING, clock.now())
        self._url = url
        self._keeper = WebhookKeeper(url, webhooks)
        self._database = database
        self._sink = sink
        self._clock = clock
        self._last_push = last_push
        self._notify = notify
        self._instance = new_instance()
        self._keeps = False
        self._subscribed_at: float | None = None  # when the webhook was last written, by this process
        self._check_at = 0.0
        self._renewed_at = -_SHARE_RENEWED
        self._failures = 0
        self._logged = ""

    async def run(self) -> None:
        """Keep the webhook until cancelled."""
        while True:
            now = self._clock.monotonic()
            if now - self._renewed_at >= (_SHARE_RENEWED if self._keeps else _KEEPER_WATCHED):
                with suppress(StoreError):  # the database has logged it; the next look tries again
                    await self._renew_share()
                    self._renewed_at = now
            if self._keeps and self._subscribed_at is None:
                await wait_until_set(self.receiver_opened, self._clock, _TICK)
            if self._keeps and now >= self._check_at:
                await self._check()
            self._judge()
            await self._clock.sleep(_TICK)

    async def end(self) -> None:
        """Delete the webhook where no other process wants it. Waits a few seconds at most, and raises nothing."""
        if not self.token:
            return
        with suppress(TimeoutError, StoreError):  # a row that is left is dropped by the next start
            async with self._clock.timeout(_END_SECONDS):
                if not await self._database.leave_push(self._url, self._instance, _ALIVE_FOR):
                    return
        with suppress(TimeoutError, AccError):  # a webhook that is left is found by the next start
            async with self._clock.timeout(_END_SECONDS):
                await self._keeper.delete()
        with suppress(TimeoutError, StoreError):
            async with self._clock.timeout(_END_SECONDS):
                await self._database.drop_push(self._url, self._instance)

    def arrived(self) -> None:
        """A push arrived: the way is open."""
        if self.status.state is PushState.LIVE:
            return
        if self.status.state is PushState.FAILING:
            self._sink.something_missed(None, "las notificaciones vuelven a llegar")
        self._failures = 0
        self._logged = ""
        _log.info("En vivo: el servidor de cámaras notifica cada paso a %s.", self._url)
        self._enter(PushState.LIVE)

    async def _share(self) -> PushShare | None:
        fresh = b64encode(secrets.token_bytes(TOKEN_BYTES)).decode()
        return await self._database.renew_push(self._url, self._instance, self.token or fresh, _ALIVE_FOR)

    async def _renew_share(self) -> None:
        """Give a sign of life, and learn the token and whether this process keeps the webhook."""
        share = await self._share()
        if share is None:
            self._fail(
                "Las notificaciones de ACC necesitan las tablas aforo_… de la versión 0002, y son de una anterior.",
                "Entregue al administrador lo que imprime «aforo schema --since 0001».",
            )
            return
        if share.token != self.token or share.keeps != self._keeps:
            self._check_at = 0.0
        self.token, self._keeps = share.token, share.keeps
        self.ready.set()
        if not self._keeps and self.status.state is not PushState.LIVE:
            self._enter(PushState.STARTING, _ELSEWHERE)

    async def _check(self) -> None:
        """Look whether the webhook is there as it should be; make or renew it where it is not."""
        try:
            async with self._clock.timeout(_CHANGE_SECONDS):
                anew = self._subscribed_at is None or self._is_silent()
                if await self._keeper.write(self.token, anew=anew):
                    self._subscribed_at = self._clock.monotonic()
        except (AccError, TimeoutError) as error:
            self._failures += 1
            self._check_at = self._clock.monotonic() + _RETRY.pause(self._failures)
            passing = isinstance(error, (AccUnreachable, TimeoutError))
            if self.status.state is not PushState.LIVE and (not passing or self._failures > 1):
                what = error.what if isinstance(error, AccError) else "El servidor de cámaras no contestó a tiempo."
                self._fail(f"No se pudo pedir a ACC que notifique cada paso. {what}", getattr(error, "remedy", ""))
        else:
            self._check_at = self._clock.monotonic() + _CHECK_INTERVAL
            if self._failures and self.status.state is PushState.FAILING:
                self._enter(PushState.STARTING)
            self._failures = 0

    def _is_silent(self) -> bool:
        """Return whether pushes are missing: nothing arrived for longer than two heartbeats."""
        times = [at for at in (self._last_push(), self._subscribed_at) if at is not None]
        return bool(times) and self._clock.monotonic() - max(times) > _SILENCE

    def _judge(self) -> None:
        """Find out by what arrives whether pushes work."""
        if not self._is_silent() or self.status.state is PushState.FAILING:
            return
        if self.status.state is PushState.LIVE:
            self._sink.something_missed(None, "faltan las notificaciones periódicas del servidor")
        self._check_at = 0.0
        self._fail(
            f"En {duration(_SILENCE)} no llegó ninguna notificación de ACC a {self._url}.",
            "Revise que el cortafuegos deje pasar del servidor de cámaras a esa dirección; «aforo check» lo prueba.",
        )

    def _fail(self, what: str, remedy: str) -> None:
        """Enter the failing state; the same reason is logged once until pushes arrive again."""
        if what != self._logged:
            self._logged = what
            _log.warning("%s El conteo sigue con las consultas de siempre; se vuelve a intentar. %s", what, remedy)
        self._enter(PushState.FAILING, what)

    def _enter(self, state: PushState, reason: str = "") -> None:
        if (state, reason) != (self.status.state, self.status.reason):
            since = self.status.since if state is self.status.state else self._clock.now()
            self.status = PushStatus(state, since, reason)
            self._notify()
