"""Rows of which some are refused: parted until the refused ones stand alone, or tries have run out. No I/O."""

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from aforo.errors import StoreRejectedRow
from aforo.storage.event_ledger import Entry

_SAMPLES = 2  # rows of a source that stand for all of its rows
_MOST_SAMPLES = 16

Attempt = Callable[[Sequence[Entry]], object]  # writes rows in one transaction; again for those already there: nothing


class Refused(NamedTuple):
    """Rows that are refused, and what was said of the first."""

    reason: str
    entries: list[Entry]


def write_apart(entries: Iterable[Entry], attempt: Attempt, most_tries: int | None = None) -> list[Refused]:
    """Let ``attempt`` write all rows but those that it refuses (StoreRejectedRow); returns these, by reason.

    It is called ``most_tries`` times at most (by default some for each doubling of the rows, hardly ever more than
    there are rows): rows that are still together with a refused one by then count as refused with it.
    """
    # What makes a table refuse a row is mostly what the row says: what says the same stays together. In another order
    # each time, so that rows which were given up with a refused one do not always meet the same one.
    place: defaultdict[int, float] = defaultdict(random.random)
    owed = sorted(entries, key=lambda entry: (place[entry.source], entry))
    tries = _Tries(attempt, most_tries or min(len(owed) + 2, 8 * len(owed).bit_length() + 8))
    found: dict[str, Refused] = {}
    waiting = deque([(owed, "")] if owed else [])
    while waiting:  # in breadth: whoever is refused much must not use up the tries of the others
        some, why = waiting.popleft()
        reason = tries.refusal(some) if tries.left else why
        if reason is None:
            continue
        reasons = _hopeless(some, reason, tries)
        if reasons is None:
            middle = len(some) // 2
            waiting.extend([(some[:middle], reason), (some[middle:], reason)])
            continue
        for entry in some:
            found.setdefault(reasons[entry.source], Refused(reasons[entry.source], [])).entries.append(entry)
    return list(found.values())


class _Tries:
    """An attempt, so many times."""

    def __init__(self, attempt: Attempt, most: int) -> None:
        self._attempt = attempt
        self.left = most

    def refusal(self, entries: Sequence[Entry]) -> str | None:
        """Why they were refused; None where they were written."""
        self.left -= 1
        try:
            self._attempt(entries)
        except StoreRejectedRow as error:
            return str(error)
        return None


def _hopeless(refused: list[Entry], reason: str, tries: _Tries) -> dict[int, str] | None:
    """Why each source is refused, where all of these rows are, or where tries have run out; else None.

    It is judged by two rows of each source: a try for each row takes long. Which two is left to chance: good rows
    among refused ones of their source are come upon in the end.
    """
    mine: dict[int, list[Entry]] = {}
    for entry in refused:
        mine.setdefault(entry.source, []).append(entry)
    if len(refused) == 1 or not tries.left:
        return dict.fromkeys(mine, reason)
    if sum(min(_SAMPLES, len(entries)) for entries in mine.values()) > min(_MOST_SAMPLES, tries.left):
        return None
    reasons: dict[int, str] = {}
    for source, entries in mine.items():
        for entry in random.sample(entries, min(_SAMPLES, len(entries))):
            said = tries.refusal([entry])
            if said is None:
                return None
            reasons[source] = said
    return reasons
