"""What a run came to is kept in a file."""

import pytest

from ghostnet_mm.comparison.runs import RunResult
from ghostnet_mm.errors import DataError


@pytest.mark.parametrize("text", ["{", '{"label": "v1"}'])
def test_a_damaged_result_is_told(text, tmp_path):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(DataError, match="delete it to train the run again"):
        RunResult.read(tmp_path / "result.json")
