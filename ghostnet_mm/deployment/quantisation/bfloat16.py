"""OpenVINO in bfloat16: what INT8 must beat on CPUs that have it."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from ..exported_detector import ExportedDetector, runtime_detector
from ..exported_models import Arrays
from ..libraries import import_library


class Bfloat16Detector(ExportedDetector):
    """An OpenVINO file in float, computed in bfloat16.

    Args:
        path: An ``.xml`` file.
        threads: Of OpenVINO, by default as many as it chooses.

    Raises:
        OptionError: The file cannot be opened.
    """

    def __init__(self, path: str | os.PathLike, threads: int | None = None):
        super().__init__(path, threads)
        openvino = import_library("openvino", "openvino")
        options = {"INFERENCE_PRECISION_HINT": "bf16", "PERFORMANCE_HINT": "LATENCY"}
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = str(threads)
        compiled = openvino.Core().compile_model(str(path), "CPU", options)
        names = [one.get_any_name() for one in compiled.outputs]

        def call(inputs: Arrays) -> dict[str, np.ndarray]:
            found = compiled(dict(inputs))
            return {name: found[index].copy() for index, name in enumerate(names)}

        self.model = replace(self.model, call=call)
        self._detector = runtime_detector(self.model)
