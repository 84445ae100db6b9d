"""Shapley values against permutations and games of known value, and the parts of a network against the whole."""

import itertools

import jax
import numpy as np
import pytest
from networks import TINY, ignore_blind, variables_of

from dfuse_jax import dmarkers, systems
from dfuse_jax.experiments import recipe
from dfuse_jax.models import DFuseSmileNet
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems import attribution
from dfuse_jax.systems.attribution import GROUPS, Opened, shapley_values
from dfuse_jax.train import State

WINDOWS, BACKGROUND, FRAMES, WIDTH = 2, 3, 4, 16


def by_permutations(scores, players):
    """The mean over all orders of what each player adds when he joins."""
    values = np.zeros(players)
    orders = list(itertools.permutations(range(players)))
    for order in orders:
        coalition = 0
        for player in order:
            values[player] += scores[coalition | 1 << player] - scores[coalition]
            coalition |= 1 << player
    return values / len(orders)


def test_shapley_values_are_the_mean_over_all_orders():
    scores = np.random.default_rng(0).normal(size=32).astype(np.float32)
    np.testing.assert_allclose(shapley_values(scores), by_permutations(scores, 5), atol=1e-6)


def test_shapley_values_of_the_glove_game():
    """Player 0 has a left glove, players 1 and 2 a right one each: 2/3, 1/6 and 1/6."""
    scores = np.array([float(c & 1 and c > 1) for c in range(8)])
    np.testing.assert_allclose(shapley_values(scores), [2 / 3, 1 / 6, 1 / 6], atol=1e-6)


def opened(fusion="hadamard", seed=0):
    """A tiny network whose parts are open, its state, and what it is asked about."""
    model = DFuseSmileNet(fusion=fusion, **TINY)
    rng = np.random.default_rng(seed)
    frames = rng.normal(size=(1, FRAMES, WIDTH)).astype(np.float32)
    markers = rng.normal(size=(1, 225)).astype(np.float32)
    variables = variables_of(model, frames, markers, method="classify")
    variables = jax.tree.map(lambda x: x + 0.3 * rng.normal(size=x.shape).astype(x.dtype), variables)
    state = State(variables["params"], {}, (), {}, {})
    given = (
        rng.normal(size=(WINDOWS, FRAMES, WIDTH)).astype(np.float32),
        rng.normal(size=225).astype(np.float32),
        rng.normal(size=(BACKGROUND, FRAMES, WIDTH)).astype(np.float32),
        rng.normal(size=(BACKGROUND, 225)).astype(np.float32),
    )
    return Opened(model), state, given


def test_all_ten_players_against_coalitions_that_are_asked_about_one_by_one():
    network, state, (frames, markers, other_frames, other_markers) = opened()
    classify = jax.jit(lambda f, d: jax.nn.sigmoid(network.model.apply(state.variables(), f, d, method="classify")))
    taken = (np.arange(1024)[:, None] >> np.arange(10)) & 1
    of_features = np.repeat(taken[:, :9], 25, axis=1)
    scores = np.zeros(1024)
    for window, b in itertools.product(range(WINDOWS), range(BACKGROUND)):
        mixed = np.where(of_features, markers, other_markers[b])
        clips = np.where(taken[:, 9, None, None], frames[window], other_frames[b])
        scores += np.asarray(classify(clips, mixed)) / (WINDOWS * BACKGROUND)
    start, values = network.shapley(state, frames, markers, other_frames, other_markers)
    assert start == pytest.approx(scores[0], abs=1e-6)
    assert float(start) + float(values.sum()) == pytest.approx(scores[-1], abs=1e-5)
    # What a player adds, weighted by how many orders lead to it.
    np.testing.assert_allclose(values, shapley_values(scores), atol=1e-6)
    np.testing.assert_allclose(network.probabilities(state, frames, markers).mean(), scores[-1], atol=1e-6)


def test_integrated_gradients_add_up_and_ignore_what_does_not_differ():
    network, state, (frames, markers, _, other_markers) = opened()
    other_markers[:, :25] = markers[:25]
    gradients, difference = network.integrated_gradients(state, frames, markers, other_markers)
    assert abs(difference) > 0.01
    assert gradients.sum() == pytest.approx(difference, rel=1e-3)
    assert not gradients[:25].any() and gradients[25:].all()


def test_random_weights_explain_otherwise():
    """Adebayo et al. 2018: what stays when the weights are random is no explanation of the network."""
    (network, state, given), (_, other, _) = opened(seed=0), opened(seed=1)
    ours, theirs = (np.asarray(network.shapley(one, *given)[1]) for one in (state, other))
    assert abs(np.corrcoef(ours, theirs)[0, 1]) < 0.7
    ours, theirs = (network.integrated_gradients(one, *given[:2], given[3])[0] for one in (state, other))
    assert abs(np.corrcoef(ours, theirs)[0, 1]) < 0.5


@ignore_blind
@pytest.mark.parametrize(("fusion", "players"), [("attention", 9), ("none", 1)])
def test_players_that_have_no_effect_are_left_out(fusion, players):
    network, state, given = opened(fusion)
    start, values = network.shapley(state, *given)
    assert len(values) == players
    full = network.probabilities(state, given[0], given[1]).mean()
    assert float(start) + float(values.sum()) == pytest.approx(float(full), abs=1e-5)


def test_the_groups_are_those_of_the_features():
    names = [name for region, phase in GROUPS for name in [f"{region}_{phase}_{value}" for value in dmarkers.VALUES]]
    assert tuple(names) == dmarkers.FEATURE_NAMES


@pytest.mark.parametrize("name", ["cohn04", "landmark_vit"])
def test_other_systems_are_refused_with_a_reason(name):
    system = systems.build(recipe.read(name).to_dict())
    with pytest.raises(UserError, match=f"'{name}' cannot be explained.*Those of dfusesmilenet, meshsmilenet and"):
        attribution.require_neural(system)
