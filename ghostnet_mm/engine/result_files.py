"""The files that a test is asked to write besides its log."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from ghostnet_runtime.atomic_writing import finished_file

from ..datasets.clean_copy.original_ids import restore_ids
from ..datasets.layouts.folder import evaluators_in, is_coco_metric
from ..errors import OptionError


def check_outputs(
    out: str | os.PathLike[str] | None, show_dir: str | os.PathLike[str] | None
) -> None:
    """Make sure that results can be written where they are asked for.

    Args:
        out: The file of the detections.
        show_dir: The folder of the drawn pictures.

    Raises:
        OptionError: They cannot.
    """
    if out is not None and Path(out).is_dir():
        raise OptionError(f"--out {out} is a folder; name a file such as results.json.")
    if out is not None and not Path(out).resolve().parent.is_dir():
        raise OptionError(f"The folder of --out {out} does not exist; create it.")
    if show_dir is not None and Path(show_dir).exists() and not Path(show_dir).is_dir():
        raise OptionError(f"--show-dir {show_dir} is a file; name a folder.")


def write_results_to(evaluators: Any, prefix: str) -> None:
    """Let the COCO metric among a config's evaluators write its results, in place.

    Args:
        evaluators: One evaluator's config, or a list.
        prefix: What the names of the files begin with.

    Raises:
        OptionError: No evaluator is a ``CocoMetric``.
    """
    for metric in evaluators_in(evaluators):
        if is_coco_metric(metric):
            metric["outfile_prefix"] = prefix
            return
    raise OptionError("--out needs a CocoMetric as test_evaluator in the config.")


def is_unscored(evaluators: Any) -> bool:
    """Say whether there is nothing to compare predictions with."""
    listed = evaluators_in(evaluators)
    return any(evaluator.get("format_only") for evaluator in listed)


def move_results(prefix: Path, out: Path, test_file: str | None) -> list[Path]:
    """Move what `write_results_to` has had written to ``out``, masks beside it.

    Args:
        prefix: What the names of the written files begin with.
        out: The file of the detections.
        test_file: The annotation file that was tested on; where it is a clean copy, the
            results are in the ids of the user's own file.

    Returns:
        The files.
    """
    written = []
    for kind, target in (("bbox", out), ("segm", out.with_suffix(".segm.json"))):
        source = prefix.with_name(f"{prefix.name}.{kind}.json")
        if source.is_file():
            if test_file is not None:
                restore_ids(source, test_file)
            with finished_file(target) as scratch:
                shutil.copyfile(source, scratch)
            source.unlink()
            written.append(target)
    return written
