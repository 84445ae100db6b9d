"""Smiles found in a recording, and the same in a stream."""

import functools

import jax
import numpy as np
import pytest
from smiles import rotation

from dfuse_jax import dmarkers
from dfuse_jax.data.synthetic import converse

FRAMES = 3000  # all signals are padded to it, so that one program serves them


def lip_signal(landmarks, aspect=1.0):
    points = landmarks[:, dmarkers.LANDMARKS]
    padded = np.pad(points, ((0, FRAMES - len(points)), (0, 0), (0, 0)), mode="edge")
    return np.array(dmarkers.signals(padded, aspect=aspect, definition="robust").mean[2])[: len(points)]


def find(lip, fps):
    """[N, 2] seconds of begin and end."""
    padded = np.pad(np.asarray(lip, np.float32), (0, FRAMES - len(lip)))
    found = dmarkers.find_smiles(padded, fps, length=len(lip))
    complete = np.asarray(found.complete)
    return np.stack([found.begin, found.end], axis=1)[complete] / fps


def curve(seconds, smiles, *, talk=0.008):
    """A lip signal with smiles of (begin, end, amplitude), each with an onset and an offset of half a second."""
    lip = 0.5 + talk * (np.sin(2 * np.pi * 0.31 * seconds) + 0.5 * np.sin(2 * np.pi * 1.3 * seconds + 1))
    for begin, end, amplitude in smiles:
        lip = lip + amplitude * np.clip((seconds - begin) / 0.5, 0, 1) * np.clip((end - seconds) / 0.5, 0, 1)
    return lip


@pytest.fixture(scope="module")
def conversation():
    return converse(60.0, fps=25.0, seed=7)


def test_a_smile_is_where_it_was_planted():
    found = find(curve(np.arange(750) / 25, [(10, 14, 0.2)]), 25.0)
    # It begins above 2.5 standard deviations, 0.035 at least, and ends below 0.35 of 0.2.
    np.testing.assert_allclose(found, [[10, 14]], atol=0.3)


def test_two_near_each_other_are_one_and_two_apart_are_two():
    seconds = np.arange(750) / 25
    assert len(find(curve(seconds, [(10, 12, 0.2), (11.9, 14, 0.2)]), 25.0)) == 1
    assert len(find(curve(seconds, [(10, 12, 0.2), (13.5, 16, 0.2)]), 25.0)) == 2


def test_a_twitch_and_a_shadow_of_a_smile_are_none():
    seconds = np.arange(750) / 25
    twitch = curve(seconds, []) + 0.3 * (np.abs(seconds - 10) < 0.1)
    assert len(find(twitch, 25.0)) == 0
    assert len(find(curve(seconds, [(10, 14, 0.04)]), 25.0)) == 0
    assert len(find(np.full(750, 0.5), 25.0)) == 0


def test_the_baseline_follows_the_face():
    """A lasting change of posture, such as of the way to the camera, is rest after a while, and smiles go on above."""
    seconds = np.arange(2500) / 25
    lip = curve(seconds, [(12, 15, 0.15), (80, 84, 0.15), (92, 95, 0.15)]) + 0.03 * np.clip((seconds - 20) / 20, 0, 1)
    np.testing.assert_allclose(find(lip, 25.0), [[12, 15], [80, 84], [92, 95]], atol=0.3)


@pytest.mark.parametrize("fps", [29.97, 30.0, 50.0])
def test_another_frame_rate_gives_the_same_within_two_frames(fps):
    smiles = [(6, 9, 0.2), (13, 14.5, 0.12), (20, 27, 0.25), (33, 38, 0.11)]
    slow = find(curve(np.arange(1000) / 25, smiles), 25.0)
    other = find(curve(np.arange(int(40 * fps)) / fps, smiles), fps)
    assert len(slow) == 4
    np.testing.assert_allclose(other, slow, atol=2 / 25)


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0])
def test_pose_and_scale_of_the_face_do_not_matter(conversation, scale):
    sample = conversation.sample
    usual = find(lip_signal(sample.landmarks, sample.aspect), sample.fps)
    metric = sample.landmarks[:, dmarkers.LANDMARKS] * (1, sample.aspect, 1)
    turned = scale * (metric - metric.mean(axis=(0, 1))) @ rotation(np.random.default_rng(int(scale))) + 0.4
    padded = np.pad(turned, ((0, FRAMES - len(turned)), (0, 0), (0, 0)), mode="edge").astype(np.float32)
    lip = np.asarray(dmarkers.signals(padded, definition="robust").mean[2])[: len(turned)]
    np.testing.assert_allclose(find(lip, sample.fps), usual, atol=0.02)


