"""Frames of a video file: how many, when, how large and how they look, whatever file and camera they come from."""

import math
import os
import subprocess
from fractions import Fraction

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from faces import ffmpeg, portrait, smiling, write_video
from PIL import Image

from dfuse_jax.extract.gaps import find_rhythm
from dfuse_jax.extract.video import Video, find_videos, parse_pixel_aspect
from dfuse_jax.runtime.errors import UserError

SIZE, FRAMES = (320, 240), 24
TEN_BITS = ["-pix_fmt", "yuv420p10le"]


@pytest.fixture(scope="module")
def images():
    return [image for image, _ in smiling(SIZE, frames=FRAMES, start=4, onset=6, apex=4, offset=6)]


@pytest.fixture(scope="module")
def lossless(images, tmp_path_factory):
    path = tmp_path_factory.mktemp("lossless") / "lossless.mkv"
    write_video(path, images)
    return path


def read(path, **options):
    """(the video, its frames)."""
    with Video(path, **options) as video:
        return video, list(video)


def difference(image, other):
    return np.abs(image.astype(int) - other).mean()


def test_frames_are_rgb_and_all_there(images, lossless):
    video, frames = read(lossless)
    assert (len(frames), video.frames, video.image_size) == (FRAMES, FRAMES, SIZE)
    assert [frame.time for frame in frames] == pytest.approx(np.arange(FRAMES) / 25)
    for frame, image in zip(frames, images, strict=True):
        assert frame.image.dtype == np.uint8
        assert difference(frame.image, image) < 2  # what the conversion of colours loses
        assert difference(frame.image, image[..., ::-1]) > 10  # red and blue swapped


def test_frames_are_those_of_opencv(images, tmp_path):
    """Plain videos were read by OpenCV before."""
    write_video(tmp_path / "plain.mp4", images)
    capture = cv2.VideoCapture(str(tmp_path / "plain.mp4"), cv2.CAP_FFMPEG)
    for frame in read(tmp_path / "plain.mp4")[1]:
        assert difference(frame.image, capture.read()[1][..., ::-1]) < 0.5
    assert not capture.read()[0]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "webm", "flv", "ts", "mpg"])
@pytest.mark.parametrize("rate", ["24000/1001", "25", "30000/1001", "30", "50", "60"])
def test_counts_and_rates_are_exact(lossless, tmp_path, suffix, rate):
    path = tmp_path / f"a.{suffix}"
    codec = {"webm": "libvpx", "flv": "flv1", "mpg": "mpeg2video", "avi": "mpeg4"}.get(suffix, "libx264")
    ffmpeg("-r", rate, "-i", lossless, "-s", "160x120", "-c:v", codec, "-pix_fmt", "yuv420p", path)
    video, frames = read(path)
    rhythm = find_rhythm(np.array([frame.time for frame in frames]), video.rates)
    assert (len(frames), rhythm.even, rhythm.source) == (FRAMES, True, "times")
    assert rhythm.fps == pytest.approx(float(Fraction(rate)), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "most"),
    [
        ("hevc.mp4", ["-c:v", "libx265", "-crf", 10, "-x265-params", "log-level=error"], 3),
        (
            "hevc10.mp4",
            ["-c:v", "libx265", "-crf", 10, "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=error"],
            3,
        ),
        ("av1.mp4", ["-c:v", "libsvtav1", "-crf", 15, "-preset", 10], 4),
        ("prores.mov", ["-c:v", "prores_ks"], 3),
        ("vp9.webm", ["-c:v", "libvpx-vp9", "-crf", 15, "-b:v", 0, "-deadline", "realtime"], 4),
        ("theora.ogv", ["-c:v", "libtheora", "-q:v", 10], 4),
        ("mjpeg.avi", ["-c:v", "mjpeg", "-q:v", 2], 3),
        ("xvid.avi", ["-c:v", "mpeg4", "-q:v", 2, "-vtag", "XVID"], 4),
        ("wmv2.wmv", ["-c:v", "wmv2", "-q:v", 2], 4),
        ("raw.avi", ["-c:v", "rawvideo", "-pix_fmt", "bgr24"], 3),
        ("rgb48.mkv", ["-c:v", "ffv1", "-pix_fmt", "gbrp16le"], 3),
        ("full.mp4", ["-c:v", "libx264", "-crf", 10, "-vf", "scale=out_range=full", "-color_range", "pc"], 3),
        ("fragments.mp4", ["-c:v", "libx264", "-crf", 10, "-movflags", "+frag_keyframe+empty_moov"], 3),
        ("live.webm", ["-c:v", "libvpx", "-b:v", "4M", "-live", 1], 4),
        ("b_frames.avi", ["-c:v", "libx264", "-crf", 10, "-bf", 3], 3),  # whose times are in disorder
    ],
)
def test_codecs_and_containers(images, lossless, tmp_path, name, options, most):
    ffmpeg("-i", lossless, *options, tmp_path / name)
    video, frames = read(tmp_path / name)
    rhythm = find_rhythm(np.array([frame.time for frame in frames]), video.rates)
    assert (len(frames), video.image_size) == (FRAMES, SIZE)
    assert (rhythm.fps, rhythm.even) == (pytest.approx(25, rel=1e-6), True)
    assert max(difference(frame.image, image) for frame, image in zip(frames, images, strict=True)) < most


