"""The tiny detector of the tool tests, as a config to change."""

from pathlib import Path

import pytest

TINY = Path(__file__).parents[1] / "support" / "tiny_detector.py"


@pytest.fixture
def tiny() -> Path:
    return TINY
