import pytest
from support.mmcv_op_modules import use_provided_ops


@pytest.fixture
def provided_ops(monkeypatch):
    """Let mmcv.ops call the provided operators, with compiled ones installed too."""
    use_provided_ops(monkeypatch)