def test_grey_and_16_bits(images, tmp_path):
    write_video(tmp_path / "deep.mkv", images, codec="ffv1", pixels="gray16le")
    for frame, image in zip(read(tmp_path / "deep.mkv")[1], images, strict=True):
        assert (np.ptp(frame.image.astype(int), axis=-1) <= 1).all()
        assert difference(frame.image[..., 0], cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) < 1.5


def test_odd_sizes(tmp_path):
    write_video(tmp_path / "odd.avi", [portrait((317, 241))] * 2)
    video, frames = read(tmp_path / "odd.avi")
    assert video.image_size == (317, 241)
    assert frames[1].image.shape == (241, 317, 3)
    assert difference(frames[1].image, portrait((317, 241))) < 3


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [[], ["-display_hflip"], ["-display_vflip"]])
def test_shown_as_ffmpeg_shows_it(lossless, tmp_path, degrees, mirror):
    """To the digit: all eight ways to turn and mirror a picture, some of them twice."""
    ffmpeg("-i", lossless, "-frames:v", 2, "-c:v", "libx264", "-pix_fmt", "yuv420p", tmp_path / "stored.mp4")
    path = tmp_path / "shown.mp4"
    ffmpeg("-display_rotation", degrees, *mirror, "-i", tmp_path / "stored.mp4", "-c", "copy", path)
    raw = ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    shown = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", path, *raw], capture_output=True, check=True
    ).stdout
    video, frames = read(path)
    assert video.image_size == (SIZE if degrees % 180 == 0 else SIZE[::-1])
    np.testing.assert_array_equal(frames[0].image.ravel(), np.frombuffer(shown, np.uint8))


def test_an_oblique_turn_is_refused(lossless, tmp_path):
    ffmpeg("-i", lossless, "-frames:v", 2, "-c:v", "libx264", tmp_path / "stored.mp4")
    ffmpeg("-display_rotation", 30, "-i", tmp_path / "stored.mp4", "-c", "copy", tmp_path / "shown.mp4")
    with pytest.raises(UserError, match=r"turned by 30 degrees"):
        Video(tmp_path / "shown.mp4")


def test_a_turn_beside_other_exif_data(tmp_path):
    """Cameras write Exif into the pictures of a stream of JPEGs; 6 means: turn it clockwise."""
    upright = Image.fromarray(portrait(SIZE))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.jpg", exif=exif, quality=95)
    (tmp_path / "a.mjpeg").write_bytes((tmp_path / "a.jpg").read_bytes() * 3)
    video, frames = read(tmp_path / "a.mjpeg")
    assert (video.image_size, len(frames)) == (SIZE, 3)
    assert difference(frames[0].image, np.asarray(upright)) < 4


@pytest.mark.parametrize(
    ("stored", "aspect", "given", "shown"),
    [
        ("320:240", "1", None, (320, 240)),
        ("320:240", "16/15", None, (341, 240)),
        ("320:240", "8/9", None, (284, 240)),
        ("320:240", "16/15", 1, (320, 240)),  # what is given counts
        ("320:240", "1", 16 / 15, (341, 240)),
    ],
)
def test_square_pixels(images, lossless, tmp_path, stored, aspect, given, shown):
    ffmpeg("-i", lossless, "-vf", f"scale={stored},setsar={aspect}", "-c:v", "libx264", "-crf", 4, tmp_path / "a.mp4")
    video, frames = read(tmp_path / "a.mp4", pixel_aspect=given)
    assert video.image_size == shown
    assert difference(frames[5].image, cv2.resize(images[5], shown, interpolation=cv2.INTER_CUBIC)) < 4


