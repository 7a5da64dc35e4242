"""Mistakes of a user that only a running model reveals."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ghostnet_runtime.atomic_writing import NO_ROOM
from mmengine.config import Config

from ..configuration.console import is_first_process
from ..configuration.model.building import option_error_for
from ..configuration.training.resuming import find_checkpoint
from ..errors import CheckpointError, DataError, OptionError, TrainingError

UNREADABLE_IMAGE = re.compile(r"failed to load image: (.+)")
SYNC_BN_ON_CPU = "SyncBatchNorm expected input tensor to be on"
ONE_VALUE = "Expected more than 1 value per channel when training"
UNKNOWN_LABEL = re.compile(r"Target (\d+) is out of bounds")


@contextmanager
def new_work_dir_removed_on_mistake(work_dir: str) -> Iterator[None]:
    """Leave no empty run behind when a mistake shows only once the runner is built."""
    folder = Path(work_dir).resolve()
    is_new = not folder.exists()
    new_parents = [parent for parent in folder.parents if not parent.exists()]
    try:
        yield
    except (OptionError, DataError, CheckpointError) as error:
        # A full disk is no mistake in the options: the log of the run stays.
        is_kept = isinstance(error.__cause__, OSError) or any(folder.glob("*.pth"))
        if is_new and not is_kept and is_first_process():
            shutil.rmtree(folder, ignore_errors=True)
            # Another run may have moved into a parent meanwhile: only empty ones go.
            for parent in new_parents:
                with suppress(OSError):
                    parent.rmdir()
        raise


@contextmanager
def mistakes_told(cfg: Config) -> Iterator[None]:
    """Translate what libraries raise for a user's mistake.

    Args:
        cfg: The config of the run.

    Raises:
        UserError: In place of what it is raised from.
    """
    try:
        yield
    except ValueError as error:
        if ONE_VALUE in str(error):
            raise OptionError(
                "A batch norm without running statistics meets a single value per "
                "channel, which has no variance; use batches of 2 pictures or more "
                "(--cfg-options train_dataloader.batch_size=2 "
                "train_dataloader.drop_last=True)."
            ) from error
        if SYNC_BN_ON_CPU not in str(error):
            raise
        raise OptionError(
            "SyncBN cannot join the statistics of several CPU processes; set the type "
            "of every norm_cfg of the model to BN with --cfg-options."
        ) from error
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        newest = find_checkpoint(cfg.work_dir).newest
        go_on = f"; {newest} is whole: go on with --resume" if newest else ""
        raise TrainingError(
            f"{error.filename or cfg.work_dir} cannot be written ({error.strerror}); "
            f"make room on that disk{go_on}."
        ) from error
    except (AssertionError, IndexError, KeyError, TypeError) as error:
        label = UNKNOWN_LABEL.search(str(error))
        if label:
            raise DataError(
                f"The data has label {label[1]}, which is not below the model's "
                f"num_classes; correct the labels, or set num_classes."
            ) from error
        image = UNREADABLE_IMAGE.search(str(error))
        if image:
            name = image[1].splitlines()[0].strip("'\"")
            raise DataError(
                f"{name} cannot be read as an image; replace it, or take it out of the "
                f"annotation file."
            ) from error
        if isinstance(error, (KeyError, TypeError)):
            mistake = option_error_for(error, cfg.to_dict(), "the config")
            if mistake is not None:
                raise mistake from error
        raise
