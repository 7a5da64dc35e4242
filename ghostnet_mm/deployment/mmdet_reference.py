"""mmdet's own inference, fed as an exported file is."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from torch import nn

from ..analysis.benchmarking.eager import set_test_size
from ..engine.detection import Detector, picture_pipeline


def resized_detector(detector: Detector, size: tuple[int, int] | None) -> Detector:
    """Return a detector that resizes pictures to another size; the model is shared.

    Args:
        detector: The detector.
        size: Height and width in pixels; ``None`` for the config's own.
    """
    if size is None:
        return detector
    cfg = copy.deepcopy(detector.model.cfg)
    set_test_size(cfg, size)
    return replace(detector, pipeline=picture_pipeline(cfg))


@contextmanager
def padded_inputs(model: nn.Module, size: tuple[int, int] | None) -> Iterator[None]:
    """Let mmdet's model pad every input to one size while the block runs.

    mmdet pads a picture to the next multiple of the stride, a file of a fixed size to
    its whole input. Global pooling and borders see the difference.

    Args:
        model: mmdet's detector.
        size: Height and width in pixels; ``None`` leaves inputs as they are. Inputs
            that are larger stay, too.
    """
    if size is None:
        yield
        return

    def pad(_module: nn.Module, _inputs: object, data: Mapping[str, Any]) -> Any:
        height, width = data["inputs"].shape[-2:]
        missing = (0, size[1] - width, 0, size[0] - height)
        if min(missing) < 0:
            return data
        value = model.data_preprocessor.pad_value
        for sample in data["data_samples"]:
            sample.set_metainfo(dict(batch_input_shape=size, pad_shape=size))
        return {**data, "inputs": F.pad(data["inputs"], missing, value=value)}

    handle = model.data_preprocessor.register_forward_hook(pad)
    try:
        yield
    finally:
        handle.remove()
