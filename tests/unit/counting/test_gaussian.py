import math

import pytest

from aforo.counting.gaussian import Conditioned, Normal, not_negative, quantile


def test_an_observation_of_the_form_itself_is_weighed_by_its_error() -> None:
    known = Conditioned()
    known.observe(10.0, 4.0 + 1.0, [])
    mean, variance = known.predict(100.0, 4.0, [4.0])
    assert mean == pytest.approx(100 + 10 * 4 / 5)
    assert variance == pytest.approx(4 - 16 / 5)
    assert known.weights([4.0]) == pytest.approx([0.8])


def test_the_order_of_observations_makes_no_difference() -> None:
    excesses, errors = [3.0, -2.0, 5.0], [1.0, 2.0, 0.5]
    covariance = [[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]]
    form = [2.0, 1.0, 0.7]
    seen = []
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        known = Conditioned()
        for place, one in enumerate(order):
            earlier = [covariance[one][other] for other in order[:place]]
            known.observe(excesses[one], covariance[one][one] + errors[one], earlier)
        weights = dict(zip(order, known.weights([form[one] for one in order]), strict=True))
        mean, variance = known.predict(0.0, 5.0, [form[one] for one in order])
        seen.append([mean, variance, known.log_likelihood, *(weights[one] for one in range(3))])
        assert mean == pytest.approx(sum(weights[one] * excesses[one] for one in range(3)))
    assert seen[1] == pytest.approx(seen[0])
    assert seen[2] == pytest.approx(seen[0])


def test_the_likelihood_is_that_of_the_normal_density() -> None:
    known = Conditioned()
    known.observe(3.0, 4.0, [])
    density = math.exp(-9 / 8) / math.sqrt(2 * math.pi * 4)
    assert math.exp(known.log_likelihood) / math.sqrt(2 * math.pi) == pytest.approx(density)


@pytest.mark.parametrize(("mean", "spread"), [(5.0, 2.0), (0.0, 3.0), (-2.0, 1.0), (-9.0, 2.5)])
def test_the_moments_above_zero_are_those_of_a_numeric_sum(mean: float, spread: float) -> None:
    step = spread / 2_000
    cells = [(place + 0.5) * step for place in range(60_000)]
    weights = [math.exp(-(((cell - mean) / spread) ** 2) / 2) for cell in cells]
    total = sum(weights)
    expected = sum(map(lambda cell, weight: cell * weight, cells, weights)) / total
    variance = sum((cell - expected) ** 2 * weight for cell, weight in zip(cells, weights, strict=True)) / total
    probability, cut_mean, cut_variance = not_negative(mean, spread**2)
    assert probability == pytest.approx(total * step / spread / math.sqrt(2 * math.pi), rel=1e-4)
    assert cut_mean == pytest.approx(expected, rel=1e-3)
    assert cut_variance == pytest.approx(variance, rel=1e-2)


def test_far_below_zero_what_is_left_lies_just_above() -> None:
    probability, mean, variance = not_negative(-1_000.0, 100.0)
    assert 0 < probability < 1e-6
    assert 0 < mean < 1
    assert 0 < variance < 1


def test_quantiles_of_a_mixture() -> None:
    assert quantile([Normal(1.0, 10.0, 4.0)], 0.975) == pytest.approx(10 + 2 * 1.96, abs=0.1)
    halves = [Normal(0.5, 0.0, 1.0), Normal(0.5, 100.0, 1.0)]
    assert quantile(halves, 0.25) == pytest.approx(0.0, abs=0.1)
    assert quantile(halves, 0.75) == pytest.approx(100.0, abs=0.1)
