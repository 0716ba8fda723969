"""A process that stores camera events and is killed in the middle of it: ``worker.py URL SEED``.

The seed decides where: before the n-th statement or commit, or at some instant while a statement runs.
"""

import itertools
import os
import random
import signal
import sys
from threading import Timer
from typing import Any

from sqlalchemy import Engine, event
from tests.contract.storage.databases import BOGOTA, START, batch, opened, zones
from tests.contract.storage.scenario import camera_events, pages

from aforo.errors import StoreUnavailable
from aforo.storage import Store


def main(url: str, seed: int) -> None:
    """Store the camera events, in an order that the seed decides, until killed."""
    chance = random.Random(seed)
    _die_at_some_point(chance)
    store = Store(url, zones(), BOGOTA)
    while True:
        try:
            store.open()
            record = opened(store)
            for page in pages(chance, camera_events()):
                store.add(record, batch(*page), START)
        except StoreUnavailable:
            continue


def _die_at_some_point(chance: random.Random) -> None:
    if chance.random() < 0.4:
        Timer(chance.uniform(0.4, 1.2), _die).start()
        return
    left = itertools.count(chance.randint(1, 120), -1)

    def count(*_: Any) -> None:
        if next(left) == 0:
            _die()

    for moment in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(Engine, moment, count)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
