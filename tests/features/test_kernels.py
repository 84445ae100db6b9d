"""The intersection kernel against a loop."""

import numpy as np

from dfuse_jax.features.kernels import intersection


def test_it_is_the_sum_of_minima_for_any_number_of_rows():
    rng = np.random.default_rng(0)
    one, other = rng.random((19, 30)), rng.random((7, 30))
    expected = [[np.minimum(a, b).sum() for b in other] for a in one]
    np.testing.assert_allclose(intersection(one, other), expected, rtol=1e-5)
