"""The model card of a made-up run that is known by hand."""

import pytest
from outcomes import outcome

from dfuse_jax.evaluate.results import compute_results
from dfuse_jax.report.run import card

CONFIG = {
    "system": "dfusesmilenet",
    "data": {"source": "folder"},
    "model": {"fusion": "film", "variant": "paper"},
    "dmarkers": {"definition": "robust", "smoothing": ""},
    "train": {"clip_frames": 16},
}


def write(*models, source="folder"):
    return card.markdown(compute_results(outcome(config=CONFIG | {"data": {"source": source}})), models)


def test_a_card_says_what_the_model_is_and_what_it_reached():
    text = write((1, 2))
    for part in (
        "# Model card: hand\n\nA made-up run. It gives the probability that a smile is spontaneous. This number says",
        "System: dfusesmilenet, fusion `film`, variant `paper`.",
        "* The model of run 1 and fold 2, of a cross-validation of 1 run and 2 folds;",
        "Trained on videos of 25 to 50 frames per second and 640 x 480 to 1920 x 1080 pixels.",
        "clips of 16 frames",
        "6 videos of 6 subjects",
        "D-Markers: definition `robust`.",
        "| `validated` | 50.0 [0.0, 100.0] |",
        "| `peeked` | 75.0 [0.0, 100.0] |",
        "* This model alone, on the 1 test videos of its fold (`final`): 0.0% accuracy.",
    ):
        assert part in text


def test_a_card_says_in_which_coordinates_clips_are_seen():
    text = card.markdown(compute_results(outcome(config=CONFIG | {"train": {"clip_coordinates": "motion"}})), [(1, 2)])
    assert "* It sees the landmarks in the coordinates `motion`: they show what has moved in the face since" in text
    assert "coordinates" not in write((1, 2))


def test_a_card_of_several_models_says_that_their_mean_is_untested():
    text = write((1, 1), (1, 2))
    assert "* 2 models, of run 1 and folds 1-2, whose probabilities are averaged (their weights are not" in text
    assert "on the 1-2 test videos of its fold (`final`): 50.0, 0.0% accuracy. Their mean has not been tested." in text


def test_a_card_has_the_numbers_of_subgroups():
    groups = {"sex": ["a|b"] * 3 + ["<i>male</i>"] * 3}
    text = card.markdown(compute_results(outcome(config=CONFIG, groups=groups)), [(1, 1)])
    assert "| sex | a\\|b | 2 | 2 | withheld | withheld |" in text
    assert "| sex | \\<i\\>male\\</i\\> | 1 | 1 | withheld | withheld |" in text
    assert "Groups of fewer than 5 subjects have no numbers" in text
    scores = {"accuracy": {"value": 0.75, "low": 0.5, "high": 1.0}, "auc": {"value": None, "low": None, "high": None}}
    results = compute_results(outcome(config=CONFIG, subjects_known=False))
    results["subgroups"] = [{"property": "age", "group": "18 to 29", "videos": 9, "subjects": 7, "scores": scores}]
    text = card.markdown(results, [(1, 1)])
    assert "| age | 18 to 29 | 9 | 7 | 75.0 [50.0, 100.0] | - |" in text
    assert "over the group's videos, for the subjects are unknown" in text and "withheld" not in text


def test_a_card_of_a_run_before_there_were_subgroups():
    results = compute_results(outcome(config=CONFIG))
    del results["subgroups"]
    assert "made before its report told them apart" in card.markdown(results, [(1, 1)])


@pytest.mark.parametrize("source", ["synthetic", "folder", "uva_nemo"])
def test_a_card_says_what_it_must_not_be_used_for(source):
    text = write((1, 1), source=source)
    for part in ("not a lie detector", "Article 5(1)(f)", "Article 50(3)", "GDPR", "no legal advice", "Apache-2.0"):
        assert part in text


def test_a_card_says_where_the_data_are_from():
    drawn, own, database = (write((1, 1), source=source) for source in ("synthetic", "folder", "uva_nemo"))
    assert "**Trained on synthetic smiles**" in drawn and "from nobody's data" in drawn
    assert "elicited, rather than asked for" not in drawn and "Research on" not in drawn
    for text in (own, database):
        assert "synthetic" not in text and "elicited, rather than asked for" in text and "Research on" in text
    assert "Ask them who was filmed" in own
    assert "Trained on UvA-NEMO, which is handed out by the UvA-NEMO team under an agreement." in database
    assert "whether they may be passed on" in database
