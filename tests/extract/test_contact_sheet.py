"""The contact sheet shows every video of a folder."""

import csv

import numpy as np
from PIL import Image

from dfuse_jax.extract import contact_sheet


def test_contact_sheet_shows_every_video_and_is_paged(copy, monkeypatch):
    table, page = contact_sheet.report(copy)
    assert (table.name, page.name) == ("quality.csv", "contact_sheet.png")
    with Image.open(page) as image:
        pixels = np.asarray(image.convert("L"))[12:122]
    for tile in range(3):
        left = 12 + tile * contact_sheet.WIDTH
        dark = (pixels[:, left : left + contact_sheet.WIDTH] < 128).sum()
        assert 500 < dark < 4000  # three faces of 478 dots, some on each other
    monkeypatch.setattr(contact_sheet, "ROWS", 1)
    monkeypatch.setattr(contact_sheet, "COLUMNS", 2)
    assert [path.name for path in contact_sheet.report(copy)[1:]] == ["contact_sheet_001.png", "contact_sheet_002.png"]
    assert not page.exists()


def test_the_table_has_a_line_a_video(copy):
    table, _ = contact_sheet.report(copy)
    with table.open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {"a", "b", "c"}
    assert (rows["b"]["frames"], rows["b"]["width"], rows["b"]["detection_rate"]) == ("7", "320", "1.0")
    assert float(rows["b"]["roll_min"]) <= float(rows["b"]["roll_max"])
