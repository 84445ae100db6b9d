"""Systems that read pictures: each finds a difference that is planted in its cue, and none fails on bad pictures."""

import dataclasses
import importlib

import numpy as np
import planted
import pytest
from scipy.stats import binom

from dfuse_jax import systems
from dfuse_jax.data import dataset, synthetic
from dfuse_jax.data.folds import make_folds
from dfuse_jax.experiments.replicas import make_replicas
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems import kernel_machine, mandal16, mandal17, pfister11, reduced, regions, wu14, wu17

NAMES = ("pfister11", "wu14", "wu17", "mandal17", "mandal16")
FRAMES = 16


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kernel_machine, "COSTS", (0.1, 10.0))
    monkeypatch.setattr(reduced, "COSTS", (1.0,))
    monkeypatch.setattr(reduced, "WIDTHS", (1.0,))


def build(name, **fields):
    config = importlib.import_module(f"configs.{name}").get_config()
    config.update_from_flattened_dict(fields)
    return systems.build(config.to_dict())


def videos(count, chips, *, frames=FRAMES):
    """Smiles that are alike but for their chips; `chips(label, frames, rng)` makes them."""
    rng = np.random.default_rng(0)
    plain = synthetic.generate(count, count // 2, seed=3, frames=(frames, frames), difference=0.0)
    return [dataclasses.replace(one, chip_source=chips(one.label, frames, rng)) for one in plain]


def moving(label, frames, rng):
    """Noise, smoother in one class, that moves to the right in that class and stays in the other."""
    field = rng.integers(0, 256, (128, 128 + frames))
    if label:
        field = (field + np.roll(field, 1, 0) + np.roll(field, 1, 1)) // 3
    steps = np.arange(frames) * label
    pictures = np.stack([field[:, step : step + 128] for step in steps])
    pictures = np.clip(pictures + rng.integers(-3, 4, pictures.shape), 0, 255)
    return np.repeat(pictures[..., None], 3, axis=-1).astype(np.uint8)


def bars(label, frames, rng):
    """Noise in which a pattern of bars grows, upright in one class and level in the other."""
    y, x = np.mgrid[:128, :128]
    bars = 60 * np.sign(np.sin((x if label else y) / 3.0))
    growth = np.linspace(0, 1, frames)[:, None, None]
    pictures = 128 + growth * bars + rng.integers(-40, 41, (frames, 128, 128))
    return np.repeat(np.clip(pictures, 0, 255)[..., None], 3, axis=-1).astype(np.uint8)


def noise(label, frames, rng):
    """Noise, the same in both classes."""
    return moving(0, frames, rng)


def forehead(label, frames, rng):
    """Noise that is smooth and moves in one class, but only where no region of the face lies."""
    pictures = moving(0, frames, rng)
    pictures[:, :12] = moving(label, frames, rng)[:, :12]
    return pictures


def still(label, frames, rng):
    """Noise, smoother in one class, that does not move at all."""
    return np.repeat(moving(label, 1, rng), frames, axis=0)


def faster(samples):
    """The videos with the landmarks of smiles whose onset is shorter in one class."""
    smiles = planted.smiles(len(samples), "onset", seed=5)
    return [
        dataclasses.replace(smile, chip_source=sample.chips[np.arange(len(smile.landmarks)) % FRAMES])
        for smile, sample in zip(smiles, samples, strict=True)
    ]


LONGER = {"frame_vit": {"train.epochs": 30}}
CUES = {"mandal16": bars, "frame_vit": bars}  # gradients; the others read how smooth the noise is, or how it moves


def accuracy(system, samples, directory):
    """On unseen people, two folds."""
    labels, subjects = dataset.list_labels(samples), dataset.list_subjects(samples)
    folds = make_folds(labels, subjects, 2)
    replicas = make_replicas(folds, np.array(labels), subjects, runs=1, validation_share=0.25, seed=0)
    replicas = [replica for replica in replicas if not replica.validated]
    history = system.fit(system.inputs(samples), replicas, directory)
    right = []
    for number, replica in enumerate(replicas):
        probabilities = history.probabilities[-1, number, : len(replica.test)]
        assert np.isfinite(probabilities).all()
        right += list((probabilities >= 0.5) == (np.array(labels)[replica.test] == 1))
    return np.mean(right)


@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["pfister11", "mandal16", *(pytest.param(n, marks=pytest.mark.slow) for n in ("wu14", "wu17", "mandal17"))]
)
def test_texture_and_motion_tell_the_classes_apart_that_differ_in_them(name, tmp_path):
    assert accuracy(build(name), videos(24, CUES.get(name, moving)), tmp_path / "fit") >= 0.95