def test_a_stream_gives_what_the_recording_gives(conversation):
    lip = lip_signal(conversation.sample.landmarks, conversation.sample.aspect)
    lip[700:720] = np.nan  # the face was lost
    whole = dmarkers.find_smiles(np.pad(lip, (0, FRAMES - len(lip))), 25.0, length=len(lip))
    step, state = jax.jit(dmarkers.smile_step), dmarkers.smile_start()
    streamed = []
    for frame, value in enumerate(lip):
        state, moment = step(state, value, 1 / 25)
        if moment.complete:
            streamed.append([frame - 25 * float(age) for age in (moment.begin, moment.apex, moment.end)])
        np.testing.assert_allclose(moment.baseline, whole.baseline[frame], rtol=1e-5)
    ended = np.asarray(whole.complete)
    recorded = np.stack([whole.begin, whole.apex, whole.end], axis=1)[ended]
    assert len(streamed) >= 2
    np.testing.assert_allclose(streamed, recorded[: len(streamed)], atol=0.01)


def test_a_smile_is_known_within_a_second_of_its_end(conversation):
    lip = lip_signal(conversation.sample.landmarks, conversation.sample.aspect)
    found = dmarkers.find_smiles(np.pad(lip, (0, FRAMES - len(lip))), 25.0, length=len(lip))
    (frames,) = np.nonzero(np.asarray(found.complete))
    assert len(frames) >= 2
    for frame in frames:
        assert (frame - float(found.end[frame])) / 25 < 1
        cut = find(lip[: frame + 1], 25.0)
        np.testing.assert_allclose(cut[-1] * 25, [found.begin[frame], found.end[frame]], atol=0.01)


def test_what_was_more_than_a_minute_ago_does_not_matter():
    seconds = np.arange(2500) / 25
    lip = curve(seconds, [(10, 12, 0.2), (90, 94, 0.15)])
    other = lip.copy()
    other[: 25 * 25] += 0.05 * np.sin(seconds[: 25 * 25])  # no smile, which would end later
    np.testing.assert_array_equal(find(other, 25.0)[-1], find(lip, 25.0)[-1])


def test_a_smile_that_lasts_longer_than_the_memory_becomes_rest():
    seconds = np.arange(3000) / 25
    rules = dmarkers.SmileRules(memory=20.0)
    found = dmarkers.find_smiles(curve(seconds, [(10, 200, 0.2)], talk=0), 25.0, rules=rules)
    (frame,) = np.flatnonzero(found.complete)
    assert 28 < float(found.end[frame]) / 25 < 32


def test_a_smile_ends_where_the_face_is_lost_and_where_the_recording_ends():
    seconds = np.arange(500) / 25
    lip = curve(seconds, [(10, 40, 0.2)], talk=0)
    assert find(lip, 25.0)[0, 1] * 25 == pytest.approx(499, abs=0.01)
    lip[400:450] = np.nan
    assert find(lip, 25.0)[0, 1] * 25 == pytest.approx(399, abs=0.01)
    lip[405:450] = lip[399]  # lost for a moment only
    assert find(lip, 25.0)[0, 1] * 25 == pytest.approx(499, abs=0.01)


def cuts(lip, fps=25.0):
    """[N, 2], whether begin and end of each smile were not seen."""
    found = dmarkers.find_smiles(np.pad(np.asarray(lip, np.float32), (0, FRAMES - len(lip))), fps, length=len(lip))
    return np.stack([found.start_cut, found.end_cut], axis=1)[np.asarray(found.complete)].tolist()


def test_a_smile_that_the_recording_begins_with_is_told_when_the_face_rests():
    lip = curve(np.arange(750) / 25, [(-5, 4, 0.2), (9, 12, 0.2)])
    np.testing.assert_allclose(find(lip, 25.0), [[0, 4], [9, 12]], atol=0.3)
    assert cuts(lip) == [[True, False], [False, False]]


@pytest.mark.parametrize("fps", [15.0, 29.97, 50.0])
def test_such_a_smile_is_the_same_at_every_frame_rate(fps):
    smiles = [(-5, 4, 0.2), (9, 12, 0.2)]
    slow = find(curve(np.arange(750) / 25, smiles), 25.0)
    np.testing.assert_allclose(find(curve(np.arange(int(30 * fps)) / fps, smiles), fps), slow, atol=0.15)


