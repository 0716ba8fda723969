"""Sends transitions by Apprise, an optional extra: e-mail, Telegram and others. The addresses are secrets."""

import asyncio
import importlib
import logging
from collections.abc import Sequence
from typing import Any

from aforo.alerting.engine import AlertTransition
from aforo.alerting.webhook import TEST_TEXT, shown, text_of
from aforo.errors import BadSetting
from aforo.settings import AlertsSettings

_log = logging.getLogger(__name__)

_TIMEOUT = 30.0  # real seconds for one transition, all addresses together
_TITLE = "Aforo"
_LONGEST_TITLE = 200  # characters


class AppriseChannel:
    """A channel: the addresses, each in Apprise's form (``mailto://…``, ``tgram://…``)."""

    name = "apprise"

    def __init__(self, urls: Sequence[str], timeout: float = _TIMEOUT) -> None:
        try:
            self._apprise: Any = importlib.import_module("apprise")
        except ImportError as exc:
            raise BadSetting(
                "El ajuste alerts.notify_urls necesita Apprise, que no está instalado.",
                remedy="Instálelo con «python3 dev.py install --extras», o deje vacío alerts.notify_urls.",
            ) from exc
        _silence_libraries()
        self._timeout = timeout
        self._addresses = self._apprise.Apprise(asset=self._apprise.AppriseAsset(async_mode=False))
        for number, url in enumerate(urls, 1):
            if not self._addresses.add(url):
                raise BadSetting(
                    f"La dirección número {number} de alerts.notify_urls no sirve.",
                    remedy="Escriba esa dirección como dice la documentación de Apprise.",
                )

    @classmethod
    async def of(cls, urls: Sequence[str]) -> "AppriseChannel":
        """Return the channel, made in a thread: importing Apprise takes longer than the loop may wait.

        Raises BadSetting where Apprise is not installed or an address is not one of its forms.
        """
        return await asyncio.to_thread(cls, urls)

    async def send(self, transition: AlertTransition, event_name: str) -> bool:
        """Send one transition to all addresses, once; False, logged, where one of them did not take it."""
        kind = self._apprise.NotifyType.WARNING if transition.begins else self._apprise.NotifyType.SUCCESS
        reason = await self._notify(text_of(transition), event_name, kind)
        if reason:
            text = transition.alert.text
            _log.error("El aviso «%s» no se pudo enviar a alerts.notify_urls (%s). Está en la página.", text, reason)
        return not reason

    async def try_out(self) -> str:
        """Send one test message to all addresses; return in Spanish why it was not accepted, "" where it was."""
        return await self._notify(TEST_TEXT, "", self._apprise.NotifyType.INFO)

    async def _notify(self, text: str, title: str, kind: Any) -> str:
        try:
            async with asyncio.timeout(self._timeout):
                sent = await asyncio.to_thread(
                    self._addresses.notify,
                    body=shown(text),
                    title=shown(title)[:_LONGEST_TITLE] or _TITLE,
                    notify_type=kind,
                    body_format=self._apprise.NotifyFormat.TEXT,  # services that take HTML get it escaped
                )
        except TimeoutError:
            return f"no acabó en {self._timeout:g} s"
        except Exception:  # noqa: BLE001 -- a plugin of a service may raise anything; its text may hold the secret
            return "su complemento falló"
        return "" if sent else "alguna no lo admitió"


def verify_addresses(settings: AlertsSettings) -> None:
    """Raise BadSetting where the settings have addresses for Apprise and it is not installed, or one is wrong."""
    if settings.notify_urls:
        AppriseChannel([url.get_secret_value() for url in settings.notify_urls])


def _silence_libraries() -> None:
    """Keep the records of Apprise and of what it sends with out of every log: they hold addresses, keys included."""
    for name in ("apprise", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
