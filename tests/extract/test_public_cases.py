"""Videos as people have them, from public reports on other software: each gives what the plain video gives.

The videos are made by ffmpeg from one smile, 72 frames at 30 a second; distances are in per cent of that between the
outer corners of the eyes. The same video re-encoded so that no eye sees it moves the landmarks by 0.1 to 0.2%.
"""

import os

import numpy as np
import pytest
from faces import ffmpeg, smiling, write_video

from dfuse_jax.extract import flags
from dfuse_jax.extract.batch import Job, extract_all
from dfuse_jax.extract.landmarks import extract, extract_landmarks

SIZE, FRAMES = (320, 240), 72


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The plain video, and its sample."""
    folder = tmp_path_factory.mktemp("clip")
    images = [image for image, _ in smiling(SIZE, frames=FRAMES, start=10, onset=15, apex=20, offset=15)]
    write_video(folder / "lossless.mkv", images, fps=30)
    ffmpeg(
        "-i", folder / "lossless.mkv", "-c:v", "libx264", "-crf", 4, "-g", 30, "-pix_fmt", "yuv420p", folder / "a.mp4"
    )
    return folder / "a.mp4", extract_landmarks(folder / "a.mp4")


def distance(landmarks, others, aspect=SIZE[1] / SIZE[0]):
    """Mean distance of two [T, 478, 3] in the image, in per cent of the distance of the eyes' outer corners."""
    a, b = (points[..., :2] * (1, aspect) for points in (landmarks, others))
    width = np.linalg.norm(b[:, 33] - b[:, 263], axis=-1).mean()
    return 100 * np.linalg.norm(a - b, axis=-1).mean() / width


def at(landmarks, frames):
    """Landmarks [N, 478, 3] at N positions between frames, linearly interpolated."""
    left = np.clip(np.floor(frames).astype(int), 0, len(landmarks) - 2)
    weight = (np.asarray(frames) - left)[:, None, None]
    return (1 - weight) * landmarks[left] + weight * landmarks[left + 1]


@pytest.mark.parametrize(
    ("stored", "aspect", "options"),
    [
        ("300:240", "16/15", ["-c:v", "libx264", "-crf", 4, "a.mp4"]),
        ("240:240", "4/3", ["-c:v", "libx264", "-crf", 4, "a.mkv"]),
        ("240:240", "4/3", ["-c:v", "libx264", "-crf", 4, "a.mov"]),
        ("240:240", "4/3", ["-c:v", "mpeg4", "-q:v", 2, "a.avi"]),
        ("240:240", "4/3", ["-c:v", "libvpx-vp9", "-b:v", "3M", "-deadline", "realtime", "a.webm"]),
        ("360:240", "8/9", ["-c:v", "libx264", "-crf", 4, "a.mp4"]),  # NTSC: its pixels are higher than wide
    ],
)
def test_pixels_that_are_not_square(clip, tmp_path, stored, aspect, options):
    """C1: the face of the plain video, in an image of its size."""
    path = tmp_path / options[-1]
    ffmpeg("-i", clip[0], "-vf", f"scale={stored},setsar={aspect}", *options[:-1], path)
    sample = extract_landmarks(path)
    assert sample.image_size == SIZE
    assert distance(sample.landmarks, clip[1].landmarks) < 0.8


def test_pixels_of_a_dvd(clip, tmp_path):
    """C1: MPEG-2 at another rate and size: the head is as high as in the plain video, to its width."""
    path = tmp_path / "a.mpg"
    ffmpeg("-i", clip[0], "-vf", "scale=720:576,setsar=16/15", "-r", 25, "-c:v", "mpeg2video", "-q:v", 2, path)
    sample = extract_landmarks(path)
    assert (sample.image_size, sample.fps) == ((768, 576), 25)
    heights = [_height_to_width(s) for s in (sample, clip[1])]
    assert heights[0] == pytest.approx(heights[1], rel=0.01)
    stretched = extract_landmarks(path, pixel_aspect=1)  # the test's own check
    assert _height_to_width(stretched) > 1.04 * heights[1]


