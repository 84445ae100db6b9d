"""The words of a benchmark: benchmark.md and the terminal's table."""

from benchmarks import ACCURACIES, ENVIRONMENT, FACTS, made_up_results, made_up_standings

from dfuse_jax.experiments import table5
from dfuse_jax.report.comparison import compute_standings, words

NOTE = (
    "A demo: few videos, a small model, few epochs. Its smiles are synthetic: its accuracy says nothing about people. "
    "A control: the labels are dealt out to other videos."
)


def test_markdown_says_what_is_what():
    text = words.markdown(made_up_standings({**ACCURACIES, "none": [0.5, 0.5, 0.5]}))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines[:9]}) == 1
    row = next(line for line in lines if line.startswith("| hadamard |"))
    assert row.split(" | ")[1:5] == ["12", "100.0", "90.0", "90.0 [25.0, 100.0]"]
    assert "| attention† |" in text and "cannot see the encoder" in text and "95.0‡" in text
    assert "protocol of the paper's Table 4" in text and "length only" in text and "Still to be run" not in text
    assert "Table 4 holds" not in text
    assert "20 videos of 10 subjects, 3 folds, 1 run, 3 epochs" in text
    assert "prints nothing" in words.markdown(made_up_standings(database="synthetic"))


def test_markdown_and_console_carry_the_whole_note():
    standings = made_up_standings(note=NOTE)
    assert NOTE in words.markdown(standings)
    console = words.console(standings)
    assert NOTE in " ".join(console.split("\n\n")[0].splitlines())
    assert max(len(line) for line in console.splitlines()) < 120


def test_console_has_a_line_for_each_fusion_and_control():
    lines = words.console(made_up_standings()).splitlines()
    table = lines[lines.index("Percent:") + 1 :][: 1 + 3 + 3]
    assert [line.split("  ")[0] for line in table] == [
        "fusion",
        *("hadamard", "film_hadamard", "attention†"),
        *("length only", "majority class", "coin flip"),
    ]


def test_a_table_that_is_not_finished_says_what_is_missing():
    standings = compute_standings({"film": made_up_results([0.5, 1.0])}, {"film": FACTS, "none": FACTS})
    assert "Still to be run: none." in words.markdown(standings)


def test_unknown_subjects_are_called_unknown():
    text = words.markdown(made_up_standings(data={"videos": 20, "subjects": None}))
    assert "20 videos of unknown subjects" in text and "None" not in text


def test_times_say_on_which_hardware_they_were_measured():
    assert "Measured on 1 device (cpu), 1 process, float32." in words.markdown(made_up_standings())
    gpu = {**ENVIRONMENT, "platform": "gpu", "device_kind": "H100"}
    results = {"film": made_up_results([0.5, 1.0]), "none": made_up_results([0.5, 1.0], environment=gpu)}
    text = words.markdown(compute_standings(results, dict.fromkeys(results, FACTS)))
    assert "Measured on different hardware" in text and "(cpu)" in text and "(gpu: H100)" in text


def test_the_legend_is_that_of_the_headline():
    assert "share of the training fold" in words.legend(made_up_standings())[0]
    last_epoch = words.legend(made_up_standings(headline="final"))[0]
    assert "those of `final`" in last_epoch and "share of the training fold" not in last_epoch
    one_epoch = " ".join(words.legend(made_up_standings(epochs=1)))
    assert "only one epoch" in one_epoch and "not a result" not in one_epoch


def test_every_row_of_table_5_has_a_provenance_that_the_legend_explains():
    assert {row.provenance for row in table5.ROWS.values()} <= set(words.PROVENANCES)
    assert {row.input for row in table5.ROWS.values()} <= {"landmarks", "pixels"}
