"""Frames of a video file as they are shown, upright and in square pixels, and when each was taken."""

import math
import os
import pathlib
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int16, UInt8

from dfuse_jax.extract.native import require
from dfuse_jax.runtime.errors import UserError

SUFFIXES = (
    *(".mp4", ".avi", ".mov", ".mkv", ".wmv", ".mpg", ".mpeg"),
    *(".3gp", ".flv", ".m2ts", ".m4v", ".mts", ".ogv", ".ts", ".webm"),
)
NO_VIDEOS = (".npz", ".npy", ".csv")  # of which FFmpeg may make something all the same
PIXEL_ASPECTS = (0.2, 5.0)  # least and greatest of real videos; a broken header says 0, or thousands
COMPARED = 120  # about as many rows of a picture are compared with those of the picture before
STILL = ("image2", "gif", "apng", "webp")  # formats, or how their names begin, of pictures, of which some move
OGG_PAGE = 27 + 255 + 255 * 255  # bytes at most
TS_PACKETS = (188, 192, 204)  # bytes: plain, with a time (.m2ts), with error correction


class Frame(NamedTuple):
    """A frame of a video.

    Attributes:
        time: when it is shown, in seconds; NaN where the file does not say.
        image: [height, width, 3] uint8 RGB, upright and in square pixels.
        change: mean absolute difference from the picture before, in grey levels; NaN for the first frame.
    """

    time: float
    image: UInt8[np.ndarray, "height width 3"]
    change: float


