"""The page's addresses, its JSON, its stream and its description, a hundred minutes into an event that stands still."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, ClientSession
from tests.freeze.golden import check, masked
from tests.freeze.harness import PASSWORD, stage

ID = "11111111-2222-4333-8444-{:012d}"
VARYING = (
    (r'"csrf": "[^"]+"', '"csrf": "<token>"'),
    (r'"series": \d+', '"series": <number>'),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
)
READS = (
    "/api/v1/zones",
    "/api/v1/doors",
    "/api/v1/state",
    "/api/v1/corrections",
    "/api/v1/session",
    "/api/v1/events?limit=3",
    "/api/v1/events?limit=0",
    "/api/v1/events?after=zzz",
    "/ready",
    "/health",
    "/api/v1/nada",
)
HEADERS = ("/", "/docs", "/static/main.js", "/api/v1/state", "/metrics", "/health", "/openapi.json", "/nada")


def correction(number: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": ID.format(number), "zone": "Zona Sur", "reason": "segundo contador averiado", **more}


def shape(value: Any) -> Any:
    """The value with each leaf as the name of its type, and each list as its first element."""
    if isinstance(value, dict):
        if value and all(key.isdigit() for key in value):
            return {"<minute>": shape(next(iter(value.values())))}
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def lines(value: Any) -> str:
    return masked(json.dumps(value, ensure_ascii=False, indent=1), patterns=VARYING)


async def ask(client: ClientSession, method: str, path: str, body: Any = None, **headers: str) -> tuple[str, Any]:
    """An exchange as text, and the answer's JSON."""
    async with client.request(
        method, path, json=body, headers={key.replace("_", "-"): v for key, v in headers.items()}
    ) as answer:
        text = await answer.text()
    try:
        found = json.loads(text)
    except ValueError:
        found = text[:200]
    sent = "" if body is None else f" {json.dumps(body, ensure_ascii=False)}"
    return f"{method} {path}{sent}\n{answer.status} {lines(found)}\n", found


async def alerts_raised(client: ClientSession) -> list[dict[str, Any]]:
    """The two alerts of the zone that is full, once they are there."""
    async with asyncio.timeout(20):
        while True:
            async with client.get("/api/v1/alerts") as answer:
                found: list[dict[str, Any]] = await answer.json()
            if len(found) >= 2:
                return found
            await asyncio.sleep(0.05)


async def test_reads(tmp_path: Path) -> None:
    """Every address that machines read, and the answer where there is nothing."""
    async with stage(tmp_path) as (_, client):
        alerts = await alerts_raised(client)
        await asyncio.sleep(0.6)  # a state is made anew four times a second, the series twice
        parts = []
        for path in READS:
            text, found = await ask(client, "GET", path)
            if path == "/api/v1/state":
                found.pop("alerts")
                text = f"GET {path} (without alerts)\n{lines(found)}\n"
            parts.append(re.sub(r'"next": "[^"]+"', '"next": "<cursor>"', text))
        _, series = await ask(client, "GET", "/api/v1/series")
        last = {
            name: {key: one[-1] if isinstance(one, list) else one for key, one in zone.items()}
            for name, zone in series["zones"].items()
        }
        parts.append(
            f"GET /api/v1/series, its shape and each zone's last minute\n{lines(shape(series))}\n{lines(last)}\n"
        )
        # When an alert begins within the loading of the event is a matter of chance; what it says is not.
        parts.append(f"GET /api/v1/alerts, its shape\n{lines(shape(alerts))}\n")
        known = sorted((one["kind"], one["subject"], re.sub(r"\d+", "#", one["text"])) for one in alerts)
        parts.append(lines(known))
        check("page/reads.txt", "\n".join(parts))


