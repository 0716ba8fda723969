"""Which analytic names of the cameras the rules count: none, one or several rules. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aforo.cli.check.results import Line, ok, warning
from aforo.counting.one_way import Directions
from aforo.counting.rules import Rules
from aforo.models import Classification, EventSource, ExclusionReason, Rule, Zone, comparable_source
from aforo.wording import plural

_REMEDY = "Corrija la regla en aforo.toml o el nombre en ACC."


class _Seen(NamedTuple):
    """What means the same of one name: how it is called, what it means, and the cameras that sent it."""

    label: str
    meaning: Classification
    cameras: Sequence[str]


def rule_lines(
    seen: Mapping[str, Counter[EventSource]], rules: Rules, history: Sequence[Rule], zones: Sequence[Zone]
) -> list[Line]:
    """Return the lines about what each camera (by its display name) sent recently."""
    sources = [source for counted in seen.values() for source in counted]
    if not sources:
        return [
            warning(
                "names",
                "Ninguna cámara permitida envió eventos en estos días: no se pueden comprobar las reglas.",
                "Cruce una puerta y repita, o mire más atrás con --days.",
            )
        ]
    names = _names(seen, rules)
    return [_counted(names), *_unusual(names), *_one_way(seen, rules), *_unused(sources, rules, history, zones)]


def _names(seen: Mapping[str, Counter[EventSource]], rules: Rules) -> list[_Seen]:
    """Return every name by its meanings. A name with several meanings has its activities and areas beside it."""
    found: defaultdict[str, defaultdict[Classification, list[tuple[EventSource, str]]]]
    found = defaultdict(lambda: defaultdict(list))
    for camera, counted in seen.items():
        for source in counted:
            found[source.name][rules.classify(source)].append((source, camera))
    names = []
    for name, meanings in sorted(found.items()):
        for meaning, sent in meanings.items():
            places = sorted({", ".join(filter(None, (one.activity, one.area))) or "sin actividad" for one, _ in sent})
            label = f"«{name}»" if len(meanings) == 1 else f"«{name}» ({'; '.join(places)})"
            names.append(_Seen(label, meaning, sorted({camera for _, camera in sent})))
    return names


def _counted(names: Sequence[_Seen]) -> Line:
    counted = [f"{one.label}: {_described(one.meaning)}" for one in names if one.meaning.exclusion is None]
    return ok("names", f"{plural(len(counted), 'nombre')} que cuenta alguna regla.", counted)


def _described(meaning: Classification) -> str:
    parts = [f"{'+' if movement.delta > 0 else '−'} {movement.zone}" for movement in meaning.movements]
    return ", ".join((["historial"] if meaning.history else []) + parts)


def _unusual(names: Sequence[_Seen]) -> Iterable[Line]:
    none = []
    for label, meaning, cameras in names:
        if meaning.exclusion is ExclusionReason.NO_RULE:
            none.append(f"{label}, de {', '.join(cameras)}")
        elif meaning.exclusion is not None:
            what = f"{label} es entrada y salida de la misma zona: no se cuenta."
            yield warning("names.ambiguous", what, _REMEDY)
        elif len(meaning.movements) > 1:
            zones = " y ".join(movement.zone for movement in meaning.movements)
            yield warning(
                "names.two_zones",
                f"{label} cuenta en {zones}.",
                "Si es de una sola, corrija la regla en aforo.toml o el nombre en ACC; si una zona está en la otra,"
                " escriba within en la de dentro.",
            )
    if none:
        what = f"{plural(len(none), 'nombre')} sin ninguna regla: no se cuenta lo suyo."
        yield warning("names.no_rule", what, "Si alguno debe contar, añada una regla en aforo.toml.", none)


def _one_way(seen: Mapping[str, Counter[EventSource]], rules: Rules) -> Iterable[Line]:
    """Give the line about the doors that sent events of one direction only."""
    directions = Directions()
    labels: dict[str, str] = {}
    for camera, counted in seen.items():
        for source, number in counted.items():
            labels[source.camera_id] = camera
            directions.add(source, rules.classify(source), number)
    doors = directions.one_way(complete=True, surely=False)
    if doors:
        what = f"{plural(len(doors), 'puerta')} con eventos de un solo sentido en estos días: el otro no se cuenta."
        remedy = (
            "Si por ellas se pasa en los dos sentidos, active en ACC el que falta o añada su regla: sin él, el aforo de"
            " la zona sale alto (faltan salidas) o bajo (faltan entradas)."
        )
        details = [
            f"«{door.name}», de {labels[door.camera_id]}: solo {'entradas' if door.entries else 'salidas'} en"
            f" {door.zone} ({door.number})"
            for door in doors
        ]
        yield warning("names.one_way", what, remedy, details)


def _unused(
    sources: Sequence[EventSource], rules: Rules, history: Sequence[Rule], zones: Sequence[Zone]
) -> Iterable[Line]:
    found = [(comparable_source(source), rules.classify(source).history) for source in sources]
    named = [("historial", rule) for rule in history]
    named += [(f"entradas de {zone.name}", rule) for zone in zones for rule in zone.entries]
    named += [(f"salidas de {zone.name}", rule) for zone in zones for rule in zone.exits]
    idle = [f"{use}: {rule}" for use, rule in named if not any(rule.matches(one, stored=kept) for one, kept in found)]
    if idle:
        what = f"{plural(len(idle), 'regla')} sin ningún evento en estos días."
        yield warning("names.unused", what, "Compruebe que la regla está bien escrita y la cámara, permitida.", idle)
