"""Camera events for the tests of the store, and the pages in which they may come."""

import random
from collections.abc import Iterator

from tests.contract.storage.databases import ENTRADA, INGRESO, MINUTE_MS, PUERTA, SALIDA, at

from aforo.models import CameraEvent


def camera_events(size: int = 400, seed: int = 1) -> list[CameraEvent]:
    """Four minutes of people and cars, over four cameras."""
    chance = random.Random(seed)
    names = [ENTRADA, SALIDA, SALIDA, INGRESO, PUERTA]
    return [
        at(chance.randrange(4 * MINUTE_MS), str(number), chance.choice(names), camera=f"CAM{number % 4}")
        for number in range(1, size + 1)
    ]


def pages(chance: random.Random, events: list[CameraEvent]) -> Iterator[list[CameraEvent]]:
    """All events in some order, in pages, a few of them twice."""
    left = chance.sample(events, len(events)) + chance.sample(events, len(events) // 5)
    while left:
        size = chance.randint(1, 40)
        yield left[:size]
        left = left[size:]
