"""The folder into which a researcher puts a database's videos."""

import json
import os
import shutil
import unicodedata

import pytest
from layouts import write_csv, write_fold

from dfuse_jax.data.build import manual
from dfuse_jax.data.databases import DATABASES
from dfuse_jax.runtime.errors import UserError


def test_what_a_researchers_folder_lacks_is_told_before_anything_is_extracted(tmp_path):
    with pytest.raises(UserError, match=r"uva_nemo: no such folder.*Ask the UvA-NEMO team.*deliberate_smile"):
        manual.plan(tmp_path / "none", "uva_nemo")
    with pytest.raises(UserError, match="no videos"):
        manual.plan(tmp_path, "spos")
    (tmp_path / "a").mkdir()
    for name in ("001_deliberate_smile_1.mp4", "a/001_spontaneous_smile_2.AVI"):
        (tmp_path / name).touch()
    jobs, splits, _ = manual.plan(tmp_path, "uva_nemo")
    assert not splits
    assert [(job.name, job.label, job.subject, job.path) for job in jobs] == [
        ("001_deliberate_smile_1", 0, "001", tmp_path / "001_deliberate_smile_1.mp4"),
        ("001_spontaneous_smile_2", 1, "001", tmp_path / "a" / "001_spontaneous_smile_2.AVI"),
    ]
    with pytest.raises(UserError, match=r"mmi: no labels, neither labels/<fold>/ nor labels\.csv"):
        manual.plan(tmp_path, "mmi")
    with pytest.raises(UserError, match=r"001_deliberate_smile_1\.mp4 is not named as published \(2 such\)"):
        manual.plan(tmp_path, "spos")
    write_csv(tmp_path / "labels.csv", [("001_deliberate_smile_1.mp4", 0, "x", "108")], "path,label,subject,name")
    with pytest.raises(UserError, match="all videos have the same label"):
        manual.plan(tmp_path, "mmi")
    (tmp_path / "labels.csv").unlink()
    (tmp_path / "a" / "001_deliberate_smile_1.mov").touch()
    with pytest.raises(UserError, match=r"001_deliberate_smile_1\.mov.*same name"):
        manual.plan(tmp_path, "uva_nemo")
    (tmp_path / "a" / "001_deliberate_smile_1.mov").unlink()
    (tmp_path / "npy").mkdir()
    (tmp_path / "labels" / "1").mkdir(parents=True)
    for part, labels in (("train", {"001_deliberate_smile_1": 0}), ("test", {"002_spontaneous_smile_9": 1})):
        (tmp_path / "labels" / "1" / f"{part}.json").write_text(json.dumps(labels))
    with pytest.raises(UserError, match=r"labels: 1 videos are in no test\.json"):
        manual.plan(tmp_path, "uva_nemo")
    shutil.copytree(tmp_path / "labels" / "1", tmp_path / "labels" / "2")
    (tmp_path / "labels" / "2" / "train.json").rename(tmp_path / "labels" / "2" / "swap")
    (tmp_path / "labels" / "2" / "test.json").rename(tmp_path / "labels" / "2" / "train.json")
    (tmp_path / "labels" / "2" / "swap").rename(tmp_path / "labels" / "2" / "test.json")
    with pytest.raises(UserError, match="1 of 2 videos are missing, first 002_spontaneous_smile_9"):
        manual.plan(tmp_path, "uva_nemo")


def write_videos(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_videos_in_no_fold_are_left_out_with_a_note(tmp_path):
    write_videos(tmp_path, "a.mp4", "b.webm", "c.avi", "notes.txt")
    write_fold(tmp_path, 1, train={"a": 0}, test={"b": 1})
    write_fold(tmp_path, 2, train={"b": 1}, test={"a": 0})
    plan = manual.plan(tmp_path, "mmi")
    assert [(job.name, job.label, job.subject) for job in plan.jobs] == [("a", 0, None), ("b", 1, None)]
    assert [split.path.name for split in plan.splits] == ["1", "2"]
    assert plan.notes == (f"1 videos are in no fold and left out, first {tmp_path / 'c.avi'}",)


def test_the_shape_of_pixels_comes_from_the_table_or_the_database(tmp_path, monkeypatch):
    write_videos(tmp_path, "posed_x-1.avi", "spontaneous_x-1.avi")
    pal = DATABASES["spos"]._replace(pixel_aspects={0: 16 / 15})
    monkeypatch.setitem(DATABASES, "spos", pal)
    assert [job.pixel_aspect for job in manual.plan(tmp_path, "spos").jobs] == [16 / 15, None]
    lines = ["path,label,subject,pixel_aspect", "posed_x-1.avi,0,x,", "spontaneous_x-1.avi,1,x,4:3"]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    assert [job.pixel_aspect for job in manual.plan(tmp_path, "spos").jobs] == [16 / 15, pytest.approx(4 / 3)]


def test_links_to_folders_are_followed(tmp_path):
    write_videos(tmp_path / "disk", "posed_x-1.avi", "spontaneous_x-1.avi")
    (tmp_path / "manual").mkdir()
    (tmp_path / "manual" / "videos").symlink_to(tmp_path / "disk")
    assert [job.name for job in manual.plan(tmp_path / "manual", "spos").jobs] == ["posed_x-1", "spontaneous_x-1"]


def test_hidden_files_are_no_videos(tmp_path):
    write_videos(tmp_path, "posed_x-1.mp4", "._posed_x-1.mp4", "__MACOSX/posed_x-1.mp4", ".Trash/posed_y-1.mp4")
    write_videos(tmp_path, "spontaneous_x-1.mp4", "labels/.ipynb_checkpoints/train.json")
    plan = manual.plan(tmp_path, "spos")
    assert [job.path for job in plan.jobs] == [tmp_path / "posed_x-1.mp4", tmp_path / "spontaneous_x-1.mp4"]


def test_a_video_whose_name_is_not_utf8_is_refused(tmp_path):
    write_videos(tmp_path, "posed_x-1.mp4", "spontaneous_x-1.mp4", os.fsdecode(b"read me, Jos\xe9.txt"))
    assert len(manual.plan(tmp_path, "spos").jobs) == 2  # only videos are asked for their names
    write_videos(tmp_path, os.fsdecode(b"posed_Jos\xe9-1.mp4"))
    with pytest.raises(UserError, match=r"posed_Jos\\xe9-1\.mp4: the name is not valid UTF-8. Rename it"):
        manual.plan(tmp_path, "spos")


def test_a_video_is_found_whichever_form_its_letters_have(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))
    write_videos(tmp_path, f"{decomposed}.mp4", "b.mp4")
    write_fold(tmp_path, 1, train={composed: 0}, test={"b": 1})
    write_fold(tmp_path, 2, train={"b": 1}, test={composed: 0})
    job = manual.plan(tmp_path, "mmi").jobs[0]
    assert (job.name, job.path) == (composed, tmp_path / f"{decomposed}.mp4")


@pytest.mark.parametrize("database", manual.INSTRUCTIONS)
def test_instructions_say_whom_to_ask_and_where_files_go(database):
    text = manual.INSTRUCTIONS[database]
    assert "Ask " in text and "manual_dir" in text and f"<data_dir>/{database}/landmarks" in text
    assert "labels.csv" in text if database == "mmi" else "names give label and subject" in text
