"""Names of files that other systems wrote."""

import os
import unicodedata

import pytest

from dfuse_jax.data import file_names
from dfuse_jax.runtime.errors import UserError

LATIN_1 = os.fsdecode(b"Jos\xe9.mp4")


def test_hidden_files_are_not_seen_nor_is_what_hidden_folders_hold(tmp_path):
    root = tmp_path / ".hidden"  # the folder itself may be hidden
    for name in ("a.npy", "._a.npy", ".DS_Store", "__MACOSX/a.npy", ".ipynb_checkpoints/a.npy", "b/a.npy", "b/.a.npy"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    assert file_names.visible(root, "*.npy") == [root / "a.npy"]
    assert file_names.visible(root, "*/*.npy") == [root / "b" / "a.npy"]
    assert file_names.visible(root, "**/*") == [root / "a.npy", root / "b", root / "b" / "a.npy"]
    assert file_names.visible(root / "none", "*") == []


def test_a_name_that_is_not_utf8_is_refused_and_escaped(tmp_path):
    file_names.check_encoding([tmp_path / "José", tmp_path / "笑顔"])
    with pytest.raises(UserError, match=r"Jos\\xe9\.mp4: the name is not valid UTF-8. Rename it") as error:
        file_names.check_encoding([tmp_path / "José", tmp_path / LATIN_1])
    str(error.value).encode()
    assert file_names.escaped(f"José {LATIN_1}") == r"José Jos\xe9.mp4"


def test_a_path_is_found_whichever_form_its_letters_have(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert file_names.normalized(decomposed) == file_names.normalized(composed) == composed
    for disk, asked in ((decomposed, composed), (composed, decomposed)):
        file = tmp_path / disk[0] / disk / f"{disk}.mp4"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        assert file_names.locate(tmp_path / disk[0] / asked / f"{asked}.mp4") == file
        assert file_names.locate(file) == file
        file.unlink()
        file.parent.rmdir()
    for absent in (tmp_path / "none.mp4", tmp_path / "none" / "none.mp4"):
        assert file_names.locate(absent) == absent
