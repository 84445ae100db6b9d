"""What the camera did not see: frames are flagged where it was hidden, and only there.

The truth is rendered: of 72 frames, HIDDEN are changed. Precision and recall are to be 0.9 at least.
"""

import dataclasses

import cv2
import numpy as np
import pytest
from faces import smiling, write_video
from occlusions import WHERE, cover, darken, replace, scores
from real_clips import real_clip

from dfuse_jax import samples
from dfuse_jax.extract import contact_sheet, flags, gaps, manifest, quality
from dfuse_jax.extract.batch import Job, extract_all
from dfuse_jax.extract.landmarks import extract, extract_landmarks
from dfuse_jax.extract.video import Video
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample

FRAMES, SIZE = 72, (320, 240)
HIDDEN = (np.arange(FRAMES) >= 30) & (np.arange(FRAMES) < 52)
LEAST = 0.9


@pytest.fixture(scope="module", params=["photograph", pytest.param("single_face.mp4", marks=pytest.mark.slow)])
def plain(request, tmp_path_factory):
    """The images of a smile, and its sample: of a photograph that is moved, and of a person."""
    if request.param == "photograph":
        images = [image for image, _ in smiling(SIZE, frames=FRAMES, start=10, onset=15, apex=20, offset=15)]
    else:
        with Video(real_clip(request.param)) as video:
            images = [frame.image for frame in video]
    return images, _extract(images, tmp_path_factory.mktemp("plain")).sample


def _extract(images, folder):
    write_video(folder / "video.mp4", images, fps=30, codec="libx264")
    return extract(folder / "video.mp4")


def _flags_where(change, plain, folder):
    """Returns {flag: [T]} of the video whose HIDDEN frames are changed; `change` takes their image and face."""
    images, sample = plain
    changed = [
        change(image, face) if hidden else image
        for image, face, hidden in zip(images, sample.landmarks, HIDDEN, strict=True)
    ]
    return flags.unpack(_extract(changed, folder).sample.flags)


def _check(flagged, name, *, allowed=("repeated",)):
    """Checks that the flag tells HIDDEN, and that no other one is set but those allowed: coding may repeat pictures."""
    precision, recall = scores(flagged[name], HIDDEN)
    assert min(precision, recall) >= LEAST, (precision, recall)
    others = {other: int(flag.sum()) for other, flag in flagged.items() if other not in (name, *allowed) and flag.any()}
    assert not others


def test_a_smile_alone_is_not_flagged(plain):
    _, sample = plain
    assert not sample.flags.any()
    assert sample.flags.dtype == np.uint16


@pytest.mark.parametrize("texture", ["flat", "skin", "textured"])
@pytest.mark.parametrize("where", WHERE)
def test_boxes_over_mouth_and_eyes(plain, where, texture, tmp_path):
    _check(_flags_where(lambda image, face: cover(image, face, where, texture), plain, tmp_path), "covered")


def test_darkness_with_noise(plain, tmp_path):
    rng = np.random.default_rng(0)
    _check(_flags_where(lambda image, _: darken(image, rng), plain, tmp_path), "dark")


def test_another_person_for_a_while(plain, tmp_path):
    _check(_flags_where(lambda image, _: replace(image), plain, tmp_path), "other_person")


@pytest.mark.parametrize("share", [0.04, 0.06])
def test_blur_of_a_share_of_the_face(plain, share, tmp_path):
    """A standard deviation of 0.01 is not flagged; one of 0.06 hides the mouth, so it may be flagged as covered too."""
    width = np.linalg.norm((plain[1].landmarks[0, 234] - plain[1].landmarks[0, 454])[:2] * plain[1].image_size)
    blurred = _flags_where(lambda image, _: cv2.GaussianBlur(image, (0, 0), share * width), plain, tmp_path)
    _check(blurred, "blurred", allowed=("covered", "repeated"))
    light = _flags_where(lambda image, _: cv2.GaussianBlur(image, (0, 0), 0.01 * width), plain, tmp_path)
    assert not light["blurred"].any()


def test_blur_of_a_whole_video(plain, tmp_path):
    width = np.linalg.norm((plain[1].landmarks[0, 234] - plain[1].landmarks[0, 454])[:2] * plain[1].image_size)
    soft = [cv2.GaussianBlur(image, (0, 0), 0.05 * width) for image in plain[0]]
    assert flags.unpack(_extract(soft, tmp_path).sample.flags)["blurred"].mean() > LEAST


def test_repeated_pictures(plain, tmp_path):
    """Every other picture of HIDDEN is shown twice."""
    images = list(plain[0])
    again = np.flatnonzero(HIDDEN)[1::2]
    for frame in again:
        images[frame] = images[frame - 1]
    repeated = flags.unpack(_extract(images, tmp_path).sample.flags)["repeated"]
    precision, recall = scores(repeated, np.isin(np.arange(FRAMES), again))
    assert precision >= LEAST
    assert recall >= LEAST


