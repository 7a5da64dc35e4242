"""A detector as one function of tensors: a picture in, decoded candidates out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from mmdet.models.detectors import (
    SingleStageDetector,
    TwoStageDetector,
)
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ...engine.inference.detection import TrainedDetector
from ...errors import OptionError
from ...fusion.deploy_form import deploy_form
from .decoders import decoder_for
from .exportable_graph import ExportableGraph
from .two_stage_graph import TwoStageDecoder

SUPPORTED = (
    "RetinaNet, ATSS, SSD, FCOS, GFL, MobileGFL, RTMDet, RTMDet-Ins, YOLOX, YOLOv3, "
    "CenterNet and Faster R-CNN"
)


class DetectionGraph(ExportableGraph):
    """A detector's deploy form with the decoding of its head.

    What follows the candidates (thresholds, clipping, NMS) is not part of the graph;
    ``description.describe`` says how mmdet does it.

    Args:
        detector: A loaded detector, or mmdet's model. It stays as it is.

    Attributes:
        network: The deploy form, a copy.
        decoder: Turns the maps of the head into candidates.
        class_boxes: Whether each class has boxes of its own.

    Raises:
        OptionError: There is no decoder for the head.
    """

    def __init__(self, detector: TrainedDetector | nn.Module):
        super().__init__()
        model = detector.model if isinstance(detector, TrainedDetector) else detector
        _check_kind(model)
        self.network = deploy_form(model)
        self.network.eval().requires_grad_(False)
        if isinstance(model, TwoStageDetector):
            self.decoder = TwoStageDecoder(self.network)
        else:
            self.decoder = decoder_for(self.network.bbox_head)
        self.output_names = self.decoder.output_names
        self.takes_image_sizes = isinstance(self.decoder, TwoStageDecoder)
        self.any_size = self.decoder.any_size
        self._num_priors = 0

    @property
    def class_boxes(self) -> bool:
        """Whether each class has boxes of its own."""
        return getattr(self.decoder, "class_boxes", False)

    def fix_size(self, size: tuple[int, int] | None) -> DetectionGraph:
        """Turn the priors into constants of one input size, or back."""
        for index in range(self._num_priors):
            delattr(self, f"priors_{index}")
        priors = ()
        if size is not None:
            device = next(self.network.parameters()).device
            priors = self.decoder.priors(self.map_sizes(size), device)
        for index, one in enumerate(priors):
            self.register_buffer(f"priors_{index}", one, persistent=False)
        self._num_priors = len(priors)
        return super().fix_size(size)

    def level_sizes(self, size: tuple[int, int]) -> tuple[int, ...]:
        """Count the candidates of each level for an input of this size.

        Raises:
            OptionError: The network does not take such an input.
        """
        if self.takes_image_sizes:
            return (self.decoder.num_proposals,)
        counts = self.decoder.priors_per_cell
        return tuple(
            math.prod(cells) * count
            for cells, count in zip(self.map_sizes(size), counts, strict=True)
        )

    def map_sizes(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """Compute height and width of each level for an input of this size.

        Raises:
            OptionError: The network does not take such an input.
        """
        parameter = next(self.network.parameters())
        # Shapes only: nothing is computed.
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            image = torch.empty(1, 3, *size, device=parameter.device)
            try:
                maps = self._head_maps(image)[0]
            except (RuntimeError, ValueError) as error:
                raise OptionError(
                    f"The network takes no input of height {size[0]} and width "
                    f"{size[1]}; give multiples of 32."
                ) from error
            return [(int(h), int(w)) for h, w in self.decoder.sizes(maps)]

    def forward(
        self, image: Tensor, image_sizes: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Compute the candidates.

        Args:
            image: ``(N, 3, H, W)``, normalized and padded.
            image_sizes: ``(N, 2)`` height and width of the picture inside of each
                image, for graphs with `takes_image_sizes`; by default it fills them.

        Returns:
            ``boxes`` ``(N, P, 4)``, or ``(N, P, C, 4)`` with `class_boxes`: corners in
            pixels of the input, not clipped; ``scores`` ``(N, P, C)``; and, where the
            head has them, ``score_factors`` ``(N, P)``, or ``kernels`` ``(N, P, D)``
            and ``mask_features`` ``(N, F, h, w)``.
        """
        maps, features = self._head_maps(image)
        if self._num_priors:
            priors = tuple(
                getattr(self, f"priors_{index}") for index in range(self._num_priors)
            )
        else:
            priors = self.decoder.priors(self.decoder.sizes(maps), image.device)
        if isinstance(self.decoder, TwoStageDecoder):
            return self.decoder.decode(maps, priors, features, image, image_sizes)
        return self.decoder.decode(maps, priors)

    def _head_maps(
        self, image: Tensor
    ) -> tuple[Sequence[Sequence[Tensor]], Sequence[Tensor]]:
        features = self.network.extract_feat(image)
        head = self.network.rpn_head if self.takes_image_sizes else None
        return (head or self.network.bbox_head)(features), features


def _check_kind(model: nn.Module) -> None:
    """Refuse detectors that do more, or other things, than these graphs."""
    kind = type(model).__name__
    fits = False
    if isinstance(model, TwoStageDetector):
        fits = TwoStageDecoder.fits(model)
    elif isinstance(model, SingleStageDetector):
        head = model.bbox_head
        kind = f"{kind} with {type(head).__name__}"
        fits = not getattr(model, "mask_head", None) and bool(decoder_for(head))
    if not fits:
        raise OptionError(f"{kind} cannot be exported; supported heads: {SUPPORTED}.")
