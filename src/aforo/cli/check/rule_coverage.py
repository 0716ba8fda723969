"""Which analytic names of the cameras the rules count: none, one or several rules. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from aforo.cli.check.results import Line, ok, warning
from aforo.counting.rules import Rules
from aforo.models import Classification, EventSource, ExclusionReason, Matcher, Zone, comparable
from aforo.wording import plural

_REMEDY = "Corrija la regla en aforo.toml o el nombre en ACC."


def rule_lines(
    seen: Mapping[str, Counter[str]], rules: Rules, history: Sequence[Matcher], zones: Sequence[Zone]
) -> list[Line]:
    """Return the lines about the names that each camera (by its display name) sent recently."""
    cameras: defaultdict[str, list[str]] = defaultdict(list)
    for camera, names in seen.items():
        for name in names:
            cameras[name].append(camera)
    if not cameras:
        return [
            warning(
                "names",
                "Ninguna cámara permitida envió eventos en estos días: no se pueden comprobar las reglas.",
                "Cruce una puerta y repita, o mire más atrás con --days.",
            )
        ]
    lines = [_counted(cameras, rules)]
    lines += _unusual(cameras, rules)
    lines += _unused(cameras, history, zones)
    return lines


def _counted(cameras: Mapping[str, list[str]], rules: Rules) -> Line:
    counted = [
        f"«{name}»: {_meaning(rules, name)}" for name in sorted(cameras) if _classify(rules, name).exclusion is None
    ]
    return ok("names", f"{plural(len(counted), 'nombre')} que cuenta alguna regla.", counted)


def _classify(rules: Rules, name: str) -> Classification:
    """Classify an event of which only the name is known."""
    return rules.classify(EventSource("", name, "", ""))


def _meaning(rules: Rules, name: str) -> str:
    classification = _classify(rules, name)
    parts = [f"{'+' if movement.delta > 0 else '−'} {movement.zone}" for movement in classification.movements]
    return ", ".join((["historial"] if classification.history else []) + parts)


def _unusual(cameras: Mapping[str, list[str]], rules: Rules) -> Iterable[Line]:
    none = []
    for name in sorted(cameras):
        classification = _classify(rules, name)
        if classification.exclusion is ExclusionReason.NO_RULE:
            none.append(f"«{name}», de {', '.join(sorted(cameras[name]))}")
        elif classification.exclusion is not None:
            what = f"«{name}» es entrada y salida de la misma zona: no se cuenta."
            yield warning("names.ambiguous", what, _REMEDY)
        elif len(classification.movements) > 1:
            zones = " y ".join(movement.zone for movement in classification.movements)
            yield warning(
                "names.two_zones",
                f"«{name}» cuenta en {zones}.",
                f"Si es de una sola: {_REMEDY[0].lower()}{_REMEDY[1:]}",
            )
    if none:
        what = f"{plural(len(none), 'nombre')} sin ninguna regla: no se cuenta lo suyo."
        yield warning("names.no_rule", what, "Si alguno debe contar, añada una regla en aforo.toml.", none)


def _unused(cameras: Iterable[str], history: Sequence[Matcher], zones: Sequence[Zone]) -> Iterable[Line]:
    names = [comparable(name) for name in cameras]
    rules = [("historial", matcher) for matcher in history]
    rules += [(f"entradas de {zone.name}", matcher) for zone in zones for matcher in zone.entries]
    rules += [(f"salidas de {zone.name}", matcher) for zone in zones for matcher in zone.exits]
    idle = [f"{use}: {rule}" for use, rule in rules if not any(rule.matches(name) for name in names)]
    if idle:
        what = f"{plural(len(idle), 'regla')} sin ningún evento en estos días."
        yield warning("names.unused", what, "Compruebe que la regla está bien escrita y la cámara, permitida.", idle)