def test_an_impossible_pixel_aspect(lossless, tmp_path):
    with pytest.raises(UserError, match=r"pixel_aspect=7: expected a pixel's width / height"):
        Video(lossless, pixel_aspect=7)
    ffmpeg("-i", lossless, "-vf", "setsar=1/200", "-frames:v", 2, "-c:v", "libx264", tmp_path / "a.mp4")
    with pytest.raises(UserError, match=r"0\.01 times as wide as high\. Pass the true ratio as pixel_aspect"):
        Video(tmp_path / "a.mp4")


@pytest.mark.parametrize(("text", "aspect"), [("16:15", 16 / 15), ("8/9", 8 / 9), (" 1.0667", 1.0667), ("1", 1)])
def test_a_pixel_aspect_is_read(text, aspect):
    assert parse_pixel_aspect(text) == pytest.approx(aspect)


@pytest.mark.parametrize("text", ["", "wide", "1:0", "16:15:1", "0", "-1", "nan", "9"])
def test_what_is_no_pixel_aspect(text):
    with pytest.raises(UserError, match=r"pixel_aspect=.*expected a pixel's width / height"):
        parse_pixel_aspect(text)


def test_a_stream_without_times_names_its_rate_if_it_knows_it(lossless, tmp_path):
    ffmpeg("-r", 30, "-i", lossless, "-c:v", "libx264", "-pix_fmt", "yuv420p", tmp_path / "a.h264")
    ffmpeg("-r", 30, "-i", lossless, "-c:v", "mjpeg", tmp_path / "a.mjpeg")
    for name, rates in (("a.h264", (30,)), ("a.mjpeg", ())):
        video, frames = read(tmp_path / name)
        assert video.rates == rates
        assert len(frames) == FRAMES
        assert all(math.isnan(frame.time) for frame in frames)


def test_how_much_a_picture_changes(tmp_path):
    """In grey levels."""
    still = portrait(SIZE)
    write_video(
        tmp_path / "a.mkv", [still, still, np.clip(still.astype(int) + 9, 0, 255).astype(np.uint8)], codec="ffv1"
    )
    changes = [frame.change for frame in read(tmp_path / "a.mkv")[1]]
    assert math.isnan(changes[0])
    assert changes[1] == 0
    assert changes[2] == pytest.approx(9, abs=1)


