"""mmdet's own inference, fed as an exported file is."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from ghostnet_runtime import Detections
from mmcv.transforms import Compose, Pad, Resize
from mmdet.models.data_preprocessors import BatchFixedSizePad
from torch import nn
from torch.overrides import TorchFunctionMode

from ...configuration.data.input_size import set_test_size
from ...engine.inference.detection import TrainedDetector, picture_pipeline
from ...errors import OptionError
from ..graph.resizing import fitting_scales

Step = Callable[[dict[str, Any]], dict[str, Any] | None]


def resized_detector(
    detector: TrainedDetector, size: tuple[int, int] | None
) -> TrainedDetector:
    """Return a detector that resizes pictures to another size; the model is shared.

    Args:
        detector: The detector.
        size: Height and width in pixels; ``None`` for the config's own.

    Raises:
        OptionError: The config does not resize pictures.
    """
    if size is None:
        return detector
    if not any(isinstance(step, Resize) for step in detector.pipeline.transforms):
        raise OptionError(
            "This config leaves pictures as large as they are, so that there is no "
            "--size to change; use --dynamic-size with --formats onnx openvino."
        )
    cfg = copy.deepcopy(detector.model.cfg)
    set_test_size(cfg, size)
    return replace(detector, pipeline=picture_pipeline(cfg))


def reference_detector(
    detector: TrainedDetector, size: tuple[int, int] | None
) -> TrainedDetector:
    """Return mmdet's detector with inputs of one size, as a file of that size has them.

    mmdet turns the scale of ``Resize`` with the picture and pads to the next multiple
    of the stride. A file of a fixed size fits every picture into its input and pads to
    the whole of it; borders and global pooling see the difference. Here mmdet's own
    steps do so.

    Args:
        detector: The detector; it stays as it is.
        size: Height and width of the file's input in pixels; ``None``, for files of
            any size, is the detector itself.

    Returns:
        A detector that shares backbone, neck and heads with the one given.
    """
    if size is None:
        return detector
    model = _with_own_preprocessor(detector.model)
    _pad_batches(model.get_submodule("data_preprocessor"), size)
    steps = [_step_for_size(step, size) for step in detector.pipeline.transforms]
    return replace(detector, model=model, pipeline=Compose(steps))


def objects_of(detector: TrainedDetector) -> Callable[[np.ndarray], Detections]:
    """Return what detects with a detector that finds objects, not a panoptic map."""

    def detect(pixels: np.ndarray) -> Detections:
        found = detector.detect(pixels)
        assert isinstance(found, Detections)
        return found

    return detect


class StableSorts(TorchFunctionMode):
    """While it is active, equal values stay in order wherever PyTorch sorts.

    mmdet takes what ``sort`` gives it, and that is another order of equal scores on
    every kind of processor. They occur: plain areas of a picture have the same score in
    every cell.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of PyTorch, sorts as stable ones."""
        kwargs = dict(kwargs or {})
        if function in (torch.sort, torch.Tensor.sort):
            values, *others = args
            kwargs.update(zip(("dim", "descending"), others, strict=False))
            kwargs["stable"] = True
            args = (values,)
        return function(*args, **kwargs)


class FittingResize:
    """mmdet's ``Resize`` with a scale for lying pictures and one for upright ones.

    Args:
        resize: The step as configured, one that keeps the ratio.
        size: Height and width of the input that pictures are to fit into.
    """

    def __init__(self, resize: Resize, size: tuple[int, int]):
        scales = fitting_scales(resize.scale, size)
        self.lying, self.upright = copy.copy(resize), copy.copy(resize)
        self.lying.scale, self.upright.scale = scales

    def __call__(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Resize the picture ``results["img"]``."""
        height, width = results["img"].shape[:2]
        resize: Step = self.upright if height > width else self.lying
        return resize(results)


def _step_for_size(step: Step, size: tuple[int, int]) -> Step:
    if isinstance(step, Resize) and step.keep_ratio and step.scale:
        return FittingResize(step, size)
    if isinstance(step, Pad) and (step.size or step.pad_to_square):
        pad: Step = type(step)(
            size=size[::-1], pad_val=step.pad_val, padding_mode=step.padding_mode
        )
        return pad
    return step


def _with_own_preprocessor(model: nn.Module) -> nn.Module:
    """Return a copy of a detector that shares all parts but the data preprocessor.

    ``deepcopy`` takes what its memo holds as copied already.
    """
    shared = {
        id(part): part
        for name, part in model.named_children()
        if name != "data_preprocessor"
    }
    return copy.deepcopy(model, shared)


def _pad_batches(preprocessor: nn.Module, size: tuple[int, int]) -> None:
    """Let a data preprocessor pad what it returns to one size, with mmdet's padding."""
    pad = BatchFixedSizePad(size, img_pad_value=preprocessor.pad_value)

    def padded(
        _module: nn.Module, _inputs: object, data: Mapping[str, Any]
    ) -> dict[str, Any]:
        inputs, samples = pad(data["inputs"], data["data_samples"])
        return {**data, "inputs": inputs, "data_samples": samples}

    preprocessor.register_forward_hook(padded)