def test_a_small_face(plain, tmp_path):
    """Shrunk on grey, so that the face is 48 pixels high and wide, in the geometric mean."""
    images, sample = plain
    points = sample.landmarks[0, :, :2] * sample.image_size
    size = np.sqrt(np.linalg.norm(points[234] - points[454]) * np.linalg.norm(points[10] - points[152]))
    small = [cv2.resize(image, None, fx=48 / size, fy=48 / size, interpolation=cv2.INTER_AREA) for image in images[:10]]
    small = [image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2] for image in small]
    assert flags.unpack(_extract(small, tmp_path).sample.flags)["small"].all()


@pytest.mark.parametrize(("yaw", "pitch"), [(25, 0), (-25, 10), (0, 25), (35, 0), (-35, 0), (0, 35), (0, -35)])
def test_turned_by_known_angles(yaw, pitch):
    """Flat faces, turned about the vertical, then about the horizontal."""
    face = np.pad(np.random.default_rng(0).uniform(-0.8, 0.8, (478, 2)), ((0, 0), (0, 1)))
    face[[33, 263, 234, 454, 10, 152], :2] = [(-0.5, -0.4), (0.5, -0.4), (-1, 0), (1, 0), (0, -1.2), (0, 1.2)]
    a, b = np.radians([yaw, pitch])
    turn = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]) @ np.array(
        [[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]
    )
    face = (face @ turn.T * 0.2 * (1, 640 / 480, 1) + (0.5, 0.5, 0)).astype(np.float32)
    looks = [flags.Look(np.full(468, 128, np.uint8), 0.1)]
    bits = flags.find(face[None], looks, changes=np.array([np.nan]), repeated=np.zeros(1, bool), image_size=(640, 480))
    assert flags.unpack(bits)["turned"][0] == (max(abs(yaw), abs(pitch)) > flags.TURNED)


def test_bits_are_those_of_the_names():
    columns = {name: np.arange(4) == bit % 4 for bit, name in enumerate(flags.NAMES)}
    bits = flags.pack(columns)
    assert bits.dtype == np.uint16
    assert bits.tolist() == [1 + 16, 2 + 32, 4 + 64, 8]  # the names' order is part of the file
    for name, flag in flags.unpack(bits).items():
        np.testing.assert_array_equal(flag, columns[name])
    assert flags.NAMES == ("covered", "dark", "turned", "small", "blurred", "repeated", "other_person")
    assert flags.NOTABLE.keys() == flags.MEANINGS.keys() == set(flags.NAMES)


def test_flags_follow_the_frames_onto_the_grid():
    """One frame is missing (3), and one lies between two of the grid (5.4)."""
    bits = np.array([1, 2, 3, 4, 5, 6], np.uint16)
    positions = np.array([0, 1, 2, 4, 5.4, 6])
    assert flags.follow(bits, positions, 7).tolist() == [1, 2, 3, 3, 4, 5, 6]
    assert flags.follow(bits[:1], positions[:1], 1).tolist() == [1]


def test_flags_are_those_of_the_time_where_the_rate_varies(plain, tmp_path):
    """Every frame after the 40th is shown twice as long, so that HIDDEN ends at 40 + 2 x 12."""
    images, sample = plain
    times = np.concatenate([np.arange(40), 40 + 2 * np.arange(32)]) / 30
    hidden = [
        cover(image, face, "mouth", "skin") if flag else image
        for image, face, flag in zip(images, sample.landmarks, HIDDEN, strict=True)
    ]
    write_video(tmp_path / "slow.mp4", hidden, fps=30, times=times)
    slow = extract_landmarks(tmp_path / "slow.mp4")
    assert len(slow.flags) == len(slow.landmarks) == 103
    truth = (np.arange(103) >= 30) & (np.arange(103) < 63.5)
    assert min(scores(flags.unpack(slow.flags)["covered"], truth)) >= LEAST


def test_frames_without_a_face_have_flags_too(tmp_path):
    """Two frames are black: their landmarks are interpolated, and nothing is told of a face."""
    images = [image for image, _ in smiling(SIZE, frames=24)]
    images[10] = images[11] = np.zeros_like(images[0])
    sample = _extract(images, tmp_path).sample
    assert sample.interpolated == (10, 11)
    assert len(sample.flags) == 24
    assert not (sample.flags & ~np.uint16(1 << flags.NAMES.index("repeated"))).any()


def test_flags_are_kept_in_the_file_noted_and_shown(tmp_path):
    """In the sample, the manifest, quality.csv, and in red on the contact sheet."""
    images = [image for image, _ in smiling(SIZE, frames=40)]
    still = extract_landmarks(_write(tmp_path / "still.mp4", images))
    covered = [
        cover(image, face, "mouth", "flat") if frame >= 30 else image
        for frame, (image, face) in enumerate(zip(images, still.landmarks, strict=True))
    ]
    out = tmp_path / "out"
    made = extract_all([Job(_write(tmp_path / "covered.mp4", covered), "covered")], out, workers=1).extracted["covered"]
    share = flags.shares(samples.load(made).flags)["covered"]
    assert share == pytest.approx(0.25, abs=0.03)
    entry = manifest.read(out)["covered"]
    assert entry["notes"] == [f"{share:.0%} of the frames: mouth or eyes covered."]
    assert quality.row("covered", entry)["covered"] == share
    text = dict(contact_sheet._lines("covered", entry))
    assert text[f"{share:.0%} covered"] == contact_sheet.RED


def _write(path, images):
    write_video(path, images, fps=30, codec="libx264")
    return path


def test_files_without_flags_are_read_and_wrong_flags_refused(tmp_path):
    landmarks = np.random.default_rng(0).uniform(size=(5, 478, 3)).astype(np.float32)
    sample = samples.Sample("old", landmarks, 30.0, SIZE)
    samples.save(sample, tmp_path / "old.npz")
    assert samples.load(tmp_path / "old.npz").flags is None
    assert flags.shares(None) == {}
    assert flags.notes(None) == []
    for wrong in (np.zeros(4, np.uint16), np.zeros(5, np.int64), np.zeros((5, 7), np.uint16)):
        with pytest.raises(UserError, match=r"old: flags are .*expected uint16 \[5\]"):
            samples.validate(dataclasses.replace(sample, flags=wrong))


def test_a_video_without_a_face():
    none = np.full((3, 478, 3), np.nan, np.float32)
    changes = np.array([np.nan, 0, 5])
    bits = flags.find(
        none, [flags.NO_LOOK] * 3, changes=changes, repeated=gaps.find_repeated(changes), image_size=(640, 480)
    )
    assert not flags.unpack(bits)["covered"].any()


@pytest.mark.parametrize(
    ("name", "pixel_aspect", "start", "frames"),
    [
        ("cap13_edit2.mp4", None, 0, 150),
        ("carphone_pristine.mp4", None, 0, 120),
        ("franck.mp4", 16 / 15, 1896, 288),  # talk, and a laugh
        pytest.param("franck.mp4", 16 / 15, 0, 2880, marks=pytest.mark.slow),
    ],
)
def test_talk_smiles_and_blinks_are_not_covered(name, pixel_aspect, start, frames, tmp_path):
    with Video(real_clip(name), pixel_aspect=pixel_aspect) as video:
        images = [frame.image for index, frame in enumerate(video) if start <= index < start + frames]
    images = [image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2] for image in images]
    flagged = flags.unpack(_extract(images, tmp_path).sample.flags)
    assert flagged["covered"].mean() < 0.002
    assert not flagged["other_person"].any()
    assert not flagged["dark"].any()