def _height_to_width(sample):
    points = sample.landmarks[..., :2] * (1, sample.aspect)
    height, width = (np.linalg.norm(points[:, a] - points[:, b], axis=-1) for a, b in ((10, 152), (234, 454)))
    return np.median(height / width)


def test_the_shape_of_pixels_that_a_file_does_not_say_can_be_given(clip, tmp_path):
    """F1: half PAL without a tag; another shape is another extraction, the same one is kept."""
    path = tmp_path / "half.mp4"
    ffmpeg("-i", clip[0], "-vf", "scale=300:240,setsar=1", "-c:v", "libx264", "-crf", 4, path)
    sample = extract_landmarks(path, pixel_aspect=16 / 15)
    assert sample.image_size == SIZE
    assert distance(sample.landmarks, clip[1].landmarks) < 0.5
    jobs = [Job(path, "half", pixel_aspect=16 / 15)]
    made = extract_all(jobs, tmp_path / "out", workers=1).extracted["half"]
    before = made.stat().st_mtime_ns
    assert made.stat().st_mtime_ns == extract_all(jobs, tmp_path / "out").extracted["half"].stat().st_mtime_ns == before
    extract_all([Job(path, "half")], tmp_path / "out", workers=1)
    assert made.stat().st_mtime_ns > before


def test_a_start_that_an_edit_list_hides(clip, tmp_path):
    """C2: a phone's trim keeps the frames before its start in the file."""
    ffmpeg("-ss", 0.5, "-i", clip[0], "-c", "copy", tmp_path / "trim.mp4")
    result = extract(tmp_path / "trim.mp4")
    assert (result.decoded, result.sample.fps, result.resampled) == (57, 30, False)
    assert distance(result.sample.landmarks, clip[1].landmarks[15:]) < 0.5


@pytest.mark.parametrize(
    ("seconds", "late", "name", "codecs"),
    [
        (2.6, 0, "a.webm", ["libvpx", "libopus"]),
        (4, 0, "a.mkv", ["libx264", "aac"]),
        (4, 0, "a.ts", ["libx264", "aac"]),
        (4, 0, "a.flv", ["flv1", "aac"]),
        (3.4, 1, "late.mkv", ["libx264", "aac"]),
        (3.4, 1, "late.mp4", ["libx264", "aac"]),
    ],
)
def test_sound_that_is_longer_and_pictures_that_start_late(clip, tmp_path, seconds, late, name, codecs):
    """C3: the file is longer than its pictures, so it is not cut off."""
    sound = ["-f", "lavfi", "-i", f"sine=d={seconds}", "-map", "0:v", "-map", "1:a"]
    codecs = ["-c:v", codecs[0], "-b:v", "3M", "-c:a", codecs[1]]
    ffmpeg("-itsoffset", late, "-i", clip[0], *sound, *codecs, tmp_path / name)
    result = extract(tmp_path / name)
    assert (result.decoded, result.resampled, result.sample.interpolated) == (FRAMES, False, ())
    assert result.sample.fps == pytest.approx(30, abs=1e-6)
    assert distance(result.sample.landmarks, clip[1].landmarks) < 2


def _slow_down(clip, path, rate, codec=("-c:v", "libx264", "-crf", 4)):
    """Shows frames 0 to 36 at 30 a second and the others at `rate`."""
    times = f"settb=1/90000,setpts='if(lt(N,36),N/30,36/30+(N-36)/{rate})/TB'"
    ffmpeg("-i", clip[0], "-vf", times, "-fps_mode", "passthrough", "-enc_time_base", "1/90000", *codec, path)


def _frames_shown(count, rate):
    """Which frame of the plain video is shown at the times k / 30, fractions in between."""
    times = np.arange(count) / 30
    return np.where(times <= 1.2, times * 30, 36 + (times - 1.2) * rate)


