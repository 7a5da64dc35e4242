"""Writes test pictures with what was found in them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
from ghostnet_runtime.atomic_writing import finished_file
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...errors import DataError, OptionError
from ...evaluation.shown_objects import draw_shown, shown_in


@HOOKS.register_module()
class SavePictures(Hook):
    """Saves every test picture, annotated, under its own name.

    Args:
        folder: Where to; made when the first picture is written.
        threshold: Detections with a lower score are left out.
    """

    priority = "NORMAL"

    def __init__(self, folder: str, threshold: float = 0.3):
        self.folder = Path(folder)
        self.threshold = threshold

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence | None = None,
    ) -> None:
        """Draw the boxes, masks or segments of one batch."""
        classes = runner.test_evaluator.dataset_meta["classes"]
        for sample in outputs or ():
            target = self.folder / os.path.basename(sample.img_path)
            if target.resolve() == Path(sample.img_path).resolve():
                raise OptionError(
                    f"--show-dir {self.folder} is the folder of the pictures "
                    "themselves; name another."
                )
            pixels = cv2.imread(sample.img_path)
            if pixels is None:
                raise DataError(
                    f"The image {sample.img_path} cannot be read any more; put it "
                    f"back, or leave --show-dir out."
                )
            drawn = draw_shown(pixels, shown_in(sample), classes, self.threshold)
            with finished_file(target) as scratch:
                cv2.imwrite(str(scratch), drawn)