def test_a_hand_over_mouth_or_eyes():
    """WolfgangLanger_Pexels, looked at frame by frame: the hand touches the lips from frame 59 to 227."""
    sample = extract_landmarks(real_clip("WolfgangLanger_Pexels.mp4"))
    frame = np.arange(len(sample.flags))
    flagged = flags.unpack(sample.flags)
    precision, recall = scores(flagged["covered"], (frame >= 59) & (frame < 228))
    assert precision >= LEAST
    assert recall >= LEAST
    assert not flagged["other_person"].any()


def test_a_cut_to_another_person(tmp_path):
    """F5, C8: 58 frames of one person, then 38 of another."""
    folder = tmp_path
    with Video(real_clip("single_face.mp4")) as first, Video(real_clip("WolfgangLanger_Pexels.mp4")) as second:
        images = [frame.image for frame in first][:58]
        images += [cv2.resize(frame.image, first.image_size) for frame, _ in zip(second, range(38), strict=False)]
    flagged = flags.unpack(_extract(images, folder).sample.flags)
    precision, recall = scores(flagged["other_person"], np.arange(96) >= 58)
    assert min(precision, recall) >= LEAST


def test_a_smile_is_refused_above_the_stated_share():
    landmarks = np.zeros((100, 478, 3), np.float32)

    def refusal(name, count, interpolated=()):
        bits = flags.pack({name: np.arange(100) < count})
        sample = Sample("a", landmarks, 25.0, (64, 48), flags=bits, interpolated=interpolated)
        return flags.refusal(sample)

    for name, most in flags.REFUSED.items():
        assert refusal(name, round(100 * most)) is None
        assert f"in {most + 0.01:.0%} of the frames, up to {most:.0%} are allowed" in refusal(
            name, round(100 * most) + 1
        )
    assert refusal("small", 100) is None and refusal("repeated", 100) is None
    assert "no face in 21% of the frames" in refusal("small", 0, interpolated=tuple(range(21)))
    assert flags.refusal(Sample("a", landmarks, 25.0, (64, 48))) is None
