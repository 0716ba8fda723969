"""The addresses of alerts and heartbeat, tried out before an event: a test message to each."""

from collections.abc import AsyncIterator

from aforo.alerting.apprise_channel import AppriseChannel
from aforo.alerting.heartbeat import send_heartbeat
from aforo.alerting.http_client import client_session
from aforo.alerting.webhook import Webhook
from aforo.settings import Settings

_TIMEOUT = 10.0  # seconds for the heartbeat's answer


async def try_addresses(settings: Settings) -> AsyncIterator[tuple[str, str]]:
    """Give each setting that has an address, and in Spanish why it did not accept the message, "" where it did.

    Raises BadSetting for addresses of Apprise that cannot be used.
    """
    async with Webhook.of(settings.alerts) as webhook:
        if webhook is not None:
            yield "alerts.webhook_url", await webhook.try_out()
    if settings.alerts.notify_urls:
        urls = [url.get_secret_value() for url in settings.alerts.notify_urls]
        yield "alerts.notify_urls", await (await AppriseChannel.of(urls)).try_out()
    heartbeat = settings.monitor.heartbeat_url.get_secret_value()
    if heartbeat:
        async with client_session(_TIMEOUT) as session:
            yield "monitor.heartbeat_url", await send_heartbeat(session, heartbeat)
