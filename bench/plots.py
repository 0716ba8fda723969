"""The charts in docs/, in one style."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from bench.results import DOCS

OURS, OTHER, GUIDE = "#0b6e4f", "#b5542f", "#999999"


@contextmanager
def picture(name: str, title: str, rows: int = 1, **shape: Any) -> Iterator[list[Axes]]:
    """Draw into ``docs/bench-<name>.png``: so many axes, one below the other."""
    figure, axes = plt.subplots(rows, 1, figsize=(8, 2.2 + 2.4 * rows), squeeze=False, **shape)
    figure.suptitle(title, fontsize=11)
    try:
        yield list(axes[:, 0])
        for axis in axes[:, 0]:
            axis.grid(visible=True, alpha=0.3)
            axis.spines[["top", "right"]].set_visible(False)
        figure.tight_layout()
        DOCS.mkdir(exist_ok=True)
        figure.savefig(DOCS / f"bench-{name}.png", dpi=110)
    finally:
        plt.close(figure)


def growth(axis: Axes, sizes: list[int], lines: dict[str, list[float]], what: str, unit: str) -> None:
    """Lines over sizes, both axes logarithmic, with a guide that grows as the sizes do."""
    for (label, values), colour in zip(lines.items(), (OURS, OTHER, "#3b5b92"), strict=False):
        axis.plot(sizes, values, "o-", color=colour, label=label)
    first = next(iter(lines.values()))
    guide = [first[-1] * size / sizes[-1] for size in sizes]
    axis.plot(sizes, guide, ":", color=GUIDE, label="in proportion")
    axis.set(xscale="log", yscale="log", xlabel=what, ylabel=unit)
    axis.legend(fontsize=8)
