"""schemathesis calls what the API's description describes, for a while: nothing ends in a fault."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr
from tests.page_harness import PASSWORD, Stage, operators, staged

from aforo.settings import WebSettings

TOKEN = "clave-de-lectura-1938"
SECONDS = (12, 60)  # of requests; the longer run is for a loaded machine, where not all was tested in the first
ENOUGH = 50  # calls
# A cursor is a text that only the page makes; what would change something is refused before its path is read.
LEFT_OUT = "positive_data_acceptance,unsupported_method"


async def session(stage: Stage) -> list[str]:
    """Log in; return the headers that an operator's requests have, as schemathesis takes them."""
    order = {"name": "Ana Ruiz", "password": PASSWORD}
    async with ClientSession(stage.url) as client, client.post("/api/v1/session", json=order) as answer:
        assert answer.status == 200
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return ["-H", f"Cookie: {cookie}", "-H", f"X-CSRF-Token: {(await answer.json())['csrf']}"]


async def run(stage: Stage, arguments: list[str], seconds: int, report: Path) -> Any:
    """Let schemathesis call the API for some seconds, without a failure; return its report."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", f"{stage.url}openapi.json", *arguments,
        "--max-time", str(seconds), "--phases", "coverage,fuzzing", "--seed", "1",
        "--exclude-checks", LEFT_OUT, "--rate-limit", "50/s", "--warnings", "off", "--no-color",
        "--report-json-path", str(report),
        cwd=report.parent, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return json.loads(await asyncio.to_thread(report.read_text))


@pytest.mark.e2e
@pytest.mark.parametrize("who", ["reader", "operator"])
async def test_the_api_does_what_its_description_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, who: str
) -> None:
    settings = WebSettings(operators=operators("Ana Ruiz"), read_token=SecretStr(TOKEN))
    async with staged(tmp_path, settings=settings) as stage:
        await stage.play(stage.at(60))
        if who == "reader":  # the stream has no end
            arguments = ["-H", f"Authorization: Bearer {TOKEN}", "--exclude-path", "/api/v1/stream"]
        else:  # without what ends the session
            arguments = [*await session(stage), "--include-path-regex", "corrections"]
        for seconds in SECONDS:
            found = await run(stage, arguments, seconds, tmp_path / f"report{seconds}.json")
            operations, cases = found["operations"], found["test_cases"]
            if operations["tested"] == operations["selected"] and cases["generated"] > ENOUGH:
                break
        truth = stage.scenario.truth().between(stage.at(0), stage.at(60), stage.scenario.allowed)
        entries = {name: zone.entries for name, zone in stage.live.occupancies.items()}
        assert entries == {name: zone.entries for name, zone in truth.zones.items()}
    assert [record for record in caplog.records if record.exc_info] == []
    assert (operations["tested"], cases["with_failures"]) == (operations["selected"], 0)
    assert cases["generated"] > ENOUGH
