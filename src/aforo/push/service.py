"""Everything about pushes, run beside the counting."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from aforo.avigilon import AvigilonClient
from aforo.background import background_task
from aforo.clock import Clock
from aforo.ingestion.hints import HintSink
from aforo.models import PushStatus
from aforo.push.inbox import Inbox
from aforo.push.receiver import Admission, Receiver
from aforo.push.server import serve_until_cancelled
from aforo.push.subscription import Subscription
from aforo.settings import PushSettings
from aforo.storage import Database

_log = logging.getLogger(__name__)

_FAILURE = "Error interno en las notificaciones de ACC; el conteo sigue con las consultas de siempre."


class Pushes:
    """What the cameras' server pushes. Without ``push.url`` nothing is done.

    ``sink`` gets the hints, ``notify`` is called after the status has changed.
    """

    def __init__(  # noqa: PLR0913 -- the parts that it joins
        self,
        settings: PushSettings,
        *,
        client: AvigilonClient,
        database: Database,
        sink: HintSink,
        clock: Clock,
        notify: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._inbox = Inbox(sink, clock)
        self._admission = Admission()
        self._subscription = Subscription(
            settings.url,
            webhooks=client.webhooks,
            database=database,
            sink=sink,
            clock=clock,
            last_push=lambda: self._inbox.last_at,
            notify=notify,
        )
        self._inbox.on_arrival = self._subscription.arrived

    def status(self) -> PushStatus | None:
        """Return how the pushes stand; None where they are off."""
        if not self._settings.url:
            return None
        counts = self._admission.counts
        taken = counts["taken"]
        return self._subscription.status._replace(taken=taken, refused=counts.total() - taken)

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[None]:
        """Receive pushes inside the ``with``, and keep the webhook meanwhile; the client is logged in."""
        if not self._settings.url:
            yield
            return
        async with (
            background_task(self._inbox.run(), name="aforo-push-inbox", log=_log, failure=_FAILURE),
            background_task(self._serve(), name="aforo-push-receiver", log=_log, failure=_FAILURE),
        ):
            try:
                keeping = self._subscription.run()
                async with background_task(keeping, name="aforo-push-webhook", log=_log, failure=_FAILURE):
                    yield
            finally:
                await self._subscription.end()

    async def _serve(self) -> None:
        subscription = self._subscription
        await subscription.ready.wait()  # before, there is no token that a push could be compared with
        encrypted = urlsplit(self._settings.url).scheme == "https"
        receiver = Receiver(lambda: subscription.token, self._admission, self._inbox.put, encrypted=encrypted)
        await serve_until_cancelled(
            self._settings, receiver, self._admission, self._clock, subscription.receiver_opened
        )
