"""Between what and what the truth lies, where cameras count. Pure.

The count is what ACC has, exactly once; the estimate is what it says about people. It never changes the count.

**Model.** At a door, people = counted · factor + chance. Factors and chance are Gaussian, so that the occupancy at an
instant, and whatever is known of it, are linear forms of the same Gaussian unknowns, and conditioning is exact:

    factor of a door and direction
        = what is common to all doors      long-run part, this event's part, drift within the event
        + half of what sets entries apart from exits (with the opposite sign for exits)
        + the door's own part              long-run, this event's, drift
        + the part of that direction alone long-run, this event's

Conservation of people (a zone that is known to be empty) shows how entries and exits differ. It says nothing of the
common factor: if every door misses one in ten, the residual at the end is near nothing and the peak is a tenth low.
Only a number that was counted otherwise narrows that one: a manual count, or a ticket count.

What is known enters as observations: such counts, empty zones, and that no zone ever held less than nobody (which is
how unmatched exits prove missed entries; an inequality, taken in by matching the moments of the cut Gaussian). Past
events enter as their own observations, which share the long-run parts with this event: a set, so that neither their
order nor a second learning of the same event makes a difference.

How large the spreads of long-run and event parts are is not known either. They are multiplied by each pair of a small
grid, and each pair is weighed by how well it predicts all observations; the interval is that of the mixture.

**Sizes.** Published accuracies of counters above doors, against manual counts, are the source of the factory spreads:
Pronello and Garzón Ruiz, Sensors 23 (2023) 7719: a video counter sold as 98 % accurate, and a simple one, both far
below that in daily use; van Oosterhout et al. (SciTePress 2012): stereo heads 20 % low over a whole day, and 28 to 36 %
when it is busy; Olivo et al., Open Transp. J. 13 (2019) 250: infrared counters some per cent low, boarding other than
alighting; Axis, «People-counting technologies»: which conditions make a good installation lose accuracy. Counters miss
more than they invent, because people hide each other. A site whose cameras were set up with care is assumed: between
15 % too few and 5 % too many for 19 of 20 sites, 5 % for a door of its own, and 3 % between its two directions.
"""

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

from aforo.counting.gaussian import Conditioned, Normal, not_negative, quantile
from aforo.counting.uncertainty import (
    BALANCE,
    COMMON,
    DOOR,
    FACTOR,
    ONE_DIRECTION,
    Anchor,
    Cause,
    Door,
    DoorMinutes,
    EntriesAnchor,
    Form,
    Jump,
    Moved,
    ZoneEvent,
    chance,
    dot,
)
from aforo.models import Window, from_ms, to_ms

__all__ = [
    "Anchor",
    "Band",
    "Cause",
    "Contribution",
    "Door",
    "DoorMinutes",
    "EntriesAnchor",
    "Estimate",
    "Evidence",
    "History",
    "Moved",
    "estimate",
    "learn",
    "together",
]

_TAIL = 0.025  # on either side of the interval
_SPREADS = 1.96  # of a normal distribution on either side of it

_SCALES_LONG = ((0.5, 0.25), (1.0, 0.5), (2.0, 0.25))  # factors of the long-run spreads, and their prior weights
_SCALES_EVENT = ((0.4, 0.1), (0.65, 0.2), (1.0, 0.4), (1.6, 0.2), (2.6, 0.1))
_LEAST_WEIGHT = 1e-3  # of a pair of scales, by the likeliest: others change nothing
_MOST_CONSTRAINTS = 3
_NEAR_ZERO = 1.6  # spreads: a zone that surely held more is not changed by knowing that it held nobody at least
_INCREDIBLE = 5.0  # spreads: a count as far from what is expected is no matter of factors
_MOST_EVENTS = 12  # of the past
_MOST_PAST_OBSERVATIONS = 4  # of each of them


class Contribution(NamedTuple):
    """The part of an interval's variance that comes from a cause, from 0 to 1."""

    cause: Cause
    share: float


