"""What is known of the four databases."""

import numpy as np
import pytest
from layouts import make_sample

from dfuse_jax.data import databases
from dfuse_jax.data.databases import parse_name


@pytest.mark.parametrize(
    ("database", "video", "label", "subject"),
    [
        ("uva_nemo", "057_deliberate_smile_1", 0, "057"),
        ("uva_nemo", "057_spontaneous_smile_12", 1, "057"),
        ("uva_nemo", "057_spontaneous_smile", None, None),
        ("mmi", "1763", None, None),
        ("spos", "posed_nelly-1", 0, "nelly"),
        ("spos", "spontaneous_nelly-1", 1, "nelly"),
        ("bbc", "posed_smilecontent q02", 0, "posed_smilecontent q02"),
        ("bbc", "Genuine_smilecontent q01", 1, "Genuine_smilecontent q01"),
    ],
)
def test_names_of_videos_give_label_and_subject(database, video, label, subject):
    assert parse_name(database, video) == (label, subject)


def test_names_are_parted_into_those_that_give_labels_and_others():
    labels, unnamed = databases.labels_from_names("spos", ["spontaneous_a-1", "z", "posed_a-1", "b"])
    assert list(labels.items()) == [("posed_a-1", 0), ("spontaneous_a-1", 1)]
    assert unnamed == ["b", "z"]


def test_images_are_shown_in_square_pixels():
    assert databases.DATABASES["mmi"].shown_size(0) == (720, 576)
    pal = databases.DATABASES["mmi"]._replace(pixel_aspects={0: 16 / 15})
    assert (pal.shown_size(0), pal.shown_size(1)) == ((768, 576), (640, 480))


def test_re_encoded_videos_are_described():
    posed = make_sample(label=0, fps=25.0, image_size=(720, 576))
    spontaneous = make_sample(label=1, fps=29.97, image_size=(640, 480))  # its owners say 29
    assert databases.unusual_format([posed, spontaneous], "mmi") is None
    scaled = make_sample(name="scaled", label=0, fps=25.0, image_size=(360, 288))
    slowed = make_sample(name="slowed", label=1, fps=25.0)
    note = databases.unusual_format([posed, scaled, spontaneous, slowed], "mmi")
    assert note.startswith("2 videos are not as their owners hand them out, first scaled: 25 fps, (360, 288)")
    assert note.endswith("not 25 fps, (720, 576)")
    assert "first slowed: 25 fps" in databases.unusual_format([slowed], "mmi")
    assert np.all([database.fps.keys() == {0, 1} for database in databases.DATABASES.values()])
