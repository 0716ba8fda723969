"""Rows of which some are refused: parted until the refused ones stand alone, or none but they are left. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from aforo.errors import StoreRejectedRow
from aforo.store.ledger import Entry

_MOST_SAMPLES = 16

Attempt = Callable[[Sequence[Entry]], object]  # writes rows in one transaction; again for those already there: nothing


class Refused(NamedTuple):
    """Rows that are refused, and what was said of the first."""

    reason: str
    entries: list[Entry]


def write_apart(entries: Iterable[Entry], attempt: Attempt) -> list[Refused]:
    """Let ``attempt`` write all rows but those that it refuses (StoreRejectedRow); returns these, by reason."""
    # What makes a table refuse a row is mostly what the row says: what says the same stays together.
    owed = sorted(entries, key=lambda entry: (entry.source, entry))
    found: dict[str, Refused] = {}
    reason = _tried(owed, attempt)
    for one in _parted(owed, reason, attempt) if reason is not None else ():
        found.setdefault(one.reason, Refused(one.reason, [])).entries.extend(one.entries)
    return list(found.values())


def _parted(refused: list[Entry], reason: str, attempt: Attempt) -> list[Refused]:
    if len(refused) == 1:
        return [Refused(reason, refused)]
    middle = len(refused) // 2
    halves = [(half, _tried(half, attempt)) for half in (refused[:middle], refused[middle:])]
    if all(why is not None for _, why in halves) and _hopeless(refused, attempt):
        return [Refused(reason, refused)]
    return [one for half, why in halves if why is not None for one in _parted(half, why, attempt)]


def _hopeless(refused: list[Entry], attempt: Attempt) -> bool:
    """Whether all of them are refused, by the first and the last row of each source: a try for each row takes long."""
    ends: dict[int, list[Entry]] = {}
    for entry in refused:
        ends.setdefault(entry.source, [entry])[1:] = [entry]
    samples = [entry for pair in ends.values() for entry in pair]
    return len(samples) <= _MOST_SAMPLES and all(_tried([entry], attempt) is not None for entry in samples)


def _tried(entries: Sequence[Entry], attempt: Attempt) -> str | None:
    """Why they were refused; None where they were written."""
    if not entries:
        return None
    try:
        attempt(entries)
    except StoreRejectedRow as error:
        return str(error)
    return None