def thin_out(image: UInt8[np.ndarray, "height width 3"]) -> Int16[np.ndarray, "rows columns"]:
    """Returns the pixels of a picture that are compared with those of the one before."""
    step = max(1, min(image.shape[:2]) // COMPARED)
    return image[::step, ::step, 1].astype(np.int16)


def mean_change(before: Int16[np.ndarray, "rows columns"], now: Int16[np.ndarray, "rows columns"]) -> float:
    """Returns the mean absolute difference of two pictures of `thin_out`, in grey levels."""
    return float(np.abs(now - before).mean())


class Video:
    """An open video file, to be used in a `with` block and iterated over once.

    Its largest video stream is read, as ffmpeg does; cover pictures do not count. Frames come upright, in square
    pixels, in colour and 8 bits, whatever the file holds.

    Args:
        path: the video.
        pixel_aspect: width / height of a pixel as it is stored; None: what the file says, or 1.

    Attributes:
        image_size: (width, height) in pixels, as it is shown.
        rates: frames per second that the file names, the likeliest first; none where it names no rate.
        frames: about how many frames there are, for showing progress; 0 when the file does not say.
        damaged: how many frames could not be decoded, or not wholly, so far.

    Raises:
        UserError: there is no video to read; when iterated over: it is cut off, or changes its size.
    """

    def __init__(self, path: str | os.PathLike, *, pixel_aspect: float | None = None):
        self.path = pathlib.Path(path)
        if pixel_aspect is not None and not _is_likely(pixel_aspect):
            raise UserError(f"pixel_aspect={pixel_aspect:g}: expected a pixel's width / height, such as 16/15.")
        _check_file(self.path)
        self._av = require("av")
        self._container = self._open()
        self.damaged = 0
        try:
            self._stream = self._choose_stream()
            self._stream.codec_context.thread_count = 1  # videos are what is done in parallel
            self._pixel_aspect = self._stored_pixel_aspect() if pixel_aspect is None else pixel_aspect
            self._has_times = not self._container.format.flags & self._av.format.Flags.no_timestamps.value
            self._reformatter = self._av.video.reformatter.VideoReformatter()
            self._decoded = self._decode()
            self._first = next(self._decoded, None)
            if self._first is None:
                raise UserError(
                    f"{self.path}: has no frames that can be decoded (its codec is {self._stream.codec_context.name}). "
                    "Copy it again or convert it to H.264 in .mp4."
                )
            height, width = self._image(self._first).shape[:2]
        except BaseException:
            self._container.close()
            raise
        self.image_size = width, height
        self.rates = self._rates()
        self.frames = self._stream.frames or round(self._duration() * (self.rates[0] if self.rates else 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        previous = None
        for decoded, image in self._shown():
            sparse = thin_out(image)
            change = math.nan if previous is None else mean_change(previous, sparse)
            previous = sparse
            time = decoded.time if self._has_times and decoded.time is not None else math.nan
            yield Frame(time, image, change)

    def images(self) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
        """Yields the images of the frames alone, in the place of iterating over the video."""
        for _, image in self._shown():
            yield image

    def _shown(self) -> Iterator[tuple[Any, UInt8[np.ndarray, "height width 3"]]]:
        """Yields each frame as it is decoded, and its image."""
        for index, decoded in enumerate(self._all_decoded()):
            image = self._image(decoded)
            if image.shape[1::-1] != self.image_size:
                raise UserError(f"{self.path}: frame {index} has another size than the first. Convert it to one size.")
            yield decoded, image

    def _open(self):
        try:
            # An absolute path is a file, however it is named: "10:23.mp4" alone would be one of a protocol "10".
            container = self._av.open(os.path.abspath(self.path), metadata_errors="replace")
        except (self._av.error.FFmpegError, OSError, ValueError) as error:
            raise UserError(
                f"{self.path}: is no video, or is cut off or damaged. Copy it again or convert it to .mp4."
            ) from error
        if _lacks_bytes(self.path, container.format.name):
            container.close()
            raise UserError(f"{self.path}: is cut off: its end is missing. Copy it again.")
        return container

    def _choose_stream(self) -> Any:
        disposition = self._av.stream.Disposition
        covers = disposition.attached_pic | disposition.timed_thumbnails | disposition.still_image
        streams = [stream for stream in self._container.streams.video if not stream.disposition & covers]
        if not streams:
            raise UserError(f"{self.path}: holds no video, only {self._other_contents()}. Pass the video itself.")
        readable = [stream for stream in streams if stream.codec_context is not None]
        if not readable:
            raise UserError(f"{self.path}: its video has a codec that PyAV cannot decode. Convert it to H.264 in .mp4.")
        return max(readable, key=lambda stream: stream.width * stream.height)

    def _other_contents(self) -> str:
        kinds = {"a picture" if stream.type == "video" else stream.type for stream in self._container.streams}
        return " and ".join(sorted(kinds)) or "nothing"

    def _stored_pixel_aspect(self) -> float:
        aspect = float(self._stream.sample_aspect_ratio or 1)
        if not _is_likely(aspect):
            raise UserError(
                f"{self.path}: says that its pixels are {aspect:.3g} times as wide as high. Pass the true ratio as "
                "pixel_aspect."
            )
        return aspect

    def _rates(self) -> tuple[float, ...]:
        stream = self._stream
        if self._has_times:
            rates = (stream.guessed_rate, stream.average_rate, stream.base_rate)
        else:
            rates = (stream.codec_context.framerate,)  # the others are FFmpeg's assumption then
        return tuple(dict.fromkeys(float(rate) for rate in rates if rate))

    def _duration(self) -> float:
        if self._stream.duration:
            return float(self._stream.duration * self._stream.time_base)
        return (self._container.duration or 0) / self._av.time_base

    def _all_decoded(self) -> Iterator[Any]:
        yield self._first
        yield from self._decoded

    def _decode(self) -> Iterator[Any]:
        """Yields what the decoder shows; raises UserError at the end if the last packet or frame is incomplete."""
        number, time, start, cut = 0, 0.0, None, False
        for packet in self._packets():
            if packet is None:
                cut = True
                break
            if packet.size == 0 and packet.dts is not None:  # a frame that was dropped: its time is missing, no more
                continue
            if packet.size:
                cut = packet.is_corrupt
            try:
                frames = packet.decode()
            except self._av.error.FFmpegError:
                self.damaged += 1
                cut = cut or number > 0
                continue
            for frame in frames:
                self.damaged += frame.is_corrupt
                cut = cut or frame.is_corrupt
                start = (frame.time or 0.0) if start is None else start
                number, time = number + 1, (frame.time or 0.0) - start
                yield frame
        if cut:
            end = (
                f"it can be decoded up to {time:.2f} seconds ({number} frames)" if number else "no frame can be decoded"
            )
            raise UserError(f"{self.path}: is cut off, or damaged at its end; {end}. Copy it again.")
        name = self._container.format.name
        if number == 1 and (name.startswith(STILL) or name.endswith("_pipe")):
            raise UserError(f"{self.path}: is a picture, not a video. Pass the video itself.")

    def _packets(self) -> Iterator[Any]:
        """Yields the packets of the stream, at last an empty one; None where the file cannot be read on."""
        try:
            yield from self._container.demux(self._stream)
        except self._av.error.FFmpegError:
            yield None

    def _image(self, frame: Any) -> UInt8[np.ndarray, "height width 3"]:
        """Returns a frame as it is shown: in square pixels, turned and mirrored as its display matrix says."""
        image = self._reformatter.reformat(
            frame,
            width=round(frame.width * self._pixel_aspect),
            format="rgb24",
            interpolation="BICUBIC",
            threads=1,
        ).to_ndarray()
        matrix = self._display_matrix(frame)
        return image if matrix is None else _turn(self.path, image, matrix)

    def _display_matrix(self, frame: Any) -> tuple[float, ...] | None:
        """Returns the first five numbers of the matrix by which a frame is to be shown, None if it is upright."""
        try:
            matrix = frame.side_data.get(self._av.sidedata.sidedata.Type.DISPLAYMATRIX)
        except ValueError:  # PyAV does not know another kind of side data, such as Exif
            angle = math.radians(frame.rotation)
            return math.cos(angle), -math.sin(angle), 0, math.sin(angle), math.cos(angle)
        return None if matrix is None else struct.unpack("5i", bytes(matrix)[:20])


def find_videos(folder: str | os.PathLike) -> list[pathlib.Path]:
    """Returns the videos in a folder and the folders in it, sorted; links to folders are followed, each folder once."""
    videos, visited = [], set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        visited.add(os.path.realpath(parent))
        folders[:] = [name for name in folders if os.path.realpath(os.path.join(parent, name)) not in visited]
        paths = [pathlib.Path(parent, name) for name in names]
        videos += [path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file()]
    return sorted(videos)


def parse_pixel_aspect(text: str) -> float:
    """Reads a pixel's width / height, written as 16:15, 16/15 or 1.0667.

    Raises:
        UserError: it is anything else.
    """
    width, _, height = text.replace("/", ":").partition(":")
    try:
        aspect = float(width) / float(height or 1)
    except (ValueError, ZeroDivisionError):
        aspect = math.nan
    if not _is_likely(aspect):
        raise UserError(f"pixel_aspect={text!r}: expected a pixel's width / height, such as 16:15 or 1.0667.")
    return aspect


def _is_likely(pixel_aspect: float) -> bool:
    return PIXEL_ASPECTS[0] <= pixel_aspect <= PIXEL_ASPECTS[1]


def _check_file(path: pathlib.Path) -> None:
    if path.is_dir():
        raise UserError(f"{path}: is a folder. Pass the videos in it.")
    if not path.is_file():
        raise UserError(f"{path}: no such file. Check the path.")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}). Check its permissions, or copy it again."
        ) from error
    if path.suffix.lower() in NO_VIDEOS:
        raise UserError(f"{path}: is no video. If it holds landmarks, a table for a data set names it as it is.")
    if empty:
        raise UserError(f"{path}: is empty (0 bytes). Copy it again.")


