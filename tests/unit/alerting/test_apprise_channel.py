"""The channel by Apprise, sent for real to a receiver of this machine by its ``json://`` form."""

import logging
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from aforo.alerting.apprise_channel import AppriseChannel
from aforo.alerting.engine import AlertTransition
from aforo.errors import BadSetting
from aforo.models import Alert, AlertKind

# Its plugins import modules of the standard library that Python 3.13 does not have.
pytestmark = pytest.mark.filterwarnings("ignore:.*slated for removal:DeprecationWarning")

BEGIN = AlertTransition(Alert("x", AlertKind.STALE, "", "viejo", datetime(2026, 11, 24, 22, tzinfo=UTC)))


@dataclass
class Receiver:
    """The other end: answers with ``status`` and keeps what it was sent."""

    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        self.messages.append(await request.json())
        return web.Response(status=self.status)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    one = Receiver()
    app = web.Application()
    app.router.add_post("/clave-secreta", one.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"json://127.0.0.1:{runner.addresses[0][1]}/clave-secreta"
    yield one
    await runner.cleanup()


async def test_a_transition_reaches_every_address_and_no_log_has_their_secret(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    channel = await AppriseChannel.of([receiver.url, receiver.url + "?method=post"])
    assert await channel.send(BEGIN, "Final")
    assert [(one["title"], one["message"], one["type"]) for one in receiver.messages] == [
        ("Final", "viejo", "warning")
    ] * 2
    ended = AlertTransition(Alert("x", AlertKind.STALE, "", "viejo", BEGIN.alert.began, BEGIN.alert.began))
    assert await channel.send(ended, "")
    assert (receiver.messages[2]["title"], receiver.messages[2]["message"]) == ("Aforo", "Terminó: viejo")
    assert "clave-secreta" not in caplog.text


async def test_an_address_that_refuses_is_logged_without_its_secret(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.status = 500
    channel = await AppriseChannel.of([receiver.url])
    assert not await channel.send(BEGIN, "Final")
    assert [record.levelname for record in caplog.records if record.name.startswith("aforo")] == ["ERROR"]
    assert "clave-secreta" not in caplog.text


async def test_an_address_of_an_unknown_kind_is_a_bad_setting_and_not_repeated() -> None:
    with pytest.raises(BadSetting, match=r"número 1 de alerts\.notify_urls") as caught:
        await AppriseChannel.of(["nada://clave-secreta"])
    assert "clave-secreta" not in str(caught.value)


async def test_without_apprise_the_error_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(BadSetting, match=r"dev\.py install --extras"):
        await AppriseChannel.of(["json://127.0.0.1/x"])
