"""What a record says of a run is checked before it counts."""

import pytest

from runner.results.collect import collect
from tests.unit.runner.folders import result, run_folder


@pytest.mark.parametrize("value", [10**400, float("nan"), -1, True, "9"])
def test_a_cost_that_is_no_number_is_not_known(tmp_path, value):
    result(run_folder(tmp_path), peak_memory_mb=value, epochs=value, seconds={"train": value})
    (run,) = collect(tmp_path)
    assert (run.state, run.peak_memory_mb, run.epochs, run.seconds) == ("done", None, None, {})