def _lacks_bytes(path: pathlib.Path, format_name: str) -> bool:
    """Tells whether the file is shorter than its format says, where FFmpeg reads such files without an error."""
    size = path.stat().st_size
    if format_name == "mpegts":
        return all(size % packet for packet in TS_PACKETS)
    if format_name.startswith("matroska"):
        with path.open("rb") as file:
            return _matroska_end(file.read(1 << 12)) > size
    if format_name == "ogg":
        with path.open("rb") as file:
            file.seek(max(0, size - OGG_PAGE))
            return _ogg_excess(file.read()) > 0
    return False


def _matroska_end(head: bytes) -> int:
    """Returns where a Matroska or WebM file has to end; 0 where it does not say, as of a live recording.

    It consists of two elements, the header and the segment: their identifiers have 4 bytes (RFC 9559), their lengths
    are numbers whose first byte tells by its leading zeros how many bytes follow; all ones mean unknown (RFC 8794).
    """
    end = 0
    for identifier in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"):
        if head[end : end + 4] != identifier or len(head) < end + 12:
            return 0
        extra = 8 - head[end + 4].bit_length()
        start = end + 5 + extra
        length = int.from_bytes(head[end + 4 : start], "big") & ((1 << (7 * (extra + 1))) - 1)
        if length == (1 << (7 * (extra + 1))) - 1:
            return 0
        end = start + length
    return end


def _ogg_excess(tail: bytes) -> int:
    """Returns how many bytes the last page of an Ogg file lacks: segments, their lengths in its header (RFC 3533)."""
    page = tail[tail.rfind(b"OggS") :]
    lengths = page[27 : 27 + page[26]] if len(page) > 27 else b""
    return 27 + len(lengths) + sum(lengths) - len(page)


def _turn(path: pathlib.Path, image: np.ndarray, matrix: tuple[float, ...]) -> np.ndarray:
    """Returns the image as a display matrix shows it: quarter turns and mirrors (ISO 14496-12).

    Args:
        path: of the video, for the message.
        image: [height, width, 3].
        matrix: a, b, u, c, d: the pixel (x, y) is shown at (a x + c y, b x + d y), plus a shift.
    """
    a, b, _, c, d = matrix
    angle = math.degrees(math.atan2(b, a))
    if abs(angle - 90 * round(angle / 90)) > 1:
        raise UserError(
            f"{path}: is to be shown turned by {abs(angle):.0f} degrees. Convert it, so that it is stored upright."
        )
    if abs(b) > abs(a):
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: 1 if d >= 0 else -1, :: 1 if a >= 0 else -1])