@pytest.mark.parametrize(("rate", "frames"), [(25, 79), (24, 80), (20, 89), (15, 107)])
def test_a_rate_that_drops(clip, tmp_path, rate, frames):
    """C4, C5: webcams slow down in dim light. What is shown at a time is where that time is on the grid."""
    _slow_down(clip, tmp_path / "a.mp4", rate, ["-video_track_timescale", 90000, "-c:v", "libx264", "-crf", 4])
    result = extract(tmp_path / "a.mp4")
    sample = result.sample
    assert (len(sample.landmarks), sample.fps, result.resampled, result.lost) == (frames, 30, True, 0)
    assert distance(sample.landmarks, at(clip[1].landmarks, _frames_shown(frames, rate))) < 0.6
    assert any("varying rate" in note for note in result.notes)


@pytest.mark.parametrize("change", ["PREV_INPTS", "PREV_INPTS-3/30/TB"])
def test_one_wrong_time(clip, tmp_path, change):
    """C6: one time is repeated, or goes back; the others are kept."""
    _slow_down(clip, tmp_path / "t.mkv", 15, ["-c:v", "mjpeg", "-q:v", 2])
    wrong = f"setts=ts='if(eq(N,20),{change},TS)'"
    ffmpeg("-i", tmp_path / "t.mkv", "-c", "copy", "-bsf:v", wrong, tmp_path / "wrong.mkv")
    result = extract(tmp_path / "wrong.mkv")
    assert (len(result.sample.landmarks), result.sample.fps, result.resampled) == (107, 30, True)
    assert distance(result.sample.landmarks, at(clip[1].landmarks, _frames_shown(107, 15))) < 1
    assert any("1 of its frames' times" in note for note in result.notes)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("hflip", ["-display_hflip"]),
        ("vflip", ["-display_vflip"]),
        ("transpose=clock", ["-display_rotation", 90]),
        ("hflip,vflip", ["-display_rotation", 180]),
        ("transpose=cclock", ["-display_rotation", 270]),
        ("transpose=clock_flip", ["-display_rotation", 90, "-display_hflip"]),
        ("transpose=cclock_flip", ["-display_rotation", 270, "-display_hflip"]),
    ],
)
def test_turned_and_mirrored_by_the_file(clip, tmp_path, stored, shown, suffix):
    """C7: front cameras store a mirrored picture, phones a turned one."""
    ffmpeg("-i", clip[0], "-t", 0.2, "-vf", stored, "-c:v", "libx264", "-crf", 4, tmp_path / "stored.mp4")
    path = tmp_path / f"shown{suffix}"
    ffmpeg(*shown, "-i", tmp_path / "stored.mp4", "-c", "copy", path)
    sample = extract_landmarks(path)
    assert sample.image_size == SIZE
    assert distance(sample.landmarks, clip[1].landmarks[:6]) < 0.8


def test_a_name_with_colons(clip, tmp_path, monkeypatch):
    """C9: FFmpeg takes 10: for a protocol."""
    (tmp_path / "10:23:45.mp4").write_bytes(clip[0].read_bytes())
    monkeypatch.chdir(tmp_path)
    assert len(extract_landmarks("10:23:45.mp4").landmarks) == FRAMES


def test_pictures_that_are_repeated(clip, tmp_path):
    """C11: of a film at 24 frames a second that was made one of 30, every fifth picture repeats the one before."""
    ffmpeg("-i", clip[0], "-r", 24, "-c:v", "libx264", tmp_path / "film.mp4")
    ffmpeg("-i", tmp_path / "film.mp4", "-r", 30, "-c:v", "libx264", tmp_path / "doubled.mp4")
    assert flags.shares(extract_landmarks(tmp_path / "film.mp4").flags)["repeated"] == 0
    result = extract(tmp_path / "doubled.mp4")
    repeated = np.flatnonzero(flags.unpack(result.sample.flags)["repeated"])
    assert len(set(repeated % 5)) == 1
    assert len(repeated) == pytest.approx(result.decoded / 5, abs=1)
    assert any("the picture repeats the one before" in note for note in result.notes)


