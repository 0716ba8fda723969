"""Which doors report nothing while doors like them do. Pure statistics over the crossings by minute."""

from collections.abc import Mapping

from aforo.counting.doors import Crossings, Door, Doors

_SURELY_SOME = 8.0  # crossings expected and none reported: by chance once in three thousand times (e⁻⁸)
_KNOWN_TO_COUNT = 30  # crossings after which a door is known to report


def silent_doors(doors: Doors, since_ms: int, until_ms: int) -> dict[str, bool | None]:
    """Return which doors that reported before ``[since_ms, until_ms)`` report nothing in it, though those like them do.

    A door's share of what its group reported before gives how much it should have reported now. Its group are the doors
    of its zone, or, where no other door of the zone goes its way, all doors that move a zone; entries are compared with
    entries, exits with exits. True: silent; False: it reports; None: it cannot be known.
    """
    now = {door.name: door.between(since_ms, until_ms) for door in doors}
    before = {door.name: _minus(door.total, now[door.name]) for door in doors}
    groups = _groups(doors)
    return {door.name: _is_silent(door, groups[door.name], before, now) for door in doors}


def _is_silent(
    door: Door, group: list[str], before: Mapping[str, Crossings], now: Mapping[str, Crossings]
) -> bool | None:
    if now[door.name].total:
        return False
    if before[door.name].total < _KNOWN_TO_COUNT:
        return None
    expected = 0.0
    for direction in range(3):  # entries, exits, others
        all_before = sum(before[name][direction] for name in group)
        if all_before:
            share = before[door.name][direction] / all_before
            expected += share * sum(now[name][direction] for name in group)
    return True if expected >= _SURELY_SOME else None


def _groups(doors: Doors) -> dict[str, list[str]]:
    zones: dict[str, list[str]] = {}
    for door in doors:
        zones.setdefault(door.zone, []).append(door.name)
    moving = [door.name for door in doors if door.zone]
    return {door.name: zones[door.zone] if not door.zone or _has_like(door, doors) else moving for door in doors}


def _has_like(door: Door, doors: Doors) -> bool:
    """Return whether another door of its zone has crossings in a direction in which this one has some."""
    return any(
        other is not door
        and other.zone == door.zone
        and any(mine and theirs for mine, theirs in zip(door.total, other.total, strict=True))
        for other in doors
    )


def _minus(total: Crossings, part: Crossings) -> Crossings:
    return Crossings(*(a - b for a, b in zip(total, part, strict=True)))