class Band(NamedTuple):
    """Between what and what the truth lay at an instant (aware UTC), 19 times in 20; ``mode``: most likely."""

    at: datetime
    low: int
    mode: int
    high: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Between what and what the truth lies, 19 times in 20, and why it is not narrower: the largest cause first.

    ``common`` is what the interval has on either side from what other zones of these cameras share. ``bands``: the same
    at earlier instants, by all that is known now: a later count narrows them too. ``doubtful``: when counts were made
    that the cameras can not have missed by so much; from there on the people are those counts and what passed since.
    The count may lie outside.
    """

    low: int
    mode: int
    high: int
    why: Sequence[Contribution] = ()
    common: float = 0.0
    bands: Sequence[Band] = ()
    doubtful: Sequence[datetime] = ()

    @property
    def width(self) -> int:
        """How wide the interval is."""
        return self.high - self.low


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one past event says: its observations, each as what was known less what is no matter of factors.

    ``counted``: for each observation, the signed crossings of each of the ``doors`` until then. What the observations
    vary together by is ``event`` for the parts of that event alone, and ``fixed`` for what is no factor.
    """

    doors: Sequence[Door]
    values: Sequence[float]
    counted: Sequence[Sequence[float]]
    event: Sequence[Sequence[float]]
    fixed: Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class History:
    """What past events say, by ids that sort as the events began: learning one again replaces what it said."""

    events: Mapping[str, Evidence] = field(default_factory=dict)


def estimate(  # noqa: PLR0913 -- all that is known of a zone
    zone: str,
    minutes: DoorMinutes,
    *,
    at: datetime,
    anchors: Sequence[Anchor | EntriesAnchor] = (),
    blind: Mapping[Door, Sequence[Window]] | None = None,
    one_way: Set[Door] = frozenset(),
    moved: Sequence[Moved] = (),
    history: History | None = None,
    initial: float = 0.0,
    instants: Iterable[datetime] = (),
) -> Estimate:
    """Return between what and what the people in a zone are at an instant, by what is known until then.

    ``blind``: when the camera of a door could not see. ``one_way``: doors whose other direction nobody counts.
    ``moved``: plain corrections. ``initial``: how many were inside at the start. ``instants``: those of the bands. What
    lies after ``at``, and what is of other zones, is left out.
    """
    made = partial(ZoneEvent, zone, minutes, to_ms(at), blind or {}, one_way, moved, initial)
    known = _Known(made(), anchors, history or History())
    jumps = known.jumps
    if jumps:
        known = _Known(made(jumps), anchors, history or History())
    bands = [Band(instant, *known.interval(to_ms(instant))) for instant in instants if instant <= at]
    doubtful = tuple(from_ms(jump.at_ms) for jump in jumps)
    return replace(known.estimate(to_ms(at)), bands=bands, doubtful=doubtful)


def learn(  # noqa: PLR0913 -- as above
    event_id: str,
    zone: str,
    minutes: DoorMinutes,
    *,
    until: datetime,
    anchors: Sequence[Anchor | EntriesAnchor],
    history: History,
    blind: Mapping[Door, Sequence[Window]] | None = None,
    one_way: Set[Door] = frozenset(),
    moved: Sequence[Moved] = (),
    initial: float = 0.0,
) -> History:
    """Return the history with what an event says that is over; without anchors it says nothing.

    Learned again, it replaces what the same ``event_id`` said before. Counts that no factor explains are left out.
    """
    others = {key: evidence for key, evidence in history.events.items() if key != event_id}
    made = partial(ZoneEvent, zone, minutes, to_ms(until), blind or {}, one_way, moved, initial)
    jumps = _Known(made(), anchors, History(others)).jumps
    event = made(jumps)
    doubtful = {jump.at_ms for jump in jumps}
    credible = [one for one in event.observations(anchors) if one.at_ms not in doubtful]
    observations = credible[-_MOST_PAST_OBSERVATIONS:]
    if not observations:
        return History(others)
    forms = [one.form for one in observations]
    fixed = [[dot(form.fixed, other.fixed) for other in forms] for form in forms]
    for place, one in enumerate(observations):
        fixed[place][place] += one.sd**2
    evidence = Evidence(
        doors=event.doors,
        values=[one.value - one.form.offset for one in observations],
        counted=[form.counted for form in forms],
        event=[[dot(form.event, other.event) + chance(form, other) for other in forms] for form in forms],
        fixed=fixed,
    )
    return History(others | {event_id: evidence})


