"""Random answers of the camera server and random settings: nothing that comes in ends the program.

Each takes ``AFORO_FUZZ_SECONDS`` seconds (5), with other examples in each run; ``python3 dev.py fuzz`` takes ten
minutes. A failure prints its example; hypothesis keeps it in ``.hypothesis`` and tries it first next time.
"""

import json
import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given, seed, settings
from hypothesis import strategies as st
from tests.unit.any_names import HOSTILE

from aforo.avigilon.errors import ApiError, parse_error, to_acc_error
from aforo.avigilon.payloads import decode_cameras, decode_servers, decode_session
from aforo.avigilon.tolerant_decoding import decode_events
from aforo.errors import AforoError, BadInput, BadSetting
from aforo.inputs.camera_list import load_cameras
from aforo.inputs.schedule import Schedule
from aforo.models import CameraEvent
from aforo.outside_text import visible
from aforo.redaction import Mask
from aforo.settings import Settings, load
from aforo.settings.reference import rows

SECONDS = float(os.environ.get("AFORO_FUZZ_SECONDS", "5"))

EVENT = {
    "type": "DEVICE_ANALYTICS_STOP", "timestamp": "2026-01-17T21:35:55.048Z", "analyticEventName": "PUERTA 12",
    "area": "", "activity": "OBJECT_COUNTING_ENTER", "cameraId": "camera", "thisId": "32732", "linkedEventId": "32731",
    "originatingServerId": "origin", "classifiedObjects": [{"subclass": "PERSON_BODY", "objectId": 32775346}],
    "cameraIds": [], "entityIds": [],
}  # fmt: skip
PAGE = {"status": "success", "result": {"events": [EVENT | {"thisId": str(n)} for n in range(5)], "token": "t"}}
LISTS = {"status": "success", "result": {"cameras": [{"id": "a", "name": "A"}], "servers": [{"id": "s", "name": "S"}]}}
LOGIN = {"status": "success", "result": {"session": "s" * 40, "externalUserId": "", "domainId": ""}}
FAILURE = {"status": "error", "statusCode": 404, "message": "camera not found.", "meta": {"code": -25, "name": "NO"}}
PIECES = [
    b"\x00", b"\xff", b'"', b"\\", b"\\u", b"\\ud800", b"{", b"}", b"[", b"]", b",", b":", b"NaN", b"1e999", b"null",
    b"[" * 2000, b'{"a":' * 2000, b"9" * 5000, b"\x1b]0;", b"\xe2\x80\xae", b"\xef\xbb\xbf", b'"events":[',
    b'"token":',
]  # fmt: skip

texts = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=()), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """An answer with changed values and changed bytes."""
    document = json.loads(json.dumps(draw(st.sampled_from([PAGE, LISTS, LOGIN, FAILURE]))))
    for _ in range(draw(st.integers(0, 3))):
        place: Any = document
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys))
            if draw(st.booleans()) or not isinstance(place[key], dict | list):
                place[key] = draw(values)
                break
            place = place[key]
    body = bytearray(json.dumps(document).encode())
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 5))] = draw(st.sampled_from(PIECES) | st.binary(max_size=4))
    return bytes(body[: draw(st.integers(0, len(body)))] if draw(st.integers(0, 9)) == 0 else body)


def run(examples: st.SearchStrategy[Any], test: Callable[[Any], None]) -> None:
    """Run a test on examples for the time that there is, each round with another seed."""
    bounded = settings(max_examples=200, deadline=None, derandomize=False)(given(examples)(test))
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        seed(random.randrange(1 << 30))(bounded)()


def test_answers() -> None:
    mask = Mask(["secret-1"])

    def decode(body: bytes) -> None:
        for decoder in (decode_session, decode_servers, decode_cameras):
            try:
                decoder(body)
            except (AforoError, ApiError):
                continue
        try:
            answer = decode_events(body, "queried")
        except (AforoError, ApiError):
            return
        assert answer.received >= len(answer.events) + len(answer.malformed)
        for event in answer.events:
            assert isinstance(event, CameraEvent)
            "".join((*event[:2], *event[3:])).encode()
            assert max(map(len, (event.name, event.area, event.activity, event.this_id))) <= 1000
        answer.token.encode()

    run(bodies(), decode)

    def fail(example: tuple[int, bytes]) -> None:
        failure = to_acc_error(parse_error(*example), mask)
        assert visible(str(failure)) == str(failure)
        assert len(str(failure)) < 2_000

    run(st.tuples(st.sampled_from([200, 400, 401, 404, 500, 999]), bodies()), fail)


def test_settings() -> None:
    names = sorted(rows())

    def read(given: dict[str, str]) -> None:
        with suppress(BadSetting):
            assert isinstance(load(given), Settings)

    named = st.sampled_from([f"AFORO_{name.replace('.', '__').upper()}" for name in names])
    run(st.dictionaries(named, texts | values.map(json.dumps), max_size=4), read)


def test_the_two_files(tmp_path: Path) -> None:
    path, timezone = tmp_path / "file.json", Settings().monitor.timezone
    events = {"2026-01-27": {"nombre": "Final", "hora_inicio": "16:00", "hora_fin": "23:00"}}

    def read(body: bytes) -> None:
        path.write_bytes(body)
        for reader in (partial(Schedule.load, timezone=timezone), load_cameras):
            with suppress(BadInput):
                reader(path)

    plain = st.sampled_from([json.dumps(events).encode(), b'["CAM1", "CAM2"]'])
    damaged = st.tuples(plain, st.integers(0, 80), st.sampled_from(PIECES) | st.binary(max_size=4)).map(
        lambda drawn: drawn[0][: drawn[1]] + drawn[2] + drawn[0][drawn[1] :]
    )
    run(damaged | values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=50), read)
