"""A detector as one function of tensors: a picture in, decoded candidates out."""

from __future__ import annotations

import torch
from mmdet.models.detectors import BaseDetector, SingleStageDetector
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from ...engine.inference.detection import TrainedDetector
from ...errors import OptionError
from ...fusion.deploy_form import deploy_form
from .decoders import View, decoder_of
from .exportable_graph import ExportableGraph

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

    Raises:
        OptionError: There is no decoder for the head.
    """

    def __init__(self, detector: TrainedDetector | BaseDetector):
        super().__init__()
        model = detector.model if isinstance(detector, TrainedDetector) else detector
        decoder = decoder_of(model)
        if decoder is None:
            kind = type(model).__name__
            if isinstance(model, SingleStageDetector):
                kind = f"{kind} with {type(model.bbox_head).__name__}"
            raise OptionError(
                f"{kind} cannot be exported; supported heads: {SUPPORTED}."
            )
        self.network: BaseDetector = deploy_form(model)
        self.network.eval().requires_grad_(False)
        self.decoder = decoder(self.network)
        self.output_names = self.decoder.output_names
        self.takes_image_sizes = self.decoder.takes_image_sizes
        self.any_size = self.decoder.any_size
        self._num_priors = 0

    def fix_size(self, size: tuple[int, int] | None) -> DetectionGraph:
        """Turn the priors into constants of one input size, or back."""
        for index in range(self._num_priors):
            delattr(self, f"priors_{index}")
        priors: tuple[Tensor, ...] = ()
        if size is not None:
            device = next(self.network.parameters()).device
            priors = self.decoder.priors(self.map_sizes(size), device)
        for index, level in enumerate(priors):
            self.register_buffer(f"priors_{index}", level, persistent=False)
        self._num_priors = len(priors)
        return super().fix_size(size)

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
                maps = self.decoder.maps(self.network.extract_feat(image))
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
        features = self.network.extract_feat(image)
        maps = self.decoder.maps(features)
        priors = tuple(
            self.get_buffer(f"priors_{index}") for index in range(self._num_priors)
        )
        if not priors:
            priors = self.decoder.priors(self.decoder.sizes(maps), image.device)
        view = View(image, image_sizes, features)
        return self.decoder.candidates(maps, priors, view)
