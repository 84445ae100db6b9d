"""Annotations for ELAN and for players: what is written is what is read."""

import re

import pympi

from dfuse_jax.report import annotations

NAN = float("nan")


def smile(number, start, onset, apex, offset, end, *, person=1, reason="", probability=NAN):
    moments = {"start_s": start, "onset_s": onset, "apex_s": apex, "offset_s": offset, "end_s": end}
    return {"person": person, "smile": number, "reason": reason, "probability": probability, **moments}


ROWS = [
    smile(1, 1.0, 1.1, 1.5, 3.25, 4.0, probability=0.83),
    smile(2, 10.0004, 10.1, NAN, NAN, 12.5, reason="dark & <covered>"),
    smile(1, 3661.5, 3661.6, 3662.0, 3663.0, 3664.0, person=2),
]


def test_an_elan_file_is_read_back_by_pympi(tmp_path):
    annotations.write_eaf(tmp_path / "a.eaf", tmp_path / "talk.mp4", ROWS)
    document = pympi.Elan.Eaf(str(tmp_path / "a.eaf"))
    assert set(document.get_tier_names()) == {"smiles 1", "phases 1", "smiles 2", "phases 2"}

    def read(tier):
        return sorted(span[:3] for span in document.get_annotation_data_for_tier(tier))

    assert read("smiles 1") == [
        (1000, 4000, "smile 1, spontaneous 83%"),
        (10000, 12500, "smile 2, not judged: dark & <covered>"),
    ]
    assert read("phases 1") == [(1100, 1500, "onset"), (1500, 3250, "apex"), (3250, 4000, "offset")]
    assert read("smiles 2") == [(3661500, 3664000, "smile 1")]
    (link,) = document.get_linked_files()
    assert link["RELATIVE_MEDIA_URL"] == "talk.mp4" and link["MEDIA_URL"].startswith("file:///")


def test_webvtt_is_read_back(tmp_path):
    annotations.write_webvtt(tmp_path / "a.vtt", ROWS)
    head, *cues = (tmp_path / "a.vtt").read_text().strip().split("\n\n")
    assert head == "WEBVTT"
    pattern = r"(\d\d):(\d\d):(\d\d)\.(\d{3}) --> (\d\d):(\d\d):(\d\d)\.(\d{3})\n<v person (\d)>(.*)"
    read = []
    for cue in cues:
        *clock, person, text = re.fullmatch(pattern, cue).groups()
        hours, minutes, seconds, rest = (int(x) for x in clock[:4])
        read.append((1000 * (60 * (60 * hours + minutes) + seconds) + rest, person, text))
    assert read == [
        (1000, "1", "smile 1, spontaneous 83%"),
        (10000, "1", "smile 2, not judged: dark &amp; &lt;covered&gt;"),
        (3661500, "2", "smile 1"),
    ]


def test_a_video_without_smiles_has_files_too(tmp_path):
    annotations.write_eaf(tmp_path / "a.eaf", tmp_path / "talk.mp4", [])
    annotations.write_webvtt(tmp_path / "a.vtt", [])
    assert (tmp_path / "a.vtt").read_text() == "WEBVTT\n"
    assert not pympi.Elan.Eaf(str(tmp_path / "a.eaf")).get_tier_names()
