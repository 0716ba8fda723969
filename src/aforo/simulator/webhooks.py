"""The webhooks of the site, as ``/webhooks`` keeps them. Pure."""

import binascii
import random
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aforo.simulator.serialization import AnswerError
from aforo.simulator.server_profile import Webhooks

_SHORTEST_TOKEN = 16  # bytes
_SHORTEST_INTERVAL = 30_000  # milliseconds between two heartbeats
_USUAL_INTERVAL = 3_600_000
_MOST_IDS = 16  # of a GET or DELETE


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook. ``heartbeat`` is in seconds, 0 without; ``topics`` empty: all."""

    id: str
    url: str
    token: str = field(repr=False)
    heartbeat: float
    topics: frozenset[str]

    def wants(self, topic: str) -> bool:
        """Return whether events of that topic are pushed to it."""
        return not self.topics or topic in self.topics


class WebhookRegistry:
    """Creates, changes, lists and deletes webhooks. Every method raises AnswerError with the HTTP status."""

    def __init__(self, kind: Webhooks, seed: int) -> None:
        self._kind = kind
        self._random = random.Random(f"webhooks {seed}")
        self._webhooks: dict[str, Webhook] = {}

    @property
    def webhooks(self) -> tuple[Webhook, ...]:
        """All webhooks, oldest first."""
        return tuple(self._webhooks.values())

    def check(self) -> None:
        """Raise what a server answers that has no webhooks, or whose user may not use them."""
        if self._kind is Webhooks.ABSENT:
            raise AnswerError(404, "not found.", "NOT_FOUND")
        if self._kind is Webhooks.FORBIDDEN:
            raise AnswerError(403, "insufficient rights.", "FORBIDDEN")

    def create(self, body: Mapping[str, object]) -> Webhook:
        """Create the webhook that the body describes."""
        webhook = self._parsed(_object(body, "webhook"), f"{self._random.getrandbits(64):016x}")
        self._webhooks[webhook.id] = webhook
        return webhook

    def change(self, body: Mapping[str, object]) -> Webhook:
        """Change the webhook whose id the body holds."""
        described = _object(body, "webhook")
        if described.get("id") not in self._webhooks:
            raise AnswerError(404, "webhook not found.", "NOT_FOUND")
        webhook = self._parsed(described, str(described["id"]))
        self._webhooks[webhook.id] = webhook
        return webhook

    def delete(self, body: Mapping[str, object]) -> None:
        """Delete the webhooks whose ids the body holds."""
        ids = body.get("ids")
        if not isinstance(ids, list) or not 0 < len(ids) <= _MOST_IDS:
            raise _bad("ids")
        for webhook_id in ids:
            if self._webhooks.pop(webhook_id, None) is None:
                raise AnswerError(404, "webhook not found.", "NOT_FOUND")

    def listed(self, ids: Sequence[str] = ()) -> list[dict[str, object]]:
        """Return the webhooks as the API lists them, all without ``ids``; their tokens are left out."""
        if len(ids) > _MOST_IDS:
            raise _bad("ids")
        return [
            {
                "id": webhook.id,
                "url": webhook.url,
                "heartbeat": {"enable": webhook.heartbeat > 0, "frequencyMs": int(webhook.heartbeat * 1000)},
                "eventTopics": {self._topics_key: sorted(webhook.topics)},
            }
            for webhook in self._webhooks.values()
            if not ids or webhook.id in ids
        ]

    def forget_all(self) -> None:
        """Drop every webhook, as a server does whose configuration was restored."""
        self._webhooks.clear()

    @property
    def _topics_key(self) -> str:
        return "include" if self._kind is Webhooks.INCLUDE else "whitelist"

    def _parsed(self, described: Mapping[str, object], webhook_id: str) -> Webhook:
        url, token = described.get("url"), described.get("authenticationToken")
        if not isinstance(url, str) or urlsplit(url).scheme not in {"http", "https"}:
            raise _bad("url")
        try:
            long_enough = isinstance(token, str) and len(b64decode(token, validate=True)) >= _SHORTEST_TOKEN
        except (binascii.Error, ValueError):
            long_enough = False
        if not long_enough:
            raise _bad("authenticationToken")
        topics = _object(described, "eventTopics")
        if topics.keys() - {self._topics_key}:
            raise _bad("eventTopics")
        wanted = topics.get(self._topics_key, [])
        if not isinstance(wanted, list) or not all(isinstance(topic, str) for topic in wanted):
            raise _bad("eventTopics")
        return Webhook(webhook_id, url, str(token), _heartbeat(described), frozenset(wanted))


def _heartbeat(described: Mapping[str, object]) -> float:
    heartbeat = _object(described, "heartbeat")
    frequency = heartbeat.get("frequencyMs", _USUAL_INTERVAL)
    if not isinstance(frequency, int) or frequency < _SHORTEST_INTERVAL:
        raise _bad("frequencyMs")
    return frequency / 1000 if heartbeat.get("enable") is True else 0.0


def _object(body: Mapping[str, object], name: str) -> dict[str, object]:
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise _bad(name)
    return value


def _bad(argument: str) -> AnswerError:
    return AnswerError(400, f"invalid argument: {argument}.", "BAD_REQUEST")