@pytest.mark.parametrize(
    ("name", "options", "fps", "frames"),
    [
        ("av1.mp4", ["-c:v", "libsvtav1", "-crf", 10, "-preset", 10], 30, FRAMES),
        ("a.gif", ["-vf", "fps=25"], 25, 60),
        ("raw.mjpeg", ["-c:v", "mjpeg", "-q:v", 2, "-f", "mjpeg"], 25, FRAMES),  # it holds no rate: 25 is assumed
    ],
)
def test_formats_that_opencv_refuses(clip, tmp_path, name, options, fps, frames):
    """C12."""
    ffmpeg("-i", clip[0], *options, tmp_path / name)
    result = extract(tmp_path / name)
    assert (result.decoded, result.sample.fps) == (frames, pytest.approx(fps, abs=1e-6))
    if fps == 30:
        assert distance(result.sample.landmarks, clip[1].landmarks) < 1.5


def test_the_largest_of_several_streams(clip, tmp_path):
    """C14: a preview comes first."""
    preview = "[0:v]scale=80:60,fps=15[a]"
    two = ["-filter_complex", preview, "-map", "[a]", "-map", "1:v", "-c:v", "libx264", "-crf", 4]
    ffmpeg("-i", clip[0], "-i", clip[0], *two, tmp_path / "two.mp4")
    sample = extract_landmarks(tmp_path / "two.mp4")
    assert (len(sample.landmarks), sample.fps, sample.image_size) == (FRAMES, 30, SIZE)


def test_a_cover_picture_is_no_video(clip, tmp_path):
    """C14: it is larger than the video, and skipped."""
    ffmpeg("-i", clip[0], "-frames:v", 1, "-vf", "scale=640:480", tmp_path / "cover.png")
    cover = ["-map", 0, "-map", 1, "-c", "copy", "-disposition:v:1", "attached_pic"]
    ffmpeg("-i", clip[0], "-i", tmp_path / "cover.png", *cover, tmp_path / "covered.mp4")
    sample = extract_landmarks(tmp_path / "covered.mp4")
    assert (len(sample.landmarks), sample.image_size) == (FRAMES, SIZE)


def test_a_file_without_times(clip, tmp_path):
    """F6: a raw stream has none; its header's rate is taken, an assumed one is said, the true one can be given."""
    ffmpeg("-i", clip[0], "-c", "copy", "-bsf:v", "h264_mp4toannexb", tmp_path / "raw.h264")
    result = extract(tmp_path / "raw.h264")
    assert (result.decoded, result.sample.fps) == (FRAMES, 30)
    assert any("as its header says" in note for note in result.notes)
    ffmpeg("-i", clip[0], "-c:v", "mjpeg", "-q:v", 2, "-f", "mjpeg", tmp_path / "raw.mjpeg")
    result = extract(tmp_path / "raw.mjpeg")
    assert result.sample.fps == 25
    assert any("25 a second are assumed" in note for note in result.notes)
    result = extract(tmp_path / "raw.mjpeg", fps=30)
    assert (result.sample.fps, result.notes) == (30, ())


def test_names_that_are_not_utf8_and_very_long_ones(clip, tmp_path):
    """F7: both are extracted like any other."""
    latin = os.fsdecode(b"caf\xe9")
    names = [latin, "n" * 251]
    for name in names:
        os.link(clip[0], tmp_path / f"{name}.mp4")
    outcome = extract_all([Job(tmp_path / f"{name}.mp4", name) for name in names], tmp_path / "out", workers=1)
    assert outcome.failed == {}
    assert [path.name for path in outcome.extracted.values()] == [f"{name}.npz" for name in names]