def test_a_recording_that_begins_at_rest_begins_with_no_smile():
    seconds = np.arange(750) / 25
    pursed = curve(seconds, [(5, 7, 0.2), (9, 10.5, -0.15), (20, 22, 0.2)])
    assert cuts(pursed) == [[False, False], [False, False]]
    late = curve(seconds, [(14, 15.5, -0.15), (20, 22, 0.2)])
    assert cuts(late) == [[False, False]]
    assert cuts(curve(seconds, [], talk=0.015)) == []


def test_a_recording_that_is_one_smile_shows_none():
    assert cuts(curve(np.arange(500) / 25, [(-5, 40, 0.2)])) == []


def test_begins_and_ends_that_were_not_seen_are_marked():
    lip = curve(np.arange(750) / 25, [(10, 40, 0.2)])
    assert cuts(lip) == [[False, True]]
    lip[400:450] = np.nan  # lost in the smile, and back in it
    assert cuts(lip) == [[False, True], [True, True]]
    lip[405:450] = lip[399]
    assert cuts(lip) == [[False, True]]


def test_a_stream_that_begins_with_a_smile_gives_what_the_recording_gives():
    lip = curve(np.arange(500) / 25, [(-5, 4, 0.2), (9, 12, 0.2)]).astype(np.float32)
    whole = dmarkers.find_smiles(np.pad(lip, (0, FRAMES - len(lip))), 25.0, length=len(lip))
    step, state = jax.jit(dmarkers.smile_step), dmarkers.smile_start()
    streamed = []
    for frame, value in enumerate(lip):
        state, moment = step(state, value, 1 / 25)
        if moment.complete:
            begin, end = (frame - 25 * float(age) for age in (moment.begin, moment.end))
            assert frame - end <= 25  # known within a second
            streamed.append([begin, end, bool(moment.start_cut)])
    ended = np.asarray(whole.complete)
    recorded = np.stack([whole.begin, whole.end, whole.start_cut], axis=1)[ended]
    np.testing.assert_allclose(streamed, recorded, atol=0.01)
    assert recorded[:, 2].tolist() == [1, 0]


def test_it_is_a_pure_function(conversation):
    lip = np.pad(lip_signal(conversation.sample.landmarks, conversation.sample.aspect), (0, 1500)).astype(np.float32)
    plain = dmarkers.find_smiles(lip, 25.0)
    jitted = jax.jit(functools.partial(dmarkers.find_smiles, fps=25.0))(lip)
    np.testing.assert_allclose(jitted.begin, plain.begin, atol=1e-3)


def test_rules_that_contradict_each_other_are_refused():
    for change, words in (
        ({"low": 0.5}, "low < rest"),
        ({"enter": 1.0}, "leave <= enter"),
        ({"block": 90.0}, "block <= memory"),
        ({"gap": 1.0}, "a second or more"),
        ({"smoothing": 0.0}, "positive"),
        ({"settle": 0.9}, "more than a second"),
        ({"opening": 60.0}, r"opening \+ 1 < memory"),
        ({"most_deviation": 0.01}, "least_deviation <= most_deviation"),
    ):
        with pytest.raises(ValueError, match=words):
            dmarkers.smile_start(dmarkers.SmileRules()._replace(**change))
    with pytest.raises(ValueError, match=r"expected \[T\]"):
        dmarkers.find_smiles(np.zeros((2, 3)), 25.0)


def held(level, *, seconds=2.0):
    """Rest, a smile of 0.4 that falls to a level at which the lips stay, a second rise of 0.2 from there, and rest."""
    parts = [(0.5, 2.0), (0.9, 1.0), (0.5 + level, seconds), (0.7 + level, 1.0), (0.5 + level, 1.0), (0.5, 2.0)]
    values = np.concatenate([np.full(round(25 * length), value) for value, length in parts])
    return np.convolve(np.pad(values, 2, mode="edge"), np.ones(5) / 5, mode="valid")


def test_lips_that_stay_up_after_a_smile_smile_no_second_time():
    """They stay 0.095 above rest, which is nearly 7 standard deviations, and come down 2 seconds later."""
    lip = held(0.095)
    assert len(find(lip[: round(5.0 * 25)], 25.0)) == 1
    alone = np.concatenate([lip[: round(5.0 * 25)], np.full(50, 0.5)])
    ((begin, end),) = find(alone, 25.0)
    assert begin == pytest.approx(2.0, abs=0.15) and end == pytest.approx(3.0, abs=0.2)


def test_they_do_when_they_rise_again():
    first, second = find(held(0.095), 25.0)
    assert first[1] == pytest.approx(3.0, abs=0.2)
    assert second[0] == pytest.approx(5.0, abs=0.3) and second[1] == pytest.approx(6.0, abs=0.3)