def is_chance(value, samples):
    low, high = binom.interval(0.99, len(samples), 0.5)
    return low <= round(value * len(samples)) <= high


# Geometry without texture, texture beside the regions, and texture without motion.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "chips"),
    [
        ("pfister11", noise),
        ("mandal16", noise),
        ("wu14", forehead),
        ("wu17", forehead),
        ("mandal17", still),
        ("frame_vit", noise),
    ],
)
def test_what_a_system_cannot_see_leaves_chance(name, chips, tmp_path):
    samples = faster(videos(60, chips)) if chips is noise else videos(60, chips)
    value = accuracy(build(name, **LONGER.get(name, {})), samples, tmp_path / "fit")
    assert is_chance(value, samples), value


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NAMES, "frame_vit"])
def test_shuffled_labels_leave_chance(name, tmp_path):
    samples = videos(60, CUES.get(name, moving))
    labels = np.random.default_rng(1).permutation(dataset.list_labels(samples))
    shuffled = [dataclasses.replace(sample, label=int(label)) for sample, label in zip(samples, labels, strict=True)]
    value = accuracy(build(name, **LONGER.get(name, {})), shuffled, tmp_path / "fit")
    assert is_chance(value, samples), value


@pytest.mark.slow
def test_a_vision_transformer_reads_texture(tmp_path):
    assert accuracy(build("frame_vit", **LONGER["frame_vit"]), videos(60, bars), tmp_path / "fit") >= 0.95


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        *(("pfister11", {"model.classifier": one, "model.hellinger": True}) for one in ("svm", "linear", "rf", "vote")),
        ("wu14", {"model.kernel": "intersection", "model.agree": 1.0}),
        ("wu17", {"model.phases": "mouth"}),
        ("mandal16", {"model.descriptor": "lpq", "model.normalisation": "none"}),
        ("mandal16", {"model.descriptor": "flow", "model.normalisation": "l2", "model.kernel": "rbf"}),
        ("mandal16", {"model.magnification": 10.0, "model.normalisation": "zscore", "model.kernel": "linear"}),
    ],
    ids=str,
)
@pytest.mark.slow
def test_so_do_their_options(name, fields, tmp_path):
    chips = moving if fields.get("model.descriptor") == "flow" else CUES.get(name, moving)
    assert accuracy(build(name, **fields), videos(24, chips), tmp_path / "fit") >= 0.9


def grey(label, frames, rng):
    return np.full((frames, 128, 128, 3), 90, np.uint8)


# wu17 reads all that wu14 does.
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n != "pfister11")) for n in NAMES])
def test_pictures_that_show_nothing_give_numbers(name, tmp_path):
    samples = videos(8, grey, frames=4)
    accuracy(build(name), samples, tmp_path / "fit")


@pytest.mark.parametrize("name", NAMES)
def test_a_video_of_one_frame_has_features(name):
    features = build(name).inputs(videos(2, moving, frames=1)).per_video["features"]
    assert np.isfinite(features.astype(float)).all()


