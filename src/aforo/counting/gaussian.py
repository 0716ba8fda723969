"""Gaussian unknowns, and what is known of them after observations. Pure, of the standard library alone.

Observations are few (tens), unknowns are many (hundreds), and only forms of the unknowns matter: so all is done with
the covariances of observed forms, never with the unknowns themselves.
"""

import math
from collections.abc import Sequence
from operator import mul
from typing import NamedTuple

_ROOT_TWO = math.sqrt(2.0)
_SMALLEST = 1e-9  # of a variance: what rounding leaves of nothing
_CLOSE = 0.05  # people: a quantile is as exact


class Normal(NamedTuple):
    """A normal distribution with a weight in a mixture."""

    weight: float
    mean: float
    variance: float

    def below(self, value: float) -> float:
        """The probability of less than a value."""
        spread = math.sqrt(max(self.variance, _SMALLEST))
        return 0.5 * math.erfc((self.mean - value) / spread / _ROOT_TWO)


class Conditioned:
    """Observed forms, added one after the other, and what they say of any other form.

    It is the Cholesky factor of the observations' covariance, which grows by a row with each.
    """

    def __init__(self) -> None:
        self._rows: list[list[float]] = []
        self._residuals: list[float] = []
        self.log_likelihood = 0.0

    def predict(self, expected: float, variance: float, covariances: Sequence[float]) -> tuple[float, float]:
        """The mean and the variance of a form, by its own before, and its covariance with each observation."""
        reduced = self._reduced(covariances)
        mean = expected + sum(map(mul, reduced, self._residuals))
        return mean, max(0.0, variance - sum(map(mul, reduced, reduced)))

    def observe(self, excess: float, variance: float, covariances: Sequence[float]) -> None:
        """Add an observation: its value less what was expected at first, its variance with that of its error."""
        reduced = self._reduced(covariances)
        pivot = math.sqrt(max(_SMALLEST, variance - sum(map(mul, reduced, reduced))))
        residual = (excess - sum(map(mul, reduced, self._residuals))) / pivot
        self._rows.append([*reduced, pivot])
        self._residuals.append(residual)
        self.log_likelihood -= 0.5 * residual * residual + math.log(pivot)

    def weights(self, covariances: Sequence[float]) -> list[float]:
        """How much of each observation's excess the mean of a form takes over."""
        rest = self._reduced(covariances)
        for place in reversed(range(len(rest))):
            rest[place] /= self._rows[place][place]
            for before in range(place):
                rest[before] -= self._rows[place][before] * rest[place]
        return rest

    def _reduced(self, covariances: Sequence[float]) -> list[float]:
        reduced: list[float] = []
        for row, covariance in zip(self._rows, covariances, strict=True):
            reduced.append((covariance - sum(map(mul, row, reduced))) / row[-1])
        return reduced


def not_negative(mean: float, variance: float) -> tuple[float, float, float]:
    """The probability that a normal number is not below zero, and its mean and variance where it is not."""
    spread = math.sqrt(variance)
    ratio = mean / spread
    probability = 0.5 * math.erfc(-ratio / _ROOT_TWO)
    if probability < 1e-12:  # far below: what remains lies just above zero
        return 1e-12, spread / -ratio, variance / ratio**2
    hazard = math.exp(-0.5 * ratio * ratio) / math.sqrt(2 * math.pi) / probability
    cut = variance * (1 - hazard * (hazard + ratio))
    return probability, mean + spread * hazard, max(cut, _SMALLEST)


def quantile(mixture: Sequence[Normal], probability: float) -> float:
    """The value that a mixture stays below with a probability; the weights add up to one."""
    low = min(one.mean - 8 * math.sqrt(one.variance) for one in mixture)
    high = max(one.mean + 8 * math.sqrt(one.variance) for one in mixture)
    while high - low > _CLOSE:
        middle = (low + high) / 2
        if sum(one.weight * one.below(middle) for one in mixture) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2