def together(estimates: Sequence[Estimate]) -> Estimate:
    """Return the interval of zones that are added up: what is common to them adds up, the rest partly cancels out."""
    now = _together([(one.low, one.mode, one.high) for one in estimates], [one.common for one in estimates])
    # What is common grows with the people inside.
    shares = [one.common / max(1, one.mode) for one in estimates]
    bands = [
        Band(
            same[0].at,
            *_together([band[1:] for band in same], [s * band.mode for s, band in zip(shares, same, strict=True)]),
        )
        for same in zip(*(one.bands for one in estimates), strict=False)
    ]
    weights: dict[Cause, float] = {}
    for one in estimates:
        for cause, share in one.why:
            weights[cause] = weights.get(cause, 0.0) + share * one.width**2
    doubtful = sorted({at for one in estimates for at in one.doubtful})
    return Estimate(*now, _ranked(weights), sum(one.common for one in estimates), bands, doubtful)


def _together(intervals: Sequence[tuple[int, int, int]], common: Sequence[float]) -> tuple[int, int, int]:
    mode = sum(middle for _, middle, _ in intervals)
    below, above = (
        math.hypot(
            sum(map(min, common, sides)),
            *(math.sqrt(max(0.0, side**2 - part**2)) for side, part in zip(sides, common, strict=True)),
        )
        for sides in (
            [middle - low for low, middle, _ in intervals],
            [high - middle for _, middle, high in intervals],
        )
    )
    return max(0, math.floor(mode - below)), mode, math.ceil(mode + above)


class _Covariances(NamedTuple):
    """How a form varies together with each observation and, last, with itself, by kinds of unknowns.

    ``always``: what is common to all doors in the long run, and what is no factor; ``long``: the other long-run parts;
    ``event``: this event's parts and chance. The last two have a scale each.
    """

    expected: float
    always: Sequence[float]
    long: Sequence[float]
    event: Sequence[float]

    def scaled(self, long: float, event: float) -> list[float]:
        """All of them together, where the spreads are so many times as large."""
        long, event = long * long, event * event
        return [a + long * b + event * c for a, b, c in zip(self.always, self.long, self.event, strict=True)]


class _Cell:
    """The observations under one pair of scales; ``log_weight`` tells how well that pair predicts them."""

    def __init__(self, long: float, event: float, prior: float) -> None:
        self._long, self._event = long, event
        self._log_prior = math.log(prior)
        self._conditioned = Conditioned()

    @property
    def log_weight(self) -> float:
        return self._log_prior + self._conditioned.log_likelihood

    def predict(self, form: _Covariances) -> tuple[float, float]:
        *covariances, variance = form.scaled(self._long, self._event)
        return self._conditioned.predict(form.expected, variance, covariances)

    def observe(self, form: _Covariances, value: float, error: float) -> None:
        *covariances, variance = form.scaled(self._long, self._event)
        self._conditioned.observe(value - form.expected, variance + error, covariances)

    def forbid_negative(self, form: _Covariances) -> None:
        """Take in that a form is not below zero, as the observation that gives it the mean and variance it then has."""
        mean, variance = self.predict(form)
        probability, cut_mean, cut_variance = not_negative(mean, max(variance, 1.0))
        error = 1 / max(1e-9, 1 / cut_variance - 1 / max(variance, 1.0))
        before = self._conditioned.log_likelihood
        self.observe(form, mean + (cut_mean - mean) * (variance + error) / max(variance, 1.0), error)
        self._log_prior += before + math.log(probability) - self._conditioned.log_likelihood

    def weights(self, form: _Covariances) -> list[float]:
        *covariances, _ = form.scaled(self._long, self._event)
        return self._conditioned.weights(covariances)

    @property
    def scales(self) -> tuple[float, float]:
        return self._long, self._event