@pytest.mark.parametrize("name", NAMES)
def test_samples_without_chips_are_refused(name):
    (sample,) = synthetic.generate(1, 1, frames=(5, 5))
    with pytest.raises(UserError, match=r"has no pictures of the face \(chips\)"):
        build(name).inputs([dataclasses.replace(sample, chip_source=None)])


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("pfister11", {"model.blocks": (3, 3, 1)}, r"config\.model\.blocks is \(3, 3, 1\); it must be one of"),
        ("pfister11", {"model.frames": 2}, r"config\.model\.frames is 2; it must be at least 3"),
        ("wu14", {"model.agree": 2.0}, r"config\.model\.agree is 2\.0; it must be from 0 to 1"),
        ("wu17", {"model.phases": "own"}, r"config\.model\.phases is 'own'"),
        ("mandal16", {"model.descriptor": "cnn"}, r"config\.model\.descriptor is 'cnn'; it must be one of hog, lpq"),
        ("mandal17", {"model.rate": 0.0}, r"config\.model\.rate is 0\.0"),
    ],
)
def test_a_field_that_cannot_be_is_named(name, fields, words):
    with pytest.raises(UserError, match=words):
        build(name, **fields)


def test_pfisters_features_are_clbp_top_of_interpolated_grey_chips():
    from dfuse_jax.features import clbp_top, interpolate

    samples = videos(2, moving)
    found = pfister11.histograms(samples, frames=20, blocks=(8, 8, 1), hellinger=False)
    assert found.shape == (2, 22656)
    volume = samples[0].chips.astype(float) @ (0.299, 0.587, 0.114)
    np.testing.assert_allclose(found[0], np.asarray(clbp_top(interpolate(volume, 20))).ravel(), atol=2e-3)


def test_a_forest_as_arrays_is_that_of_scikit_learn():
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(0)
    features, labels = rng.random((60, 5)).astype(np.float32), rng.integers(0, 2, 60)
    forest = RandomForestClassifier(20, random_state=0).fit(features, labels)
    new = rng.random((30, 5)).astype(np.float32)
    np.testing.assert_allclose(pfister11.plant(forest).predict_proba(new), forest.predict_proba(new), atol=1e-12)


def test_with_everything_kept_wus_patterns_are_plain_clbp_top():
    counts = wu14.patterns(videos(2, moving), signals=wu14.MOUTH)
    kept = wu14.select(counts, np.array([1, 0]), share=1.0, agree=0.0)
    assert kept.all()
    plain = counts.reshape(2, -1, 256) / np.maximum(counts.reshape(2, -1, 256).sum(axis=-1, keepdims=True), 1)
    np.testing.assert_allclose(wu14.restrict(counts, kept), plain.reshape(2, -1), rtol=1e-6)


def test_a_pattern_of_one_class_survives_the_selection():
    counts = np.zeros((6, 1, 256), int)
    counts[:, 0, 0] = 50
    counts[:3, 0, 7] = 30  # in one class only
    counts[0, 0, 9] = 30  # in one video only
    kept = wu14.select(counts, np.array([1, 1, 1, 0, 0, 0]), share=0.9, agree=0.6)
    assert np.flatnonzero(kept[0]).tolist() == [0, 7]


@pytest.mark.slow
def test_in_the_mouths_phases_the_texture_of_2017_is_that_of_2014():
    samples = videos(2, moving)
    _, counts = wu17.split(wu17.describe(samples, phases="mouth"))
    np.testing.assert_array_equal(counts, wu14.patterns(samples, signals=wu14.MOUTH))
    parts = wu17.by_region(counts)
    assert [part.shape[2] for part in parts] == [8, 4, 8] and wu17.GEOMETRY == 225


def test_phases_cover_the_video_and_the_eyes_closing_is_their_onset():
    (sample,) = synthetic.generate(1, 1, seed=1, frames=(120, 120))
    spans = regions.spans([sample])[0]
    for one in spans:
        assert one[0, 0] == 0 and one[2, 1] == 120
        assert one[0, 1] == one[1, 0] and one[1, 1] == one[2, 0]
    # Another order of the frames: what rose falls.
    turned = regions.spans([dataclasses.replace(sample, landmarks=sample.landmarks[::-1])])[0]
    assert (turned[:, 0, 1] != spans[:, 0, 1]).any()


