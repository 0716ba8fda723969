"""What a camera event means: a history row, movements in zones, or excluded with a reason. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set

from aforo.models import (
    Batch,
    CameraEvent,
    Classification,
    EventSource,
    Exclusion,
    ExclusionReason,
    Malformed,
    Movement,
    Page,
    Rule,
    ScheduledEvent,
    Zone,
    comparable_source,
    identity_number,
)

# Sources and names come from outside: however many a server sends, the memory for them is bounded.
_MOST_SOURCES = 100_000
_MOST_NAMES = 20_000


class Rules:
    """The stadium's rules: which camera events go into the history, which move which zone.

    A camera event's meaning depends on its source alone, so the same source always means the same.
    """

    def __init__(self, history: Iterable[Rule], zones: Sequence[Zone]) -> None:
        self._history = tuple(history)
        self._zones = tuple(zones)
        self._outer = outer_zones(zones)
        self._known: dict[tuple[str, str, str, str], Classification] = {}
        self._reported: set[tuple[str, Classification]] = set()
        self._new_names: list[tuple[EventSource, Classification]] = []

    @property
    def by_name(self) -> bool:
        """Whether the name alone decides which events are stored."""
        rules = [*self._history, *(rule for zone in self._zones for rule in (*zone.entries, *zone.exits))]
        return all(rule.by_name or rule.stored for rule in rules)

    @property
    def fingerprint(self) -> str:
        """A text that changes whenever a rule, a zone or an initial occupancy does."""
        lines = [f"history {rule}" for rule in self._history]
        for zone in self._zones:
            within = f" within {zone.within}" if zone.within else ""
            lines.append(f"zone {zone.name} {zone.table} initial {zone.initial}{within}")
            lines += [f"  + {rule}" for rule in zone.entries] + [f"  - {rule}" for rule in zone.exits]
        return "\n".join(lines)

    def classify(self, source: EventSource) -> Classification:
        """What a camera event of that source means; it is matched as ``comparable_source`` returns it."""
        known = self._known.get(source)
        if known is None:
            if len(self._known) >= _MOST_SOURCES:
                self._known = {}  # not cleared: the database's thread may be reading it
            known = self._known[source] = self._classify(comparable_source(source))
            meaning = (source.name, known)
            if meaning not in self._reported:
                if len(self._reported) >= _MOST_NAMES:
                    self._reported = set()
                self._reported.add(meaning)
                self._new_names.append((source, known))
        return known

    def classify_page(self, page: Page, event: ScheduledEvent, cameras: Set[str]) -> Batch:
        """Split a page into what is stored and what is excluded, each exclusion with its camera and its reason."""
        since, until = event.window
        # By position and one source at a time: this runs for every camera event that is ever read.
        inside = [one for one in page.events if one[3] in cameras and since <= one[2] < until]
        meanings = {key: self.classify(EventSource._make(key)) for key in dict.fromkeys(one[3:] for one in inside)}
        excluded_sources = {key for key, meaning in meanings.items() if meaning.exclusion is not None}
        accepted = [one for one in inside if one[3:] not in excluded_sources] if excluded_sources else inside
        excluded: list[Exclusion] = []
        if len(accepted) < len(page.events):
            for camera_event in page.events:
                reason = self._exclusion(camera_event, event, cameras)
                if reason is not None:
                    excluded.append(Exclusion(camera_event.camera_id, reason, identity_number(camera_event)))
        excluded += _malformed(page.malformed)
        return Batch(events=accepted, classifications=meanings, excluded=excluded)

    def take_new_names(self) -> list[tuple[EventSource, Classification]]:
        """The names classified for the first time since the last call, so that each is reported once.

        Of a name with several meanings, by its activity, area or camera, a source with each.
        """
        names, self._new_names = self._new_names, []
        return names

    def _exclusion(self, camera_event: CameraEvent, event: ScheduledEvent, cameras: Set[str]) -> ExclusionReason | None:
        if camera_event.camera_id not in cameras:
            return ExclusionReason.CAMERA
        if not event.window.since <= camera_event.occurred_at < event.window.until:
            return ExclusionReason.OUTSIDE
        return self.classify(camera_event.source).exclusion

    def _classify(self, source: EventSource) -> Classification:
        history = any(rule.matches(source, stored=False) for rule in self._history)
        deltas: dict[str, int] = {}  # of each zone with a rule for it; 0: an entry and an exit at once
        for zone in self._zones:
            enters = any(rule.matches(source, stored=history) for rule in zone.entries)
            leaves = any(rule.matches(source, stored=history) for rule in zone.exits)
            if enters or leaves:
                deltas[zone.name] = enters - leaves
        # A passage through an inner door stays inside the zones around.
        around = {outer for zone in deltas for outer in self._outer[zone]}
        deltas = {zone: delta for zone, delta in deltas.items() if zone not in around}
        movements = tuple(Movement(zone, delta) for zone, delta in deltas.items() if delta)
        ambiguous = 0 in deltas.values()
        if history or movements:
            return Classification(history, movements, ambiguous=ambiguous)
        return Classification(False, (), ExclusionReason.AMBIGUOUS if ambiguous else ExclusionReason.NO_RULE)


def outer_zones(zones: Sequence[Zone]) -> dict[str, tuple[str, ...]]:
    """The zones in which each one lies, the nearest first. Raises ValueError where one lies in itself."""
    within = {zone.name: zone.within for zone in zones}
    found: dict[str, tuple[str, ...]] = {}
    for zone in zones:
        outer: list[str] = []
        name = zone.within
        while name:
            if name in (zone.name, *outer):
                raise ValueError(zone.name)
            outer.append(name)
            name = within.get(name, "")
        found[zone.name] = tuple(outer)
    return found


def _malformed(malformed: Iterable[Malformed]) -> Iterator[Exclusion]:
    """The exclusions of a page's events that cannot be used."""
    ordinals: Counter[int] = Counter()
    for reason, content, camera_id, has_id in malformed:
        yield Exclusion(camera_id, reason, hash((content, 0 if has_id else ordinals[content])))
        ordinals[content] += 1
