"""Pushes to the webhooks: events as they become visible, heartbeats, and HELLO after a restart.

As the guide has it: each push is a new connection, five are in flight at most, and a push that is not taken is not
repeated. What waits for a free connection goes together in one push.
"""

import asyncio
import hmac
import json
import math
import ssl
from base64 import b64decode, b64encode
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from aforo.clock import Clock, wait_until_set
from aforo.simulator.event_log import MARK_MASK, START, STOP, EventLog, instant_of, milliseconds, place_of
from aforo.simulator.faults import Faults
from aforo.simulator.search_endpoint import SearchEndpoint
from aforo.simulator.serialization import Pages, iso
from aforo.simulator.webhooks import Webhook, WebhookRegistry

SITE_ID = "4xIx1DMwMLSwMDU-sitio"
_AT_ONCE = 5
_MOST_TOGETHER = 100  # notifications of one push
_MOST_WAITING = 10_000  # notifications of a webhook that is not reached
_TIMEOUT = 5.0  # real seconds that a push may take
_LOOK_AGAIN = 0.25  # seconds until an event that is not visible yet is looked at again
_LOOK_FOR_HEARTBEATS = 30.0  # seconds between two looks whether a webhook without heartbeats wants some by now
_TOPICS = {START: "DEVICE_ANALYTICS_START", STOP: "DEVICE_ANALYTICS_STOP"}


@dataclass(slots=True)
class _Outbox:
    """What waits to be pushed to one webhook."""

    webhook: Webhook
    waiting: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_WAITING))
    sent_at: float = 0.0


