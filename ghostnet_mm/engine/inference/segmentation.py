"""Running a trained segmentor on pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ghostnet_runtime.atomic_writing import check_folder
from ghostnet_runtime.drawing import class_color
from ghostnet_runtime.picture_loop import LoopReport, for_each_picture
from ghostnet_runtime.picture_sources import Picture, open_source, refuse_overwriting
from ghostnet_runtime.picture_writing import write_picture
from mmcv.transforms import Compose
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, TRANSFORMS

from ...configuration import Options
from ...configuration.console import tell
from ...configuration.model.task_scopes import SEGMENTATION, scope_of
from ...errors import OptionError
from ...evaluation.semantic_drawing import draw_semantic
from .stored_model import (
    class_descriptions,
    class_names,
    read_stored_model,
    steps_without_labels,
)

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor


@dataclass(frozen=True)
class Segmentor:
    """A segmentor ready for pictures.

    Attributes:
        model: mmseg's segmentor with its weights, in eval mode.
        class_names: Names by label.
        palette: RGB colors by label.
        pipeline: Turns ``dict(img=...)`` and the sizes into the model's inputs.
    """

    model: BaseSegmentor
    class_names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    pipeline: Compose

    def segment(self, pixels: np.ndarray) -> np.ndarray:
        """Return the (H, W) labels of one picture, (H, W, 3) uint8 BGR."""
        size = pixels.shape[:2]
        data = self.pipeline(dict(img=pixels, img_shape=size, ori_shape=size))
        batch = {key: [value] for key, value in data.items()}
        with torch.no_grad():
            (sample,) = self.model.test_step(batch)
        return sample.pred_sem_seg.data.squeeze(0).cpu().numpy()


def load_segmentor(
    checkpoint: str | os.PathLike,
    config: str | os.PathLike | None = None,
    options: Options | None = None,
    device: str | None = None,
) -> Segmentor:
    """Load a segmentor from a checkpoint of ``ghostnet train``.

    Args:
        checkpoint: The weights; they must fit in full.
        config: The config; the default is the one that the checkpoint carries, read
            as data, never executed.
        options: Changes to the config.
        device: Such as ``cuda:0``; the default is the first GPU, or the CPU.

    Raises:
        CheckpointError: The checkpoint is unusable or of another architecture.
        OptionError: The config or an option is impossible, or it is no segmentor's.
    """
    stored = read_stored_model(checkpoint, config)
    cfg = stored.cfg
    if scope_of(cfg) != SEGMENTATION:
        raise OptionError(
            f"The config of {checkpoint} is not for mmseg; use ghostnet detect for a "
            f"detector."
        )
    model = stored.build(_build_for_one_process, options, device)
    descriptions = class_descriptions(stored)
    names = class_names(descriptions)
    steps = [
        TRANSFORMS.build(step)
        for step in steps_without_labels(cfg)
        # The picture is there already.
        if not str(step["type"]).endswith("LoadImageFromFile")
    ]
    return Segmentor(model, names, _palette(names, descriptions), Compose(steps))


def _build_for_one_process(model: Any) -> BaseSegmentor:
    return revert_sync_batchnorm(MODELS.build(model))


def segment_all(
    segmentor: Segmentor, source: str, out_dir: str | os.PathLike[str]
) -> LoopReport:
    """Segment an image or a folder, and write a tinted picture and a label map of each.

    ``NAME.png`` is the picture with the legend, ``NAME.labels.png`` has the label of
    each pixel as its grey value. They are written as they are made.

    Returns:
        How many pictures were done, and which could not be read.

    Raises:
        DataError: The source cannot be read, or not one of its pictures.
        OptionError: The source is a video, or ``out_dir`` the pictures' own folder, or
            it cannot be written.
        KeyboardInterrupt: By Ctrl-C, or when asked to end.
    """
    pictures = open_source(source)
    if pictures.is_video:
        raise OptionError(
            f"{source} is a video; ghostnet segment takes an image or a folder."
        )
    folder = Path(out_dir).expanduser()
    check_folder(folder)
    refuse_overwriting(folder, pictures)
    depth = np.uint8 if len(segmentor.class_names) <= 256 else np.uint16

    def work(picture: Picture) -> bool:
        labels = segmentor.segment(picture.pixels)
        drawn = draw_semantic(
            picture.pixels, labels, segmentor.class_names, segmentor.palette
        )
        # The suffix stays: a.jpg and a.png of one folder are two pictures.
        write_picture(folder / f"{picture.file_name}.png", drawn)
        labels_file = folder / f"{picture.file_name}.labels.png"
        write_picture(labels_file, labels.astype(depth))
        return True

    try:
        report = for_each_picture(pictures, work)
    except OSError as error:
        raise OptionError(
            f"The output {folder} cannot be written ({error.strerror or error}); what "
            f"was done until then is there."
        ) from error
    tell(
        f"{report.done} pictures, {report.rate:.1f} images/s (reading and drawing "
        f"included): {folder}"
    )
    if report.interruption is not None:
        raise report.interruption
    return report


def _palette(
    names: Sequence[str], descriptions: Sequence[Mapping[str, Any]]
) -> tuple[tuple[int, int, int], ...]:
    """Take the colors that fit the names, or else make some."""
    for description in descriptions:
        palette = description.get("palette")
        if palette and len(palette) == len(names):
            break
    else:
        palette = [class_color(label)[::-1] for label in range(len(names))]
    return tuple((int(red), int(green), int(blue)) for red, green, blue in palette)
