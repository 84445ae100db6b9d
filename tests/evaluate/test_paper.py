"""The paper's values: the averages and sums of the printed tables."""

import numpy as np
import pytest

from dfuse_jax.data.databases import DATABASES
from dfuse_jax.evaluate import paper
from dfuse_jax.models.fusion import FUSIONS


def test_the_papers_rows_have_the_averages_that_it_prints():
    printed = [94.95, 92.65, 87.03, 96.73, 95.25, 89.53, 88.13, 87.95, 87.18, 90.33, 93.00, 91.80, 94.23, 92.45, 93.88]
    averages = [np.mean([paper.accuracy(fusion, database) for database in DATABASES]) for fusion in paper.TABLE4]
    np.testing.assert_allclose(averages, printed, atol=0.0051)
    assert list(paper.TABLE4) == list(FUSIONS)[:15]


def test_the_papers_columns_have_these_sums():
    # of the columns as they stand in the paper, summed apart
    sums = {"uva_nemo": 1286.5, "mmi": 1412.5, "spos": 1401.2, "bbc": 1400.0}
    for database, total in sums.items():
        assert sum(row[database] for row in paper.TABLE4.values()) == pytest.approx(total)
    assert paper.accuracy("none", "spos") == 94.4
    assert paper.accuracy("wu17", "uva_nemo") == 93.9 and paper.accuracy("mandal16", "bbc") is None
    assert paper.accuracy("token_attention", "spos") is None and paper.accuracy("hadamard", "synthetic") is None