TRUNCATED = ["a.avi", "a.mkv", "a.webm", "a.flv", "a.ts", "a.mpg", "a.wmv", "a.ogv", "a.mp4"]
TRUNCATED += ["fast.mp4", "fragments.mp4"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Videos with a key frame every 6 frames, whole; {name: bytes}."""
    folder = tmp_path_factory.mktemp("whole")
    images = [image for image, _ in smiling(SIZE, frames=48, start=4, onset=12, apex=8, offset=12)]
    write_video(folder / "lossless.mkv", images)
    codecs = {"webm": "libvpx", "flv": "flv1", "mpg": "mpeg2video", "avi": "mpeg4", "wmv": "wmv2", "ogv": "libtheora"}
    flags = {"fast.mp4": "+faststart", "fragments.mp4": "+frag_keyframe+empty_moov"}
    for name in TRUNCATED:
        codec = ["-c:v", codecs.get(name.split(".")[1], "libx264"), "-pix_fmt", "yuv420p", "-g", 6, "-b:v", "2M"]
        more = ["-movflags", flags[name]] if name in flags else []
        ffmpeg("-i", folder / "lossless.mkv", *codec, *more, folder / name)
    return {name: (folder / name).read_bytes() for name in TRUNCATED}


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("name", TRUNCATED)
def test_a_file_that_is_cut_off(whole, tmp_path, name, share):
    path = tmp_path / name
    path.write_bytes(whole[name][: int(share * len(whole[name]))])
    with pytest.raises(UserError, match="is cut off"):
        read(path)
    path.write_bytes(whole[name])
    assert len(read(path)[1]) == 48


def test_damage_in_the_middle_is_counted(whole, tmp_path):
    content = bytearray(whole["a.avi"])
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    (tmp_path / "a.avi").write_bytes(content)
    video, frames = read(tmp_path / "a.avi")
    assert video.damaged > 0
    assert 46 <= len(frames) <= 48


def test_pieces_of_a_stream(whole, tmp_path):
    """Recorders join transport streams, whose clock starts anew, and cut them anywhere."""
    stream = whole["a.ts"]
    (tmp_path / "joined.ts").write_bytes(2 * stream)
    video, frames = read(tmp_path / "joined.ts")
    rhythm = find_rhythm(np.array([frame.time for frame in frames]), video.rates)
    assert (len(frames), rhythm.fps, rhythm.even, rhythm.mistimed) == (96, 25, True, 1)
    (tmp_path / "late.ts").write_bytes(stream[188 * (len(stream) // 188 // 2) :])
    frames = read(tmp_path / "late.ts")[1]
    assert 12 < len(frames) < 36


def _text(path):
    path.write_text("not a video\n" * 100)


def _unknown_codec(path):
    write_video(path, [portrait(SIZE)] * 3, codec="libx264")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzC"))


REFUSED = {
    "text.mp4": (_text, "is no video"),
    "empty.mp4": (lambda path: path.touch(), r"is empty \(0 bytes\)"),
    "picture.png": (lambda path: Image.fromarray(portrait(SIZE)).save(path), "is a picture, not a video"),
    "picture.mp4": (
        lambda path: Image.fromarray(portrait(SIZE)).save(path, format="jpeg"),
        "is a picture, not a video",
    ),
    "still.gif": (lambda path: Image.fromarray(portrait(SIZE)).save(path), "is a picture, not a video"),
    "sound.mp4": (lambda path: ffmpeg("-f", "lavfi", "-i", "sine=d=1", path), "holds no video, only audio"),
    "unknown.mp4": (_unknown_codec, "a codec that PyAV cannot decode"),
    "missing.mp4": (lambda path: None, "no such file"),
    "folder.mp4": (lambda path: path.mkdir(), "is a folder"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_video_is_refused(tmp_path, name):
    make, message = REFUSED[name]
    make(tmp_path / name)
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


def test_frames_of_another_size(lossless, tmp_path):
    for size in ("320x240", "160x120"):
        ffmpeg("-i", lossless, "-s", size, "-c:v", "mpeg2video", "-f", "mpegts", tmp_path / f"{size}.ts")
    joined = (tmp_path / "320x240.ts").read_bytes() + (tmp_path / "160x120.ts").read_bytes()
    (tmp_path / "joined.ts").write_bytes(joined)
    with pytest.raises(UserError, match=r"frame \d+ has another size than the first"):
        read(tmp_path / "joined.ts")


def test_nothing_is_written_to_stderr(whole, tmp_path, capfd):
    (tmp_path / "a.mkv").write_bytes(whole["a.mkv"])
    (tmp_path / "cut.flv").write_bytes(whole["a.flv"][:5000])
    read(tmp_path / "a.mkv")
    with pytest.raises(UserError):
        read(tmp_path / "cut.flv")
    assert capfd.readouterr().err == ""


def test_videos_of_a_folder_and_of_links_in_it(tmp_path):
    """F12: a link to a folder is followed, one that leads round in circles once."""
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "top").mkdir()
    for name in ("real/a.mp4", "real/deep/b.MKV", "real/notes.txt"):
        (tmp_path / name).touch()
    os.symlink(tmp_path / "real", tmp_path / "top" / "link")
    os.symlink(tmp_path / "top", tmp_path / "real" / "deep" / "round")
    os.symlink(tmp_path / "real" / "a.mp4", tmp_path / "top" / "c.mp4")
    found = [str(path.relative_to(tmp_path / "top")) for path in find_videos(tmp_path / "top")]
    assert found == ["c.mp4", "link/a.mp4", "link/deep/b.MKV"]


def test_frames_are_read_one_by_one(lossless):
    """A long video is not held in memory."""
    with Video(lossless) as video:
        frames = iter(video)
        assert iter(frames) is frames
