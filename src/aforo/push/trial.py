"""Tries the way from the cameras' server to the receiver, for ``aforo check``."""

import asyncio
import secrets
from base64 import b64encode
from contextlib import suppress
from urllib.parse import urlsplit

from aforo.avigilon import AvigilonClient
from aforo.background import background_task
from aforo.clock import Clock
from aforo.errors import AccError
from aforo.http_server.listening import bind
from aforo.push.receiver import Admission, Receiver
from aforo.push.server import serve, verify
from aforo.push.subscription import HEARTBEAT, TOKEN_BYTES, WebhookKeeper
from aforo.settings import PushSettings

PATIENCE = HEARTBEAT + 15.0  # seconds that the first push is waited for: a heartbeat comes by then


async def first_push(settings: PushSettings, client: AvigilonClient, clock: Clock) -> float | None:
    """Make a webhook, wait for its first push, and delete it; return the seconds that it took, None where none came.

    Raises OSError where the port cannot be had, AccError where the server makes no webhook.
    """
    tls = await asyncio.to_thread(verify, settings)
    listener = await asyncio.to_thread(bind, settings.host, settings.port)
    token, admission, arrived = b64encode(secrets.token_bytes(TOKEN_BYTES)).decode(), Admission(), asyncio.Event()
    receiver = Receiver(
        lambda: token, admission, lambda _: arrived.set(), encrypted=urlsplit(settings.url).scheme == "https"
    )
    keeper = WebhookKeeper(settings.url, client.webhooks)
    began = clock.monotonic()
    with listener:
        listener.listen()
        async with background_task(serve(listener, tls, receiver, admission), name="aforo-push-trial"):
            try:
                await keeper.write(token, anew=True)
                async with clock.timeout(PATIENCE):
                    await arrived.wait()
            except TimeoutError:
                return None
            finally:
                with suppress(AccError):  # one that is left is found by the next start
                    await keeper.delete()
    return clock.monotonic() - began
