"""The study of what the encoder takes to learn a motion: its data, its views, and a row of its table."""

import json

import numpy as np
import pytest

from dfuse_jax.bench import encoder_study
from dfuse_jax.data import synthetic


@pytest.fixture(scope="module")
def smiles():
    return encoder_study.smiles(4, 2, seed=3)


def test_the_mouth_goes_up_and_down_at_the_tempo_of_its_class_and_nothing_else_moves(smiles):
    """By 2% of the image's height; the loudest frequency of the lips' way is that of the class, to a bin's width."""
    plain = synthetic.generate(4, 2, seed=3, frames=encoder_study.FRAMES, fps=(25.0,), difference=0)
    for planted, before in zip(smiles, plain, strict=True):
        way = planted.landmarks - before.landmarks
        assert not way[:, :, [0, 2]].any() and np.abs(way[:, 10]).max() < 1e-4  # the top of the forehead
        lip = way[:, 13, 1]
        spectrum = np.abs(np.fft.rfft(lip - lip.mean(), 1000))
        assert spectrum.argmax() / 1000 * 25 == pytest.approx(5 if planted.label else 1, abs=0.15)
        assert np.abs(lip).max() == pytest.approx(0.02, rel=0.1)


def test_every_row_has_a_name_of_its_own_and_a_view(smiles):
    assert len({case.name for case in encoder_study.CASES}) == len(encoder_study.CASES)
    for name in {case.view for case in encoder_study.CASES}:
        assert encoder_study.view(smiles[0], name).shape == smiles[0].landmarks.shape
    with pytest.raises(ValueError, match="unknown view 'pixels'; known: image, face, motion"):
        encoder_study.view(smiles[0], "pixels")


def test_a_magnified_motion_is_that_many_times_as_large(smiles):
    face, magnified = (encoder_study.view(smiles[0], name) for name in ("face", "face_x5"))
    np.testing.assert_allclose(magnified - magnified.mean(0), 5 * (face - face.mean(0)), atol=1e-5)
    np.testing.assert_allclose(magnified.mean(0), face.mean(0), atol=1e-5)


def test_copies_follow_their_videos_and_keep_their_labels(smiles):
    for copies in ("mirrored", "shifted"):
        together = encoder_study.with_copies(smiles, copies)
        assert [one.label for one in together[4:]] == [one.label for one in smiles]
    way = together[4].landmarks - smiles[0].landmarks
    assert np.ptp(way, axis=(0, 1)).max() < 1e-5 and np.abs(way).max() > 0.01


def test_a_row_shows_wilsons_interval():
    """132 of 240: 48.7 to 61.2% by the formula."""
    score = encoder_study.Score(132, 240, 0.56, 0.9, 0.5, [0.7, 0.6], 210, 33.3)
    expected = "| image | 210 | 55.0% (49% to 61%) | 0.56 | 90.0% | 50.0% | 0.60 | 33 s |"
    assert encoder_study.line("image", score) == expected


def test_an_unknown_row_is_refused(capsys):
    with pytest.raises(SystemExit):
        encoder_study.main(["--case", "pixels"])
    assert "no row 'pixels'; known: image; " in capsys.readouterr().err


@pytest.mark.slow
def test_the_study_prints_a_row_and_writes_its_numbers(tmp_path, capsys):
    sizes = ["--videos", "16", "--epochs", "1", "--points", "12", "--neighbours", "4", "--curves", "4"]
    encoder_study.main(["--case", "motion", *sizes, "--json", str(tmp_path / "study.json")])
    assert capsys.readouterr().out.splitlines()[-1].startswith("| motion | ")
    assert json.loads((tmp_path / "study.json").read_text())["results"]["motion"]["videos"] == 16
