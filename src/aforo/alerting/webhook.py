"""Sends a transition to the operators' own address, as plain JSON or in the shape of Teams or Slack.

The address is a secret.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import aiohttp

from aforo.alerting.engine import AlertTransition
from aforo.alerting.http_client import client_session
from aforo.background import Backoff
from aforo.clock import SystemClock
from aforo.connections import connection_reason
from aforo.models import Alert, AlertKind
from aforo.outside_text import visible
from aforo.settings import AlertsSettings

_log = logging.getLogger(__name__)

_BACKOFF = Backoff(first=1.0, longest=8.0, least=0.5, attempts=5)  # real seconds
_TIMEOUT = 10.0
TEST_TEXT = "Prueba de «aforo check»: los avisos llegan aquí."
_LONGEST_TEXT = 2_000  # characters: services take 28 kB or more
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


class _NotAccepted(Exception):
    """The address did not accept a message: a short reason, and whether sending it again may help."""

    def __init__(self, reason: str, *, repeatable: bool) -> None:
        super().__init__(reason)
        self.repeatable = repeatable


class Webhook:
    """A channel: the address, with the connections to it."""

    name = ""  # it was the only channel: its journal entries name none

    def __init__(self, url: str, shape: str, session: aiohttp.ClientSession, backoff: Backoff = _BACKOFF) -> None:
        self._url = url
        self._shape = shape
        self._session = session
        self._backoff = backoff
        self._clock = SystemClock()

    @classmethod
    @asynccontextmanager
    async def of(cls, settings: AlertsSettings) -> AsyncIterator["Webhook | None"]:
        """Give the webhook of the settings inside the ``with``; None where there is none."""
        url = settings.webhook_url.get_secret_value()
        if not url:
            yield None
            return
        async with client_session(_TIMEOUT) as session:
            yield cls(url, settings.webhook_format, session)

    async def send(self, transition: AlertTransition, event_name: str) -> bool:
        """Send one transition, several times where that may help; False, logged, where it was given up."""
        body = BODIES[self._shape](transition, event_name)
        headers = {"Idempotency-Key": f"{transition.alert.id}-{'begin' if transition.begins else 'end'}"}
        try:
            await self._backoff.retry(
                partial(self._post, body, headers), sleep=self._clock.sleep, repeatable=_is_repeatable
            )
        except _NotAccepted as error:
            _log.error(
                "El aviso «%s» no se pudo enviar al webhook (%s). Está en la página.", transition.alert.text, error
            )
            return False
        return True

    async def try_out(self) -> str:
        """Send one test message; return in Spanish why it was not accepted, "" where it was."""
        now = self._clock.now()
        test = Alert(str(uuid4()), AlertKind.STALE, "", TEST_TEXT, now)  # only JSON shows a kind, and it says «test»
        body = BODIES[self._shape](AlertTransition(test), "")
        if self._shape == "json":
            body |= {"type": "test", "kind": "test", "ended": now.isoformat()}
        try:
            await self._post(body, {"Idempotency-Key": f"{test.id}-test"})
        except _NotAccepted as error:
            return str(error)
        return ""

    async def _post(self, body: dict[str, Any], headers: dict[str, str]) -> None:
        """Send one request. Raises _NotAccepted."""
        try:
            async with self._session.post(self._url, json=body, headers=headers, allow_redirects=False) as response:
                status = response.status
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            if isinstance(error, aiohttp.InvalidURL | ValueError):
                raise _NotAccepted("no es una dirección http o https", repeatable=False) from error
            raise _NotAccepted(connection_reason(error), repeatable=True) from error
        if status >= 300:
            raise _NotAccepted(f"respuesta {status}", repeatable=status in _RETRIED)


def _is_repeatable(error: Exception) -> bool:
    return isinstance(error, _NotAccepted) and error.repeatable


def _plain(transition: AlertTransition, event_name: str) -> dict[str, Any]:
    alert = transition.alert
    return {
        "id": alert.id,
        "type": "begin" if transition.begins else "end",
        "kind": alert.kind.value,
        "subject": alert.subject,
        "text": text_of(transition),
        "event": event_name,
        "began": alert.began.isoformat(),
        "ended": alert.ended.isoformat() if alert.ended else None,
    }


def _teams(transition: AlertTransition, event_name: str) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": shown(text_of(transition), _markdown), "weight": "Bolder", "wrap": True,
             "color": "Attention" if transition.begins else "Good"},
            {"type": "TextBlock", "text": shown(event_name, _markdown), "isSubtle": True, "wrap": True},
        ],
    }  # fmt: skip
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _slack(transition: AlertTransition, event_name: str) -> dict[str, Any]:
    text = f"{text_of(transition)} ({event_name})" if event_name else text_of(transition)
    return {"text": shown(text, _mrkdwn)}


def shown(text: str, escape: Callable[[str], str] = str) -> str:
    """Return a text for a message: of a length that services take, without characters that hide, and escaped."""
    whole = visible(text)
    return escape(whole if len(whole) <= _LONGEST_TEXT else f"{whole[: _LONGEST_TEXT - 1]}…")


def _markdown(text: str) -> str:
    """Take links from a text of Teams' Markdown: all else of it changes the looks only."""
    return text.replace("](", "] (").replace("][", "] [")


def _mrkdwn(text: str) -> str:
    """Escape a text for Slack: its mentions and links stand in angle brackets."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def text_of(transition: AlertTransition) -> str:
    """Return the Spanish sentence of a transition."""
    return transition.alert.text if transition.begins else f"Terminó: {transition.alert.text}"


BODIES = {"json": _plain, "teams": _teams, "slack": _slack}
