"""DeepMarkerNet's 216 targets: against the published code in float64, and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goldens import DATA, GOLDEN, NETWORKS
from smiles import precision

from dfuse_jax.dmarkers import LANDMARKS, deepmarkernet_targets
from dfuse_jax.dmarkers._deepmarkernet import _longest_run

POINTS = np.load(DATA / "dmarkers_authors.npz")
CLIPS = {
    "t16": POINTS["t16/points"][4::3],
    "t120": POINTS["t120/points"][1::3],
    "clips": GOLDEN["clips"][:, :, np.array(LANDMARKS)],
}


@pytest.mark.parametrize("name", CLIPS)
def test_they_are_the_published_values(name):
    with precision(True):
        actual = jax.jit(jax.vmap(deepmarkernet_targets))(jnp.asarray(CLIPS[name], float))
    expected = NETWORKS[f"deepmarkernet/{name}_features216"]
    moving = NETWORKS.get(f"deepmarkernet/{name}_min_step", np.ones(len(expected))) > 1e-9  # others hang on rounding
    assert moving.sum() >= 2
    np.testing.assert_allclose(np.asarray(actual)[moving], expected[moving], rtol=1e-9, atol=1e-9)


def test_all_landmarks_may_be_given():
    clip = jnp.asarray(GOLDEN["clips"][0])
    np.testing.assert_array_equal(deepmarkernet_targets(clip), deepmarkernet_targets(clip[:, np.array(LANDMARKS)]))


def run(values, *, rising=True):
    signal = jnp.asarray(values, float)
    step = jnp.diff(signal, prepend=signal[:1])
    moves = (step > 0, step < 0) if rising else (step < 0, step > 0)
    found = _longest_run(signal, *moves)
    return found.values[: int(found.count)].tolist()


def test_runs_by_hand():
    assert run([3, 1, 2, 2, 4, 3]) == [1, 2, 4]  # a step of 0 neither belongs to a run nor ends it
    assert run([3, 1, 2, 2, 4, 3], rising=False) == [3, 1]  # the earliest on a tie
    assert run([5, 4, 3]) == []
    assert run([1, 2, 1, 2, 3]) == [1, 2, 3]  # the one that is open at the end competes too


def test_a_still_face_and_frames_of_zeros_are_finite():
    still = jnp.asarray(np.repeat(GOLDEN["clips"][:1, 0], 6, axis=0))
    values = deepmarkernet_targets(still)
    assert jnp.isfinite(values).all() and values.shape == (216,)
    padded = still.at[3:].set(0)
    assert jnp.isfinite(deepmarkernet_targets(padded)).all()
    assert jnp.isfinite(deepmarkernet_targets(jnp.zeros_like(still))).all()
    assert not deepmarkernet_targets(padded)[72:144].any()  # the eyes' third
