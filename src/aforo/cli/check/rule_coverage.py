"""What the cameras' analytic names mean by the rules: which are counted, which by none, which by two. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from aforo.cli.check.results import Line, ok, warning
from aforo.counting.rules import Rules
from aforo.models import EventSource, ExclusionReason, Matcher, Zone
from aforo.wording import plural

_MEND = "Corrija la regla en aforo.toml o el nombre en ACC."


def name_lines(
    seen: Mapping[str, Counter[str]], rules: Rules, history: Sequence[Matcher], zones: Sequence[Zone]
) -> list[Line]:
    """The lines about the names that each camera (by its shown name) sent lately."""
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
    lines += _odd(cameras, rules)
    lines += _unused(cameras, history, zones)
    return lines


def _counted(cameras: Mapping[str, list[str]], rules: Rules) -> Line:
    told = [
        f"«{name}»: {_meaning(rules, name)}"
        for name in sorted(cameras)
        if rules.classify(EventSource("", name, "", "")).exclusion is None
    ]
    return ok("names", f"{plural(len(told), 'nombre')} que cuenta alguna regla.", told)


def _meaning(rules: Rules, name: str) -> str:
    verdict = rules.classify(EventSource("", name, "", ""))
    parts = [f"{'+' if movement.delta > 0 else '−'} {movement.zone}" for movement in verdict.movements]
    return ", ".join((["historial"] if verdict.history else []) + parts)


def _odd(cameras: Mapping[str, list[str]], rules: Rules) -> Iterable[Line]:
    none = []
    for name in sorted(cameras):
        verdict = rules.classify(EventSource("", name, "", ""))
        if verdict.exclusion is ExclusionReason.NO_RULE:
            none.append(f"«{name}», de {', '.join(sorted(cameras[name]))}")
        elif verdict.exclusion is not None:
            what = f"«{name}» es entrada y salida de la misma zona: no se cuenta."
            yield warning("names.ambiguous", what, _MEND)
        elif len(verdict.movements) > 1:
            zones = " y ".join(movement.zone for movement in verdict.movements)
            yield warning(
                "names.two_zones", f"«{name}» cuenta en {zones}.", f"Si es de una sola: {_MEND[0].lower()}{_MEND[1:]}"
            )
    if none:
        what = f"{plural(len(none), 'nombre')} sin ninguna regla: no se cuenta lo suyo."
        yield warning("names.no_rule", what, "Si alguno debe contar, añada una regla en aforo.toml.", none)


def _unused(cameras: Iterable[str], history: Sequence[Matcher], zones: Sequence[Zone]) -> Iterable[Line]:
    uppers = [name.upper() for name in cameras]
    rules = [("historial", matcher) for matcher in history]
    rules += [(f"entradas de {zone.name}", matcher) for zone in zones for matcher in zone.entries]
    rules += [(f"salidas de {zone.name}", matcher) for zone in zones for matcher in zone.exits]
    idle = [f"{use}: {rule}" for use, rule in rules if not any(rule.matches(upper) for upper in uppers)]
    if idle:
        what = f"{plural(len(idle), 'regla')} sin ningún evento en estos días."
        yield warning("names.unused", what, "Compruebe que la regla está bien escrita y la cámara, permitida.", idle)
