"""Writes test pictures with what was found in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ghostnet_runtime.picture_reading import read_picture
from ghostnet_runtime.picture_writing import write_picture
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...configuration.console import tell
from ...errors import DataError, OptionError
from ...evaluation.predictions import found_in


@HOOKS.register_module()
class SavePictures(Hook):
    """Saves every test picture, annotated, under its own name.

    A picture that cannot be drawn or written does not stop the test; how many they are
    is told at its end.

    Args:
        folder: Where to; made when the first picture is written.
        threshold: Detections with a lower score are left out.
    """

    priority = "NORMAL"

    def __init__(self, folder: str, threshold: float = 0.3):
        self.folder = Path(folder)
        self.threshold = threshold
        self._failed: list[str] = []
        self._sources: dict[str, str] = {}

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
            target = self.folder / self._name_for(sample.img_path)
            if target.resolve() == Path(sample.img_path).resolve():
                raise OptionError(
                    f"--show-dir {self.folder} is the folder of the pictures "
                    "themselves; name another."
                )
            try:
                found = found_in(sample, classes).above(self.threshold)
                pixels, _ = read_picture(Path(sample.img_path))
                write_picture(target, found.plot(pixels))
            except (DataError, OSError) as error:
                self._failed.append(str(error))

    def _name_for(self, path: str) -> str:
        """Return its own name, with its folder's in front where another has that."""
        own = Path(path)
        names = [own.name, f"{own.parent.name}_{own.name}"]
        names += [f"{number}_{own.name}" for number in range(2, len(self._sources) + 3)]
        free = next(n for n in names if self._sources.get(n, path) == path)
        self._sources[free] = path
        return free

    def after_test(self, runner: Runner) -> None:
        """Tell which pictures are missing."""
        if self._failed:
            tell(
                f"--show-dir {self.folder} lacks {len(self._failed)} pictures; the "
                f"first: {self._failed[0]}"
            )