def test_boxes_lie_where_the_chip_has_eyes_and_mouth():
    (sample,) = synthetic.generate(1, 1, seed=1, frames=(5, 5))
    boxes = regions.boxes(regions.on_chips(sample)[0])
    for name, (x, y) in {"right eye": (40.6, 39.8), "left eye": (87.4, 39.8)}.items():
        left, top, right, bottom = boxes[name]
        assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((x, y), abs=2)
        assert (bottom - top) / (right - left) == pytest.approx(0.9 / 1.6)
    left, top, right, bottom = boxes["mouth"]
    assert 50 < (left + right) / 2 < 78 and 75 < (top + bottom) / 2 < 105
    assert boxes["cheeks"][1] < boxes["cheeks"][3]


def test_flow_of_a_shift_is_read_in_each_box():
    """Two pixels a step to the right: mean length 2, mean x 2, all of it in the direction 0 or its neighbour."""

    def shifting(label, frames, rng):
        field = np.kron(rng.integers(0, 256, (44, 54)), np.ones((3, 3)))[:128]
        pictures = np.stack([field[:, 30 - 2 * step : 158 - 2 * step] for step in range(frames)])
        return np.repeat(pictures[..., None], 3, axis=-1).astype(np.uint8)

    sample = dataclasses.replace(videos(2, shifting, frames=4)[0], fps=10.0)
    found = mandal17.flow_of(sample, rate=10)
    assert found.shape == (3, 3, 11)
    np.testing.assert_allclose(np.median(found[..., 1], axis=0), 2, atol=0.3)
    assert np.abs(found[..., 2]).mean() < 0.3
    np.testing.assert_allclose(found[..., 3:].sum(axis=-1), found[..., 0], rtol=1e-4)


def test_normalisations_by_hand():
    sequence = np.array([[3.0, 4.0], [6.0, 4.0]])
    assert mandal16.normalise(sequence, "first").tolist() == [[0, 0], [3, 0]]
    assert mandal16.normalise(sequence, "zscore").tolist() == [[-1, 0], [1, 0]]
    np.testing.assert_allclose(mandal16.normalise(sequence, "l2")[0], [0.6, 0.8])
    assert mandal16.normalise(np.zeros((2, 2)), "l2").tolist() == [[0, 0], [0, 0]]


def test_kernels_are_weighted_by_their_alignment():
    """That of the labels alone counts, and one that contradicts them does not; the trace is 1 on average."""
    labels = np.array([1, 1, 0, 0])
    signs = np.array([1.0, 1.0, -1.0, -1.0])
    good = 4 * np.outer(signs, signs)
    other = np.array([1.0, -1.0, 1.0, -1.0])
    weights = kernel_machine.weigh([good, np.outer(other, other)], labels)
    np.testing.assert_allclose(weights, [0.25, 0], atol=1e-12)
    assert np.isfinite(kernel_machine.weigh([np.ones((4, 4))], labels)).all()


def test_a_kernel_machine_scores_as_its_support_vector_machine():
    from sklearn.svm import SVC

    rng = np.random.default_rng(0)
    features, labels = rng.random((30, 5)).astype(np.float32), np.arange(30) % 2
    features[labels == 1] += 0.3
    halves = [(np.arange(0, 30, 2) + k, np.arange(0, 30, 2) + 1 - k) for k in (0, 1)]
    splits = [
        (np.sort(np.concatenate([a[::2], b[::2]])), np.sort(np.concatenate([a[1::2], b[1::2]]))) for a, b in halves
    ]
    machine = kernel_machine.fit(features, labels, splits, names=["rbf"])
    scales = kernel_machine.measure(features)
    squares = ((features[:, None] - features[None]) ** 2).sum(axis=-1)
    assert scales.distance == pytest.approx(squares.mean(), rel=1e-4)
    best = None
    for cost in (0.1, 10.0):
        matrix = np.exp(-squares / scales.distance) * machine.weights["rbf"]
        plain = SVC(C=cost, kernel="precomputed").fit(matrix, labels)
        scores = plain.decision_function(matrix)
        logits = np.log(machine.predict_proba(features)[:, 1] / machine.predict_proba(features)[:, 0])
        if np.allclose(np.corrcoef(scores, logits)[0, 1], 1, atol=1e-6):
            best = cost
    assert best is not None
