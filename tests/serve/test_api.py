"""The API against its own description."""

import contextlib
import importlib

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from live import FakeJudge, serving

EXAMPLES = 6


@pytest.mark.slow
def test_the_api_does_what_its_description_says():
    """Requests that are as described, and such that are not, for every operation."""
    schemathesis = pytest.importorskip("schemathesis")
    # No schema describes what a video is: what is well-formed otherwise may be refused as none.
    unfit = [importlib.import_module("schemathesis.specs.openapi.checks").positive_data_acceptance]
    calm = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with serving(judge=FakeJudge(), uploads=1e6) as (address, _):
        schema = schemathesis.openapi.from_url(f"http://{address}/openapi.json")
        operations = [result.ok() for result in schema.get_all_operations()]
        assert len(operations) == 5
        for operation in operations:
            for mode in schemathesis.GenerationMode:

                @calm
                @given(case=operation.as_strategy(generation_mode=mode))
                def hold(case):
                    case.call_and_validate(excluded_checks=unfit)

                with contextlib.suppress(Unsatisfiable):  # nothing is wrong with a request that has no parameters
                    hold()
