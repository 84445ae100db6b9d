"""CSV tables of videos."""

import unicodedata

import pytest
from layouts import write_csv, write_folder

from dfuse_jax.data.layouts import tables
from dfuse_jax.runtime.errors import UserError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read as a CSV file"),
        (b"", "no column path.*found: no line"),
        (b"path,label,subject\n", "names no video"),
        (b"path;label;subject\na.npz;1;x\n", "no column path.*separated by commas.*'path;label;subject'"),
        (b"path,subject\na.npz,x\n", "no column label"),
        (b"path,label,subject\na.npz,maybe,x\n", "line 2: the label is 'maybe'"),
        (b"path,label,subject\na.npz\n", "line 2: the label is ''"),
        (b"path,label,subject\n,1,x\n", "line 2 has no path"),
        (b"path,label,subject\na.npz,1,x,y\n", "line 2 has more cells"),
        (b"path,label,subject\na.npz,1,x\nsub/a.avi,0,x\n", "lines 2 and 3 are both named a"),
        (b"path,label,subject\na.npz,1,x\nnone.mp4,0,x\n", r"line 3: no file .*none\.mp4 \(1 such"),
        (b"path,label,subject,name\na.npz,1,x,../up\n", r"line 2: the name '\.\./up'"),
        (b"path,label,subject\na.npz,1,\xff\n", "cannot be read as a CSV file in UTF-8"),
        (b'path,label,subject\na.npz,1,"x\n', "cannot be read as a CSV file"),
        (b"path,label,subject,pixel_aspect\na.npz,1,x,wide\n", r"line 2: pixel_aspect='wide': expected .* 16:15"),
        (b"path,label,subject,fps\na.npz,1,x,fast\n", "line 2: fps is 'fast'; expected a positive number"),
        (b"path,label,subject,fps\na.npz,1,x,0\n", "line 2: fps is '0'"),
        (b'path,label,subject,fps\na.npz,1,x,"29,97"\n', "line 2: fps is '29,97'; .* such as 25 or 29.97"),
        (b"path,label,subject,fps\na.npz,1,x,inf\n", "line 2: fps is 'inf'"),
        (b"path,label,subject,width\na.npz,1,x,640\n", "line 2: width and height are '640' and None"),
        (b"path,label,subject,width,height\na.npz,1,x,640,0.5\n", "line 2: .* two whole numbers of pixels"),
        (b"path,label,subject,units\na.npz,1,x,inches\n", "line 2: units is 'inches'; expected fractions or pixels"),
    ],
)
def test_a_bad_table_is_named(tmp_path, content, message):
    write_folder(tmp_path)
    if content is not None:
        (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError, match=rf"t\.csv.*{message}"):
        tables.read(tmp_path / "t.csv")


def test_a_table_as_spreadsheets_write_it(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "t.csv").write_bytes(
        b"\xef\xbb\xbfsubject, label ,more,path,name\r\n"
        b'"M\xc3\xbcller, A",spontaneous,1,a.npz,\r\n\r\nB,0,2,b.npz,first\r\n'
    )
    assert [row[1:5] for row in tables.read(tmp_path / "t.csv")] == [("a", 1, "Müller, A", 2), ("first", 0, "B", 4)]


def test_a_table_may_hold_the_shape_of_pixels(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "t.csv").write_text("path,label,subject,pixel_aspect\na.npz,1,x,16:15\nb.npz,0,x,\n")
    assert [row.pixel_aspect for row in tables.read(tmp_path / "t.csv")] == [pytest.approx(16 / 15), None]


def test_a_table_may_say_what_files_of_landmarks_do_not(tmp_path):
    write_folder(tmp_path)
    header = "path,label,subject,fps,width,height,units"
    write_csv(
        tmp_path / "t.csv", [("a.npz", 1, "x", "29.97", "640", "480.0", "Pixels"), ("b.npz", 0, *5 * [""])], header
    )
    rows = tables.read(tmp_path / "t.csv")
    assert [(row.fps, row.image_size, row.units) for row in rows] == [(29.97, (640, 480), "pixels"), (None, None, None)]


def test_a_table_is_read_as_it_was_written(tmp_path):
    write_folder(tmp_path)
    rows = [
        tables.Row(path=tmp_path / "a.npz", name="José, 1", label=1, subject=None, line=2),
        tables.Row(path=tmp_path / "b.npz", name="b", label=0, subject='"x", y', line=3),
    ]
    tables.write(tmp_path / "t.csv", rows)
    assert tables.read(tmp_path / "t.csv") == rows


def test_a_file_is_found_whichever_form_its_letters_have(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))
    (tmp_path / decomposed).mkdir()
    file = tmp_path / decomposed / f"{decomposed}.mp4"
    file.touch()
    write_csv(tmp_path / "t.csv", [(f"{composed}/{composed}.mp4", 1, "x")])
    assert tables.read(tmp_path / "t.csv") == [tables.Row(file, composed, 1, "x", 2)]
    (tmp_path / f"{composed}.mp4").touch()
    write_csv(tmp_path / "t.csv", [(f"{composed}/{composed}.mp4", 1, "x"), (f"{composed}.mp4", 1, "x")])
    with pytest.raises(UserError, match=f"lines 2 and 3 are both named {composed}"):
        tables.read(tmp_path / "t.csv")


def test_the_home_of_an_unknown_user_is_refused(tmp_path):
    write_csv(tmp_path / "t.csv", [("~nobody-here/a.mp4", 1, "x")])
    with pytest.raises(UserError, match=r"line 2: ~nobody-here/a\.mp4 cannot be read"):
        tables.read(tmp_path / "t.csv")