class _Row(NamedTuple):
    """An observation: its long-run features; its form and its error, where it is of this event."""

    long: Sequence[float]
    form: Form | None = None
    error: float = 0.0


class _Known:
    """The observations of an event and of past ones, and what they say of a form of this event."""

    def __init__(self, event: ZoneEvent, anchors: Sequence[Anchor | EntriesAnchor], history: History) -> None:
        past = [history.events[key] for key in sorted(history.events)[-_MOST_EVENTS:]]
        self._event = event
        self._doors = {
            door: place for place, door in enumerate({*event.doors, *(d for one in past for d in one.doors)})
        }
        names = {(door.name, door.camera) for door in self._doors}
        self._names = {name: place for place, name in enumerate(names)}
        self._rows: list[_Row] = []
        self._cells = [
            _Cell(long, event_scale, prior * weight)
            for long, prior in _SCALES_LONG
            for event_scale, weight in _SCALES_EVENT
        ]
        for evidence in past:
            self._recall(evidence)
        self.jumps: list[Jump] = []  # what it takes to explain the counts that are too far from what was expected
        for at_ms, form, value, sd in event.observations(anchors):
            covariances = self._covariances(form)
            likeliest = max(self._cells, key=lambda cell: cell.log_weight)
            mean, variance = likeliest.predict(covariances)
            if abs(value - mean) > _INCREDIBLE * math.sqrt(variance + sd * sd):
                self.jumps.append(Jump(at_ms, abs(value - mean)))
            for cell in self._cells:
                cell.observe(covariances, value, sd * sd)
            self._rows.append(_Row(self._long(event.doors, form.counted), form, sd * sd))
        self._forbid_negative()
        highest = max(cell.log_weight for cell in self._cells)
        likely = [(math.exp(cell.log_weight - highest), cell) for cell in self._cells]
        kept = [(weight, cell) for weight, cell in likely if weight > _LEAST_WEIGHT]
        total = sum(weight for weight, _ in kept)
        self._weighed = [(weight / total, cell) for weight, cell in kept]

    def interval(self, at_ms: int) -> tuple[int, int, int]:
        """Between what and what the people inside at an instant lie, with the most likely number: low, mode, high."""
        covariances = self._covariances(self._event.occupancy(at_ms))
        mixture = [Normal(weight, *cell.predict(covariances)) for weight, cell in self._weighed]
        low = quantile(mixture, _TAIL)
        # Nobody is less than nobody: the upper bound is that of the part that lies above.
        high = quantile(mixture, 1 - _TAIL * (1 - sum(one.weight * one.below(0.0) for one in mixture)))
        mean = sum(one.weight * one.mean for one in mixture)
        whole = max(0, math.floor(low)), max(0, round(mean)), max(0, math.ceil(high))
        return whole[0], min(max(whole[1], whole[0]), whole[2]), whole[2]

    def estimate(self, at_ms: int) -> Estimate:
        """The interval at an instant, and what its width comes from under the likeliest scales."""
        causes = self._causes(self._event.occupancy(at_ms))
        return Estimate(*self.interval(at_ms), _ranked(causes), _SPREADS * math.sqrt(causes[Cause.COMMON]))

    def _recall(self, evidence: Evidence) -> None:
        """Take in what a past event says: with this one it shares the long-run parts alone."""
        first = len(self._rows)
        for place, (value, counted) in enumerate(zip(evidence.values, evidence.counted, strict=True)):
            long = self._long(evidence.doors, counted)
            rows = [*self._rows, _Row(long)]
            apart = [0.0] * first
            event, fixed = evidence.event[place][: place + 1], evidence.fixed[place][: place + 1]
            covariances = _Covariances(
                FACTOR * sum(counted),
                [long[0] * row.long[0] + own for row, own in zip(rows, [*apart, *fixed], strict=True)],
                [dot(long[1:], row.long[1:]) for row in rows],
                [*apart, *event],
            )
            for cell in self._cells:
                cell.observe(covariances, value, 0.0)
            self._rows.append(_Row(long))

    def _forbid_negative(self) -> None:
        """Take in that the zone never held less than nobody, at the instants where that says most."""
        forms = self._event.near_empty()
        for _ in range(_MOST_CONSTRAINTS):
            likeliest = max(self._cells, key=lambda cell: cell.log_weight)
            found = []
            for place, form in enumerate(forms):
                mean, variance = likeliest.predict(self._covariances(form))
                if variance > 1.0 and mean < _NEAR_ZERO * math.sqrt(variance):
                    found.append((mean / math.sqrt(variance), place))
            if not found:
                return
            form = forms.pop(min(found)[1])
            covariances = self._covariances(form)
            for cell in self._cells:
                cell.forbid_negative(covariances)
            self._rows.append(_Row(self._long(self._event.doors, form.counted), form))

    def _long(self, doors: Sequence[Door], counted: Sequence[float]) -> list[float]:
        """What a form has of each long-run unknown: what is common, entries against exits, doors, their directions."""
        features = [0.0] * (2 + len(self._names) + len(self._doors))
        for door, count in zip(doors, counted, strict=True):
            features[0] += COMMON * count
            features[1] += BALANCE * abs(count) / 2
            features[2 + self._names[door.name, door.camera]] += DOOR * count
            features[2 + len(self._names) + self._doors[door]] = ONE_DIRECTION * count
        return features

    def _covariances(self, form: Form) -> _Covariances:
        long = self._long(self._event.doors, form.counted)
        always, event = [], []
        for row in [*self._rows, _Row(long, form)]:
            shared = row.form
            always.append(long[0] * row.long[0] + (dot(form.fixed, shared.fixed) if shared else 0.0))
            event.append(dot(form.event, shared.event) + chance(form, shared) if shared else 0.0)
        return _Covariances(
            form.expected, always, [dot(long[1:], row.long[1:]) for row in [*self._rows, _Row(long)]], event
        )

    def _causes(self, form: Form) -> dict[Cause, float]:
        """The variance that is left of a form, by cause.

        It is that of the form less a weighed sum of the observations, which again is a sum of independent unknowns.
        """
        _, cell = max(self._weighed, key=lambda one: one[0])
        long_scale, event_scale = cell.scales
        weights = cell.weights(self._covariances(form))
        long = self._long(self._event.doors, form.counted)
        event, fixed = list(form.event), list(form.fixed)
        causes = dict.fromkeys(Cause, 0.0)
        mine = [(1.0, form)]
        for weight, row in zip(weights, self._rows, strict=True):
            _subtract(long, weight, row.long)
            if row.form is not None:
                _subtract(event, weight, row.form.event)
                _subtract(fixed, weight, row.form.fixed)
                causes[Cause.COUNTS] += weight * weight * row.error
                mine.append((-weight, row.form))
        causes[Cause.COMMON] += long[0] ** 2
        causes[Cause.BALANCE] += (long_scale * long[1]) ** 2
        causes[Cause.DOORS] += long_scale**2 * dot(long[2:], long[2:])
        for cause, value in zip(self._event.event_causes, event, strict=True):
            causes[cause] += (event_scale * value) ** 2
        for cause, value in zip(self._event.fixed_causes, fixed, strict=True):
            causes[cause] += value**2
        by_chance = sum(a * b * chance(one, other) for a, one in mine for b, other in mine)
        causes[Cause.CHANCE] += event_scale**2 * max(0.0, by_chance)
        return causes


def _subtract(features: list[float], weight: float, others: Sequence[float]) -> None:
    for place, value in enumerate(others):
        features[place] -= weight * value


def _ranked(causes: Mapping[Cause, float]) -> list[Contribution]:
    """Causes by their share of the variance, the largest first."""
    total = sum(causes.values())
    shares = [Contribution(cause, variance / total) for cause, variance in causes.items() if variance > 0]
    return sorted(shares, key=lambda one: -one.share)
