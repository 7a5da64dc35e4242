"""From a config and a graph to what a program must know to run an exported file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import mmdet
import torch
from ghostnet_runtime.description import (
    Description,
    InputForm,
    OutputForm,
    ResizeRule,
    Source,
    Triple,
)
from ghostnet_runtime.json_records import FieldError
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmengine.config import Config

from ..errors import OptionError
from ..version import __version__
from .graph.detection_graph import DetectionGraph
from .graph.resizing import Resizing, read_resizing

# The deepest stride of the package's backbones.
DEEPEST_STRIDE = 32
IMAGE_SIZES = "image_sizes"


def describe(
    cfg: Config,
    graph: DetectionGraph,
    class_names: Sequence[str],
    *,
    size: tuple[int, int] | None = None,
    name: str | None = None,
) -> Description:
    """Describe the candidates' form of a graph for inputs of one size and batch 1.

    Args:
        cfg: The detector's config: its ``test_dataloader`` says how pictures are
            resized.
        graph: The graph.
        class_names: Names by label.
        size: Height and width to resize pictures to, in place of the config's.
        name: Of the detector; by default that of the config's file.

    Returns:
        The description. Height and width are None for a config that leaves pictures as
        large as they are, unless ``size`` is given.

    Raises:
        OptionError: The config prepares pictures in a way that is not known here, or
            the network does not take inputs of this size.
    """
    resizing = read_resizing(cfg, size)
    fed = _input_form(graph, resizing)
    masks = graph.decoder.mask_rules()
    selection = graph.decoder.selection()
    if fed.size is not None:
        levels = graph.decoder.level_lengths(graph.map_sizes(fed.size))
        levels = levels if selection.per_level else (sum(levels),)
        selection = replace(selection, levels=levels)
    try:
        return Description(
            task="instance_segmentation" if masks else "detection",
            name=name or Path(cfg.filename or "detector").stem,
            classes=tuple(str(name) for name in class_names),
            input=fed,
            resize=ResizeRule(
                resizing.scale,
                resizing.keep_ratio,
                _pad_value(resizing, fed, graph.network.data_preprocessor),
                resizing.pad,
            ),
            outputs=OutputForm(
                form="candidates",
                names=graph.output_names,
                class_boxes=graph.decoder.class_boxes,
                score_factors=graph.decoder.has_factors,
            ),
            selection=selection,
            source=Source(
                config=Path(cfg.filename).name if cfg.filename else None,
                ghostnet_mm=__version__,
                torch=torch.__version__,
                mmdet=mmdet.__version__,
            ),
            masks=masks,
        )
    except FieldError as error:
        raise OptionError(f"This config cannot be exported: {error}.") from error


def _input_form(graph: DetectionGraph, resizing: Resizing) -> InputForm:
    preprocessor = graph.network.data_preprocessor
    divisor = int(preprocessor.pad_size_divisor)
    height, width = resizing.padded_size(divisor) or (None, None)
    mean, std = _normalization(preprocessor)
    # What the pipeline itself pads counts as picture.
    fills = resizing.pad != "divisor" or (
        not resizing.keep_ratio and resizing.scale == (width, height)
    )
    return InputForm(
        name="image",
        form="tensor",
        batch=1,
        height=height,
        width=width,
        size_divisor=divisor if divisor > 1 else DEEPEST_STRIDE,
        channel_order="rgb" if preprocessor._channel_conversion else "bgr",
        mean=mean,
        std=std,
        image_sizes=IMAGE_SIZES if graph.takes_image_sizes and not fills else None,
    )


def _pad_value(
    resizing: Resizing, fed: InputForm, preprocessor: DetDataPreprocessor
) -> Triple:
    """Return the gray levels that a picture is padded with, in the network's order."""
    if resizing.pad == "divisor":
        # mmdet pads what it has normalized already, transforms pad pictures.
        gray = float(preprocessor.pad_value)
        first, second, third = (
            gray * std + mean for mean, std in zip(fed.mean, fed.std, strict=True)
        )
        return first, second, third
    first, second, third = resizing.pad_value
    return (third, second, first) if fed.channel_order == "rgb" else resizing.pad_value


def _normalization(preprocessor: DetDataPreprocessor) -> tuple[Triple, Triple]:
    """Return mean and std of each channel."""
    if not preprocessor._enable_normalize:
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return _triple(preprocessor.mean), _triple(preprocessor.std)


def _triple(numbers: torch.Tensor) -> Triple:
    # As written in the config, where single precision would show 123.67500305.
    first, *others = (float(f"{number:.7g}") for number in numbers.flatten().tolist())
    second, third = others or (first, first)
    return first, second, third


def with_dynamic_axes(
    description: Description, *, batch: bool, size: bool
) -> Description:
    """Return the description of the same graph with free batch or input size.

    Raises:
        OptionError: The input has no size, and is to have one.
    """
    fed, selection = description.input, description.selection
    if batch:
        fed = replace(fed, batch=None)
    if size:
        fed = replace(fed, height=None, width=None)
        selection = replace(selection, levels=None)
    elif fed.size is None:
        raise OptionError(
            "The config leaves pictures as large as they are: give --size HEIGHT WIDTH."
        )
    return replace(description, input=fed, selection=selection)
