"""A detector from a file."""

from __future__ import annotations

import os

import numpy as np

from .backends import Backend, open_model
from .description import Description, read_description
from .detections import Detections
from .errors import ModelError, OptionError
from .instance_masks import mask_on_picture, predict_masks
from .picture_detector import UNKNOWN_SIDE, PictureDetector
from .preprocessing import Placement, Preprocessor
from .selection import Selected, select


class Detector(PictureDetector[Detections]):
    """Detects objects with an exported model.

    ``detector("street.jpg")``, or a folder, an array, a list: see `PictureDetector`,
    whose `stream` goes through films and cameras.

    Args:
        path: An ``.onnx``, ``.xml`` (OpenVINO) or ``.param`` (ncnn) file.
        threads: How many may work; the default is the library's own choice.
        score_threshold: Leave out detections with a lower score; the default keeps
            what the model's own threshold lets pass.

    Attributes:
        classes: Names by label.
        description: All that the model says about itself.
        preprocess: Turns a picture into the network's input; see `Preprocessor`.

    Raises:
        ModelError: The file is missing, damaged or without a description.
        OptionError: The library is not installed, or an argument is impossible.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        threads: int | None = None,
        score_threshold: float | None = None,
    ):
        _check_score(score_threshold)  # before a model is loaded for nothing
        self._set_up(open_model(path, threads), score_threshold)

    @classmethod
    def of_backend(
        cls, backend: Backend, score_threshold: float | None = None
    ) -> Detector:
        """Make a detector of something else that runs a network.

        Args:
            backend: It describes the model itself, in the JSON of an export.
            score_threshold: As above.

        Raises:
            ModelError: The backend's description is damaged.
            OptionError: ``score_threshold`` is impossible.
        """
        _check_score(score_threshold)
        detector = cls.__new__(cls)
        detector._set_up(backend, score_threshold)
        return detector

    def _set_up(self, backend: Backend, score_threshold: float | None) -> None:
        self._backend = backend
        self.description = read_description(backend.description, backend.origin)
        self.classes = self.description.classes
        self.preprocess = Preprocessor(self.description)
        self._score_threshold = score_threshold

    @property
    def input_side(self) -> int:
        """The shorter side of the network's input in pixels."""
        fed, scale = self.description.input, self.description.resize.scale
        if fed.height is not None and fed.width is not None:
            return min(fed.height, fed.width)
        return UNKNOWN_SIDE if scale is None else min(scale)

    def detect(self, pixels: np.ndarray) -> Detections:
        """Detect on one picture.

        Args:
            pixels: (H, W, 3) uint8 BGR, as ``cv2.imread`` gives it.

        Raises:
            DataError: The array is no such picture.
        """
        array, placement = self.preprocess(pixels)
        inputs = {self.description.input.name: array}
        sizes = self.description.input.image_sizes
        if sizes is not None:
            inputs[sizes] = np.array([placement.clip], dtype=np.float32)
        values = self._backend.run(inputs, self.description.outputs.names)
        # Of the batch's only picture.
        return self._find({k: v[0] for k, v in values.items()}, placement)

    def _find(self, values: dict[str, np.ndarray], placement: Placement) -> Detections:
        if self.description.outputs.form == "detections":
            return _finished(values, self.description, placement, self._score_threshold)
        if values["scores"].shape[-1] != len(self.classes):
            raise ModelError(
                f"The model scores {values['scores'].shape[-1]} classes and its "
                f"description names {len(self.classes)}; export it anew."
            )
        found = select(
            values["boxes"],
            values["scores"],
            values.get("score_factors"),
            self.description.selection,
            placement,
            self._score_threshold,
        )
        masks = self._masks(values, found, placement)
        return Detections(found.boxes, found.scores, found.labels, self.classes, masks)

    def _masks(
        self, values: dict[str, np.ndarray], found: Selected, placement: Placement
    ) -> np.ndarray | None:
        if self.description.masks is None:
            return None
        return predict_masks(
            values["kernels"],
            values["mask_features"],
            found.priors,
            self.description.masks,
            placement,
            self.description.resize.keep_ratio,
        )


def _check_score(score_threshold: float | None) -> None:
    if score_threshold is not None and not 0 <= score_threshold <= 1:
        raise OptionError(
            f"score_threshold is {score_threshold}; give a number from 0 to 1."
        )


def _finished(
    values: dict[str, np.ndarray],
    description: Description,
    placement: Placement,
    least_score: float | None,
) -> Detections:
    """Read detections that the model itself selected."""
    kept = values["labels"] >= 0
    if least_score is not None:
        kept &= values["detections"][:, 4] >= np.float32(least_score)
    boxes, scores = np.split(values["detections"][kept], [4], axis=1)
    if description.input.form == "tensor":
        boxes = placement.to_picture(boxes)
    masks, rule = None, description.masks
    if "masks" in values and rule is not None:
        masks = np.zeros((int(kept.sum()), *placement.picture), dtype=bool)
        for index, mask in enumerate(values["masks"][kept]):
            stride = placement.input[0] // mask.shape[0]
            whole = mask_on_picture(
                mask, placement, description.resize.keep_ratio, stride
            )
            masks[index, : whole.shape[0], : whole.shape[1]] = whole > rule.threshold
    labels = values["labels"][kept].astype(np.int64)
    return Detections(
        np.ascontiguousarray(boxes),
        scores[:, 0].copy(),
        labels,
        description.classes,
        masks,
    )