async def test_corrections(tmp_path: Path) -> None:
    """Log in, correct, undo, log out; and each way in which that is rejected."""
    async with stage(tmp_path) as (_, client):
        parts = []
        path = "/api/v1/corrections"

        async def one(method: str, where: str, body: Any = None, **headers: str) -> Any:
            text, found = await ask(client, method, where, body, **headers)
            parts.append(text)
            return found

        await one("POST", path, correction(delta=1))
        await one("POST", "/api/v1/session", {"name": "Ana Ruiz", "password": "otra"})
        await one("POST", "/api/v1/session", {"name": "Ana Ruiz"})
        async with client.post("/api/v1/session", json={"name": "Ana Ruiz", "password": PASSWORD}) as answer:
            token = (await answer.json())["csrf"]
            cookie = re.sub(r"=[^;]+", "=<…>", answer.headers["set-cookie"], count=1)
            parts.append(f"POST /api/v1/session with the password\n{answer.status} Set-Cookie: {cookie}\n")
        csrf = {"X_CSRF_Token": token}
        await one("GET", "/api/v1/session")
        await one("POST", path, correction(delta=1))
        for body in (correction(), correction(delta=1, count=2), correction(delta=1, zone="Norte"),
                     correction(delta=1, reason=""), correction(delta=1, id="x"), correction(delta=1)):  # fmt: skip
            await one("POST", path, body, **csrf)
        await one("POST", path, correction(delta=1), **csrf)
        await one("POST", path, correction(2, count=3), **csrf)
        await one("POST", f"{path}/{ID.format(1)}/undo", {"id": ID.format(3), "reason": "no era"}, **csrf)
        await one("POST", f"{path}/{ID.format(9)}/undo", {"reason": "no era"}, **csrf)
        await one("POST", f"{path}/{ID.format(1)}/undo", {"reason": "no era"}, **csrf)
        await one("PUT", path, {}, **csrf)
        await one("DELETE", "/api/v1/session", **csrf)
        check("page/corrections.txt", "\n".join(parts))


async def frames(answer: ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    """The stream's fields as they come: ``retry``, and each event with its data."""
    kind = ""
    async for line in answer.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)
        elif name:
            yield name, value


async def test_stream(tmp_path: Path) -> None:
    """The stream's fields: the whole state, what a correction changes, and the sign that the line is alive."""
    async with stage(tmp_path) as (found, client):
        await alerts_raised(client)
        await asyncio.sleep(0.6)
        async with client.get("/api/v1/stream") as answer:
            stream = frames(answer)
            retry, (kind, state) = await anext(stream), await anext(stream)
            parts = [f"{answer.status} {answer.content_type}", f"{retry[0]}: {retry[1]}", f"event: {kind}"]
            parts += ["the state's shape:", lines(shape(state))]
            await found.play(found.at(101))
            changed: dict[str, Any] = {}
            change: dict[str, Any] = {}
            kinds = set()
            patch: dict[str, Any] = {"zones": {}, "doors": {}}  # it may come in several frames
            async with asyncio.timeout(20):
                while "zones" not in changed or not (patch["zones"] and patch["doors"]) or set(change) != {"now"}:
                    kind, change = await anext(stream)
                    kinds.add(kind)
                    changed |= change
                    for part in ("zones", "doors"):
                        patch[part] |= change.get("patch", {}).get(part, {})
            parts += [f"events after it: {sorted(kinds)}", "the changes' shape:"]
            changed = {key: changed[key] for key in sorted(changed) if key != "alerts"}
            for part in ("zones", "doors"):
                changed["patch"][part] = {"<name>": next(iter(patch[part].values()))}
            parts += [lines(shape(changed)), "the zones, then:", lines(changed["zones"])]
        check("page/stream.txt", "\n".join(parts))


async def test_description_and_headers(tmp_path: Path) -> None:
    """The OpenAPI description, and the headers of each kind of answer."""
    async with stage(tmp_path) as (_, client):
        _, description = await ask(client, "GET", "/openapi.json")
        check("page/openapi.json", masked(json.dumps(description, ensure_ascii=False, indent=1, sort_keys=True)))
        parts = []
        for path in HEADERS:
            async with client.get(path) as answer:
                hidden = {"content-length", "etag", "last-modified", "date"}
                shown = {key.lower(): value for key, value in answer.headers.items()}
                parts.append(f"{path} {answer.status}")
                parts += [f"  {key}: {'<…>' if key in hidden else value}" for key, value in sorted(shown.items())]
        check("page/headers.txt", masked("\n".join(parts), patterns=VARYING))
