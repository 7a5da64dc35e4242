"""Goes on past pictures that cannot be read, and tells which."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...datasets.annotations.findings import printable
from ...datasets.loading.lost_pictures import LostPictures, spare
from ...errors import DataError

FILE = "unreadable_pictures.txt"
NAMES_TOLD = 3


@HOOKS.register_module()
class UnreadablePictures(Hook):
    """Lets a run go on when pictures vanish or turn out to be damaged.

    In training another picture takes the place of one that cannot be read. A picture of
    an evaluation is left out of COCO's scores. Each is told once, at the end of the
    epoch, and noted beside the log. Most pictures unreadable is an error.
    """

    # After mmdet's hooks that give a dataset another pipeline, and those that save.
    priority = "LOWEST"

    def __init__(self) -> None:
        self._told: set[tuple[int, tuple[str, str]]] = set()

    def before_run(self, runner: Runner) -> None:
        """Start a list for this run."""
        self._start_list(runner)

    def prepare_dataset(self, runner: Runner, dataset: Any) -> None:
        """Prepare a dataset before its loop is made.

        A loop without epochs starts its workers when it is made, and they keep the
        dataset as it is then.
        """
        self._start_list(runner)
        spare(dataset, self._lost)

    def before_train_epoch(self, runner: Runner) -> None:
        """Prepare the training pictures, with whatever pipeline they have by now."""
        spare(runner.train_dataloader.dataset, self._lost)

    def after_train_epoch(self, runner: Runner) -> None:
        """Tell what was lost."""
        self._tell(runner.train_dataloader.dataset)

    def before_val_epoch(self, runner: Runner) -> None:
        """Prepare the validation pictures."""
        spare(runner.val_dataloader.dataset, self._lost)

    def before_test_epoch(self, runner: Runner) -> None:
        """Prepare the test pictures."""
        spare(runner.test_dataloader.dataset, self._lost)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Take lost pictures out of the scores before these are computed."""
        if batch_idx + 1 == len(runner.val_dataloader):
            self._leave_out(runner.val_dataloader.dataset, runner.val_evaluator)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Take lost pictures out of the scores before these are computed."""
        if batch_idx + 1 == len(runner.test_dataloader):
            self._leave_out(runner.test_dataloader.dataset, runner.test_evaluator)

    def after_train(self, runner: Runner) -> None:
        """Tell what a loop without epochs has lost."""
        self._tell(runner.train_dataloader.dataset)

    def _start_list(self, runner: Runner) -> None:
        self._file = os.path.join(runner.log_dir, FILE)
        self._lost = LostPictures(self._file)

    def _leave_out(self, dataset: Any, evaluator: Any) -> None:
        barrier()  # The other processes note theirs until then.
        if not os.path.exists(self._file):
            return
        lost = self._of(dataset)
        for metric in evaluator.metrics:
            api = getattr(metric, "_coco_api", None)
            if api is not None:
                metric.img_ids = [i for i in api.get_img_ids() if i not in lost]
                metric.results = [_without_detections(r, lost) for r in metric.results]
        self._tell(dataset)

    def _of(self, dataset: Any) -> dict[int, tuple[str, str]]:
        """Return path and reason of a dataset's lost pictures, by their id."""
        known = {info.get("img_path") for info in infos_of(dataset)}
        return {
            picture: (path, reason)
            for (picture, path), reason in self._lost.all().items()
            if path in known
        }

    def _tell(self, dataset: Any) -> None:
        if not os.path.exists(self._file):
            return
        lost = self._of(dataset)
        total = len(dataset)
        if 2 * len(lost) > total:
            path, reason = next(iter(lost.values()))
            raise DataError(
                f"{len(lost)} of {total} pictures cannot be read, the first is "
                f"{printable(path)} ({reason}); bring them back, then start again, "
                f"with --resume if there is a checkpoint."
            )
        new = {key for key in lost.items() if key not in self._told}
        self._told |= new
        if new and is_main_process():
            names = [f"{printable(p)} ({r})" for _, (p, r) in sorted(new)[:NAMES_TOLD]]
            more = ", ..." if len(new) > NAMES_TOLD else ""
            noun = "picture" if len(new) == 1 else "pictures"
            print(
                f"left out: {len(new)} {noun} that cannot be read ({', '.join(names)}"
                f"{more}); all are in {self._file}",
                flush=True,
            )


def _without_detections(
    result: tuple[dict, dict[str, Any]], lost: Collection[int]
) -> tuple[dict, dict[str, Any]]:
    """Return one of CocoMetric's results, empty if it is a lost picture's."""
    truth, found = result
    if found["img_id"] not in lost:
        return result
    empty = {
        key: value if key == "img_id" else value[:0] for key, value in found.items()
    }
    return truth, {**empty, "img_id": found["img_id"]}


def infos_of(dataset: Any) -> Sequence[Mapping[str, Any]]:
    """Return what a dataset knows of its pictures, through any wrapper."""
    inner = getattr(dataset, "datasets", None)
    if inner:
        return [info for part in inner for info in infos_of(part)]
    if getattr(dataset, "dataset", None) is not None:
        return infos_of(dataset.dataset)
    if not hasattr(dataset, "get_data_info"):
        return []
    return [dataset.get_data_info(index) for index in range(len(dataset))]
