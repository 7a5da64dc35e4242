"""The few lines of Python that most users need.

>>> from ghostnet_mm import Detector
>>> Detector("gfl_ghostnet-nano_coco").is_trained
False
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ghostnet_runtime import Detections
from ghostnet_runtime.picture_detector import PictureDetector
from ghostnet_runtime.picture_results import Results, detect_all
from ghostnet_runtime.slicing import sliced
from mmengine.config import Config

from .configuration import Options, TrainingFlags, prepare_config
from .configuration.files.reading import is_config, read_config
from .configuration.files.work_dir import last_work_dir, new_work_dir
from .configuration.options import LATEST, Folders
from .engine.evaluation import Evaluation
from .engine.inference.detection import (
    TrainedDetector,
    load_detector,
    write_panoptic_png,
)
from .engine.inference.stored_model import config_to_run, read_stored_model
from .engine.run import run_testing, run_training
from .engine.run_record import Callback, Callbacks, Run, StopTraining
from .errors import OptionError
from .evaluation.predictions import PanopticMap
from .export.trained_export import ExportedFiles, ExportFlags, export_trained
from .shipped_configs import config_name

if TYPE_CHECKING:
    from typing_extensions import Unpack  # of typing from Python 3.11 on

__all__ = ["Detector", "Evaluation", "ExportedFiles", "Run", "StopTraining"]

PRETRAINED = "pretrained"


class Detector(PictureDetector[Detections | PanopticMap]):
    """A detector to train, to call, to judge and to export.

    Options have the names and meanings of the commands' (``ghostnet train --help`` and
    the others), with ``_`` for ``-``. Threads may call one detector at once.

    Args:
        model: The name of a config (``ghostnet configs`` lists them) or its file; or a
            checkpoint, which brings its config.
        weights: With a config. By default training starts from the backbone weights
            that the config names; None starts from scratch; a checkpoint's path gives a
            trained detector.
        device: For pictures, such as ``cuda:0``; the default is the first GPU, or the
            CPU.
        cfg_options: Settings of the config to change, by dotted keys.
        score_threshold: Leave out detections with a lower score; the default keeps what
            the config lets pass.

    Raises:
        UserError: There is no such config or checkpoint, or they do not fit.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        weights: str | os.PathLike[str] | None = PRETRAINED,
        *,
        device: str | None = None,
        cfg_options: Mapping[str, Any] | None = None,
        score_threshold: float | None = None,
    ):
        if score_threshold is not None and not 0 <= score_threshold <= 1:
            raise OptionError(
                f"score_threshold is {score_threshold}; give a number from 0 to 1."
            )
        self._device, self._least_score = device, score_threshold
        self._cfg_options = dict(cfg_options or {})
        self._in_use = threading.RLock()
        self._trained: TrainedDetector | None = None
        self._checkpoint: Path | None = None
        self._config: str | None = os.fspath(model)
        self._name = config_name(self._config)
        self._from_scratch = weights is None
        if not is_config(self._config):
            if weights != PRETRAINED:
                raise OptionError(
                    f"{model} has weights of its own; give weights with a config only."
                )
            weights, self._config = model, None
            self._name = Path(model).stem
        else:
            read_config(self._config)  # its mistakes are told now
        if weights is not None and weights != PRETRAINED:
            self._load(Path(weights).expanduser())

    @property
    def is_trained(self) -> bool:
        """Whether the detector can detect."""
        return self._trained is not None

    @property
    def checkpoint(self) -> Path | None:
        """The file of its weights; None of one that is not trained."""
        return self._checkpoint

    @property
    def classes(self) -> tuple[str, ...]:
        """Names by label.

        Raises:
            OptionError: The detector is not trained.
        """
        return self._ready().class_names

    def __repr__(self) -> str:
        return f"<Detector {self._name}: {self._checkpoint or 'not trained'}>"

    def train(
        self,
        data_root: Folders | None = None,
        *,
        epochs: int | None = None,
        seed: int | None = None,
        work_dir: str | os.PathLike[str] | None = None,
        backbone_weights: str | None = None,
        resume: bool | str | os.PathLike[str] | None = None,
        cfg_options: Mapping[str, Any] | None = None,
        on_epoch_end: Callback | None = None,
        on_iteration_end: Callback | None = None,
        on_validation_end: Callback | None = None,
        **flags: Unpack[TrainingFlags],
    ) -> Run:
        """Train as ``ghostnet train`` does, and hold the best weights at the end.

        A trained detector goes on from its weights; classes of the same name keep what
        they have learnt. Signals are handled in the main thread only.

        Args:
            data_root: Folder or folders of pictures and boxes in any layout that is
                known; by default the config's own data.
            epochs: Length of the run; the whole schedule is scaled to it.
            seed: Of all random numbers.
            work_dir: Default: ``./work_dirs/<name>``, or the first of ``<name>-2``,
                ``<name>-3``, ... that is free.
            backbone_weights: ``timm://NAME``, a file, or ``none``.
            resume: Go on with an interrupted run: True for the newest checkpoint of the
                work dir (by default the last one), or a checkpoint.
            cfg_options: More settings of the config.
            on_epoch_end: Called with a `Progress` after each epoch and its validation;
                it may raise `StopTraining`, see `Callbacks`.
            on_iteration_end: The same after each iteration.
            on_validation_end: The same after each validation.
            flags: The other options of the command, such as ``amp`` or ``early_stop``;
                see `Options`.

        Raises:
            UserError: Data, options, weights or the work dir make it impossible, or
                another thread trains.
        """
        if backbone_weights is None and self._from_scratch and self._trained is None:
            backbone_weights = "none"
        start = {} if self._checkpoint is None else {"load_from": str(self._checkpoint)}
        if work_dir is None and flags.get("launcher", "none") == "none":
            # Several processes would not agree: they take the command's default.
            choose = last_work_dir if resume else new_work_dir
            work_dir = choose(self._name)
        options = Options(
            cfg_options={**start, **self._cfg_options, **(cfg_options or {})},
            data_root=data_root,
            backbone_weights=backbone_weights,
            work_dir=work_dir,
            resume=LATEST if resume is True else resume or None,
            epochs=epochs,
            seed=seed,
            **flags,
        )
        prepared = prepare_config(self._cfg(), options)
        callbacks = Callbacks(on_iteration_end, on_epoch_end, on_validation_end)
        run = run_training(prepared.cfg, prepared.model, callbacks)
        if run.best is not None:
            self._load(run.best, use_stored=True)
        return run

    def evaluate(
        self,
        data_root: Folders | None = None,
        *,
        out: str | os.PathLike[str] | None = None,
        show_dir: str | os.PathLike[str] | None = None,
        score_threshold: float = 0.3,
        work_dir: str | os.PathLike[str] | None = None,
        strict_data: bool = False,
        crowd_as_objects: bool = False,
        launcher: str | None = None,
        cfg_options: Mapping[str, Any] | None = None,
    ) -> Evaluation:
        """Score the detector on the test split; options as of ``ghostnet test``.

        Args:
            data_root: Folder or folders, whose val split counts where they have no test
                split; by default the data it was trained with.
            out: Write the detections as COCO results JSON.
            show_dir: Write the pictures with their detections.
            score_threshold: Lowest score drawn in them; AP counts them all.
            work_dir: Where the log goes.
            strict_data: Refuse data that needs repairs.
            crowd_as_objects: Read crowd regions as objects.
            launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``.
            cfg_options: More settings of the config.

        Raises:
            UserError: The detector is not trained, or data or options make it
                impossible.
        """
        self._ready()
        options = Options(
            cfg_options={**self._cfg_options, **(cfg_options or {})},
            data_root=data_root,
            strict_data=strict_data,
            crowd_as_objects=crowd_as_objects,
            work_dir=work_dir,
            launcher=launcher,
        )
        prepared = prepare_config(self._cfg(), options, training=False)
        cfg, model = prepared.cfg, prepared.model
        assert self._checkpoint is not None
        return run_testing(cfg, self._checkpoint, out, show_dir, score_threshold, model)

    def export(
        self,
        formats: str | Sequence[str] | None = None,
        *,
        data_root: Folders | None = None,
        images: str | os.PathLike[str] | None = None,
        out: str | os.PathLike[str] | None = None,
        name: str | None = None,
        size: Sequence[int] | None = None,
        cfg_options: Mapping[str, Any] | None = None,
        **flags: Unpack[ExportFlags],
    ) -> ExportedFiles:
        """Write files for phones and CPUs; options as of ``ghostnet export``.

        Args:
            formats: ``onnx``, ``onnx-nms``, ``openvino``, ...; by default all whose
                libraries are installed.
            data_root: The validation pictures to compare and score on; by default those
                it was trained with, unless there are ``images``.
            images: Other real pictures to compare on.
            out: Default: ``deploy/`` beside the checkpoint.
            name: Of the files; by default the config's.
            size: Height and width of the network's input; the default is the config's.
            cfg_options: More settings of the config.
            flags: The other options of the command, such as ``num_images`` or
                ``latency_rounds``; see `export_trained`.

        Raises:
            ExportError: A file does not compute what the detector does.
            UserError: The detector is not trained, or it, a format, the data or an
                option is impossible.
        """
        self._ready()
        assert self._checkpoint is not None
        options = Options(
            cfg_options={**self._cfg_options, **(cfg_options or {})},
            data_root=data_root,
        )
        exported = export_trained(
            load_detector(self._checkpoint, self._config, options, device="cpu"),
            out or self._checkpoint.parent / "deploy",
            name or self._name,
            use_labels=data_root is not None or images is None,
            formats=[formats] if isinstance(formats, str) else formats,
            images=images,
            size=size,
            **flags,
        )
        exported.check()
        return exported

    @property
    def input_side(self) -> int:
        """The shorter side of a trained detector's input in pixels: of its slices."""
        return self._ready().input_side

    def detect(self, pixels: np.ndarray) -> Detections | PanopticMap:
        """Detect on one picture, (H, W, 3) uint8 BGR.

        Raises:
            OptionError: The detector is not trained.
        """
        trained = self._ready()
        with self._in_use:
            found = trained.detect(pixels)
        return found if self._least_score is None else found.above(self._least_score)

    def detect_all(
        self,
        input: str | os.PathLike[str] | int,
        out: str | os.PathLike[str] = "detections",
        *,
        score_threshold: float = 0.3,
        max_frames: int | None = None,
        show: bool = False,
        track: bool = False,
        slice: bool | int | None = None,
        panoptic_png: bool = False,
    ) -> Results:
        """Write as ``ghostnet detect``; ``panoptic_png`` writes each map as PNG too."""
        self._ready()
        keep = write_panoptic_png if panoptic_png else None
        detect = sliced(self.detect, slice, self.input_side)
        return detect_all(
            detect, str(input), out, score_threshold, max_frames, show, keep, track
        )

    def _ready(self) -> TrainedDetector:
        trained = self._trained
        if trained is None:
            raise OptionError(
                f"{self._name} is not trained, and what it finds would mean nothing: "
                f"train it with train(...), or give a checkpoint as weights."
            )
        return trained

    def _load(self, checkpoint: Path, *, use_stored: bool = False) -> None:
        if use_stored:
            self._config = None  # The checkpoint carries it, with the data it is for.
        options = Options(cfg_options={} if use_stored else self._cfg_options)
        trained = load_detector(checkpoint, self._config, options, self._device)
        self._trained, self._checkpoint = trained, checkpoint

    def _cfg(self) -> Config:
        """Return a config of its own for a run."""
        if self._config is not None:
            return read_config(self._config)
        assert self._checkpoint is not None
        stored = read_stored_model(self._checkpoint)
        # The run's name, which its dumped config gets.
        return config_to_run(stored, f"{self._name}.py")
