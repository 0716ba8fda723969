"""Event → history row, movement in a zone, or refused with a reason. Pure: the same name always means the same."""

from collections import Counter
from collections.abc import Iterable, Sequence, Set

from aforo.models import (
    Batch,
    CameraEvent,
    Classification,
    ExclusionReason,
    Matcher,
    Movement,
    Page,
    ScheduledEvent,
    Zone,
)

# Names come from outside: however many different ones a server sends, the memory for their verdicts is bounded.
_MOST_NAMES = 20_000


class Rules:
    """The stadium's rules: which names go into the history, which move which zone."""

    def __init__(self, history: Iterable[Matcher], zones: Sequence[Zone]) -> None:
        self._history = tuple(history)
        self._zones = tuple(zones)
        self._verdicts: dict[str, Classification] = {}
        self._news: list[tuple[str, Classification]] = []

    @property
    def fingerprint(self) -> str:
        """A text that changes whenever a rule, a zone or an initial aforo does."""
        lines = [f"history {matcher}" for matcher in self._history]
        for zone in self._zones:
            lines.append(f"zone {zone.name} {zone.table} initial {zone.initial}")
            lines += [f"  + {matcher}" for matcher in zone.entries] + [f"  - {matcher}" for matcher in zone.exits]
        return "\n".join(lines)

    def verdict(self, name: str) -> Classification:
        """What an ``analyticEventName`` means, whatever its case."""
        known = self._verdicts.get(name)
        if known is None:
            if len(self._verdicts) >= _MOST_NAMES:
                self._verdicts = {}  # not cleared: the writer's thread may be reading it
            known = self._verdicts[name] = self._judge(name.upper())
            self._news.append((name, known))
        return known

    def classify_page(self, page: Page, event: ScheduledEvent, cameras: Set[str]) -> Batch:
        """Split a page into what is stored and what is refused, each refusal with its camera and its reason."""
        since, until = event.window
        # By position and a name at a time: this runs for every event that was ever asked for.
        ours = [one for one in page.events if one[3] in cameras and since <= one[2] < until]
        meant = {name: self.verdict(name) for name in dict.fromkeys([one[4] for one in ours])}
        fine = {name for name, verdict in meant.items() if verdict.refusal is None}
        accepted = [one for one in ours if one[4] in fine]
        refused: Counter[tuple[str, str]] = Counter()
        if len(accepted) < len(page.events):
            for acc_event in page.events:
                refusal = self._refusal(acc_event, event, cameras)
                if refusal is not None:
                    refused[acc_event.camera_id, refusal] += 1
        for reason in page.malformed:
            refused["", reason] += 1
        return Batch(events=accepted, classifications=meant, refused=refused)

    def _refusal(self, acc_event: CameraEvent, event: ScheduledEvent, cameras: Set[str]) -> ExclusionReason | None:
        if acc_event.camera_id not in cameras:
            return ExclusionReason.CAMERA
        if not event.window.since <= acc_event.occurred_at < event.window.until:
            return ExclusionReason.OUTSIDE
        return self.verdict(acc_event.name).refusal

    def news(self) -> list[tuple[str, Classification]]:
        """The names judged for the first time since the last call: what is odd about one is reported once."""
        news, self._news = self._news, []
        return news

    def _judge(self, upper_name: str) -> Classification:
        history = any(matcher.matches(upper_name) for matcher in self._history)
        movements = []
        ambiguous = False
        for zone in self._zones:
            enters = any(matcher.matches(upper_name) for matcher in zone.entries)
            leaves = any(matcher.matches(upper_name) for matcher in zone.exits)
            ambiguous |= enters and leaves
            if enters != leaves:
                movements.append(Movement(zone.name, 1 if enters else -1))
        if history or movements:
            return Classification(history, tuple(movements), ambiguous=ambiguous)
        return Classification(False, (), ExclusionReason.AMBIGUOUS if ambiguous else ExclusionReason.NO_RULE)
