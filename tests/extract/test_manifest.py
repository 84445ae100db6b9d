"""What manifest.json says of every video, and that it is made anew where it is lost."""

import json

from dfuse_jax.extract import manifest
from dfuse_jax.extract.batch import extract_all
from dfuse_jax.extract.manifest import Manifest


def test_manifest_has_versions_and_videos(videos, extracted):
    content = json.loads((extracted[0] / "manifest.json").read_text())
    assert content["versions"]["mediapipe"] == "0.10.14"
    assert content["versions"].keys() == {"dfuse_jax", "mediapipe", "av"}
    entry = content["videos"]["b"]
    assert (entry["source"], entry["frames"], entry["fps"], entry["size"]) == ("b.avi", 7, 25.0, [320, 240])
    assert (entry["interpolated"], entry["other_faces"], entry["resampled"]) == ([], 0, False)
    assert (entry["pixel_aspect"], entry["true_fps"], entry["notes"]) == (None, None, [])
    assert entry["checksum"].startswith(f"{videos['b'].stat().st_size}-")
    assert entry["quality"].keys() == {"detection_rate", "flags", "jitter", "roll", "yaw", "pitch"}
    assert entry["quality"]["detection_rate"] == 1


def test_a_lost_manifest_is_made_from_the_files(jobs, extracted, copy):
    (copy / manifest.NAME).write_text('{"versions": {')
    extract_all(jobs[:1], copy)
    assert (copy / manifest.NAME).read_bytes() == (extracted[0] / manifest.NAME).read_bytes()


def test_a_failure_does_not_replace_what_was_extracted(copy):
    with Manifest(copy) as book:
        book.add_failure("a", "a.avi", "cannot be read")
        book.add_failure("new", "new.avi", "cannot be read")
        book.add_failure("new", "new.avi", "still cannot be read")
    entries = manifest.read(copy)
    assert "error" not in entries["a"]
    assert entries["new"] == {"source": "new.avi", "error": "still cannot be read"}
