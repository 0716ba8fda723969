"""A client of the recorded site, error answers, and the check that no secret is printed."""

import json
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.contract.avigilon.sites import SESSION, Recorded, Reply

from aforo.avigilon import AvigilonClient, Lane
from aforo.background import Backoff
from aforo.clock import SystemClock
from aforo.models import CameraEvent, Page

SEARCH = "/events/search"
QUICK = Backoff(first=0.001, longest=8.0, attempts=3)
NO_RETRY = Backoff(first=0.001, longest=8.0, attempts=1)
HTML = Reply(body=b"<html><body>It works!</body></html>", headers={"Content-Type": "text/html"})


def error(status: int, message: str = "no.", http: int | None = None) -> Reply:
    body = {"status": "error", "statusCode": status, "message": message, "meta": {"code": -1, "name": "NO"}}
    return Reply(http or status, json.dumps(body).encode(), {"Content-Type": "application/json"})


async def pages(acc: AvigilonClient, site: Recorded, cameras: Sequence[str] = (), lane: Lane = Lane.POLL) -> list[Page]:
    found = acc.events(site.server_id, cameras or [site.camera], site.window, lane=lane)
    return [page async for page in found]


async def events(acc: AvigilonClient, site: Recorded) -> list[CameraEvent]:
    return [event for page in await pages(acc, site) for event in page.events]


@asynccontextmanager
async def client(site: Recorded, backoff: Backoff = QUICK, **settings: object) -> AsyncIterator[AvigilonClient]:
    async with AvigilonClient(site.settings(**settings), SystemClock(), backoff) as acc:
        await acc.login()
        yield acc


def assert_no_secret(raised: BaseException) -> None:
    """Neither the message, nor the traceback, nor what any exception of the chain shows of itself holds a secret."""
    shown = "".join(traceback.format_exception(raised))
    link: BaseException | None = raised
    while link is not None:
        shown += repr(link) + repr(link.args)
        link = link.__cause__ or link.__context__
    for secret in (SESSION, "clave-inventada", "llave-inventada", "nonce-inventado"):
        assert secret not in shown
