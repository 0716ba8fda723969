"""``python -m bench``: every figure in one run, into RESULTS.md and docs/. With names: only those, to the screen."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime

from bench import catchup, faults, growth, plots, results, scale, startup
from bench.results import Figure


def memory() -> list[Figure]:
    """The rows about memory, and their chart."""
    figures, seen = scale.memory()
    with plots.picture("memory", "Memory while two million events are caught up") as [axis]:
        axis.plot([count / 1e6 for count, _ in seen], [mib for _, mib in seen], color=plots.OURS)
        axis.set(xlabel="million events stored", ylabel="MiB", ylim=(0, None))
    return figures


def parts(runs: int, *, disk: bool) -> dict[str, Callable[[], list[Figure]]]:
    """What can be measured, by its name."""
    return {
        "catchup": lambda: catchup.measure(runs, disk=disk),
        "cycle": lambda: scale.ordinary(runs),
        "start": lambda: startup.measure(runs),
        "faults": faults.measure,
        "end": lambda: scale.last_cycle(runs),
        "memory": memory,
        "many": scale.ten_thousand,
        "events": growth.events,
        "cameras": growth.cameras,
        "thousands": scale.two_thousand,
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(parts(1, disk=False)))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--disk", action="store_true", help="let the baseline also wait for the disk: minutes")
    arguments = parser.parse_args()
    known = parts(arguments.runs, disk=arguments.disk or not arguments.names)
    if unknown := set(arguments.names) - known.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    figures: list[Figure] = []
    for name in arguments.names or known:
        for figure in known[name]():
            figures.append(figure)
            print(figure.row, flush=True)
    if not arguments.names:
        results.write(figures, f"{datetime.now(UTC):%Y-%m-%d}")


if __name__ == "__main__":
    main()