class Pusher:
    """Pushes to the webhooks of ``registry`` while ``running`` is entered. ``counts``: pushes and events, by outcome.

    With the fault ``push_early`` an event is pushed at its own time, whether or not a search finds it by then.
    """

    def __init__(  # noqa: PLR0913, PLR0917 -- the parts of the simulator
        self,
        registry: WebhookRegistry,
        event_log: EventLog,
        search: SearchEndpoint,
        faults: Faults,
        clock: Clock,
        pages: Pages,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._registry = registry
        self._event_log = event_log
        self._search = search
        self._faults = faults
        self._clock = clock
        self._pages = pages
        self._outboxes: dict[str, _Outbox] = {}
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._invisible: list[int] = []
        self._number = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Push inside the ``with``."""
        connector = aiohttp.TCPConnector(force_close=True, limit=0, ssl=_unchecked())
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(_TIMEOUT)) as self._http:
            self._event_log.on_added = self._added
            self._start(self._push_events())
            try:
                yield
            finally:
                self._event_log.on_added = None
                for task in tuple(self._tasks):
                    task.cancel()
                if self._tasks:
                    await asyncio.wait(self._tasks)

    def update(self, *, hello: Iterable[Webhook] = ()) -> None:
        """Follow the registry after a change, and say HELLO to these webhooks."""
        known = {webhook.id: webhook for webhook in self._registry.webhooks}
        for gone in self._outboxes.keys() - known.keys():
            del self._outboxes[gone]
        for webhook in known.values():
            outbox = self._outboxes.get(webhook.id)
            if outbox is None:
                outbox = self._outboxes[webhook.id] = _Outbox(webhook, sent_at=self._clock.monotonic())
                self._start(self._beat(outbox))
            outbox.webhook = webhook
        for webhook in hello:
            self._start(self._send(self._outboxes[webhook.id], "HELLO"))
        self._changed.set()

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _added(self, key: int) -> None:
        """An event was recorded at a time that may have passed already."""
        if self._event_log.at(key) <= milliseconds(self._clock.now()):
            self._invisible.append(key)
        self._changed.set()

    async def _push_events(self) -> None:
        """Push each event when its time comes."""
        seen = milliseconds(self._clock.now())
        while True:
            now = self._clock.now()
            until = max(seen, milliseconds(now) + 1)
            keys = [key for server in self._search.servers for key in self._between(server, seen, until)]
            seen = until
            due, self._invisible = self._visible([*self._invisible, *keys] if self._outboxes else [])
            for outbox in self._outboxes.values():
                self._enqueue(outbox, due)
            await self._sleep(seen)

    def _between(self, server: str, since: int, until: int) -> list[int]:
        if since >= until:
            return []
        keys = self._event_log.stops(server, None, since, until)
        if self._wants_starts():
            keys += self._event_log.starts(server, None, since, until)
        return keys

    def _wants_starts(self) -> bool:
        return any(outbox.webhook.wants(_TOPICS[START]) for outbox in self._outboxes.values())

    def _visible(self, keys: list[int]) -> tuple[list[int], list[int]]:
        """Return the events to push now, and those that are looked at again."""
        now = self._clock.now()
        if self._faults.get("push_early"):
            return keys, []
        visible = [self._search.is_visible(key, now) for key in keys]
        return (
            [key for key, is_visible in zip(keys, visible, strict=True) if is_visible],
            [key for key, is_visible in zip(keys, visible, strict=True) if not is_visible],
        )

    async def _sleep(self, seen: int) -> None:
        """Wait until something may be due: the next event, a change, or one that is to become visible."""
        self._changed.clear()
        following = self._event_log.next_at(seen) if self._outboxes else None
        seconds = math.inf
        if following is not None:
            seconds = (instant_of(following) - self._clock.now()).total_seconds()
        if self._invisible or self._wants_starts():
            seconds = min(seconds, _LOOK_AGAIN)
        if math.isinf(seconds):
            await self._changed.wait()
        else:
            await wait_until_set(self._changed, self._clock, seconds)

    def _enqueue(self, outbox: _Outbox, keys: Iterable[int]) -> None:
        at_once = []
        for key in keys:
            if not outbox.webhook.wants(_TOPICS[key & MARK_MASK]):
                continue
            place = place_of(key)
            if self._faults.marks("push_lost", place):
                self.counts["events_lost"] += 1
                continue
            times = 2 if self._faults.marks("push_doubled", place) else 1
            late = self._faults.get("push_late")
            if late is not None and self._faults.marks("push_late", place):
                seconds = late.seconds * self._faults.luck("push_delay", place)
                self._start(self._enqueue_late(outbox, [self._notification(key)] * times, seconds))
            else:
                at_once += [self._notification(key)] * times
        if at_once:
            self._put(outbox, at_once)

    async def _enqueue_late(self, outbox: _Outbox, notifications: list[str], seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._put(outbox, notifications)

    def _put(self, outbox: _Outbox, notifications: list[str]) -> None:
        outbox.waiting += notifications
        self._start(self._send(outbox, "NOTIFICATION"))

    def _notification(self, key: int) -> str:
        self._number += 1
        event = self._pages.events([key])[0]
        return f'{{"type":"EVENT","id":"{self._number}","time":"{self._now()}","siteId":"{SITE_ID}","event":{event}}}'

    async def _beat(self, outbox: _Outbox) -> None:
        """Send a heartbeat whenever nothing else was sent for as long as the webhook wants."""
        while self._outboxes.get(outbox.webhook.id) is outbox:
            left = outbox.sent_at + outbox.webhook.heartbeat - self._clock.monotonic()
            if left > 0 or not outbox.webhook.heartbeat:
                await self._clock.sleep(left if left > 0 else _LOOK_FOR_HEARTBEATS)
                continue
            outbox.sent_at = self._clock.monotonic()
            await self._send(outbox, "HEARTBEAT")

    async def _send(self, outbox: _Outbox, kind: str) -> None:
        """Send one push: HELLO, HEARTBEAT, or the notifications that wait."""
        async with self._slots:
            webhook = outbox.webhook
            if self._outboxes.get(webhook.id) is not outbox:
                return
            push: dict[str, object] = {"siteId": SITE_ID, "type": kind, "time": self._now()}
            plain = urlsplit(webhook.url).scheme == "http"
            if not plain:
                push["authenticationToken"] = webhook.token
            body = json.dumps(push)
            if kind == "NOTIFICATION":
                together = [outbox.waiting.popleft() for _ in range(min(_MOST_TOGETHER, len(outbox.waiting)))]
                if not together:
                    return
                body = f'{body[:-1]}, "notifications": [{",".join(together)}]}}'
                self.counts["events"] += len(together)
            outbox.sent_at = self._clock.monotonic()
            await self._post(webhook, body.encode(), plain=plain)

    async def _post(self, webhook: Webhook, body: bytes, *, plain: bool) -> None:
        headers = {"Content-Type": "application/json"}
        if plain:
            proof = hmac.digest(b64decode(webhook.token), body, sha256)
            headers = {"Content-Type": "plain/text", "authorization": b64encode(proof).decode()}
        self.counts["pushes"] += 1
        try:
            async with self._http.post(webhook.url, data=body, headers=headers) as answer:
                self.counts["taken" if answer.status < 300 else "refused"] += 1
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):  # nothing listens there: it is not repeated
            self.counts["unreached"] += 1

    def _now(self) -> str:
        return iso(milliseconds(self._clock.now()))


def _unchecked() -> ssl.SSLContext:
    """Return a TLS context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
