"""Mistakes told by the runtime inside the tools of ghostnet_mm."""

import ghostnet_runtime
import pytest
from ghostnet_runtime import Detector

import ghostnet_mm
from ghostnet_mm.configuration.command_line import run_tool
from ghostnet_mm.errors import ModelError, OptionError


def test_tools_report_a_model_that_is_not_there(tmp_path, capsys):
    """Catches a second hierarchy, whose errors would pass through as bugs."""
    assert run_tool(Detector, tmp_path / "a.onnx") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: The model ")
    assert line.endswith("a.onnx does not exist; check the path.")


def test_a_bad_model_is_a_bad_argument(tmp_path):
    with pytest.raises(OptionError) as caught:
        Detector(tmp_path / "a.onnx")
    assert isinstance(caught.value, ModelError)


def test_both_packages_have_one_version():
    assert ghostnet_mm.__version__ == ghostnet_runtime.__version__
