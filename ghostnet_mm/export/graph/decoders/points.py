"""Heads that measure distances from points: FCOS, RTMDet, GFL and MobileGFL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from ghostnet_runtime.description import MaskRule
from mmdet.models.dense_heads import FCOSHead, GFLHead, RTMDetHead, RTMDetInsHead
from mmdet.models.detectors import BaseDetector
from torch import Tensor

from .base import Decoder, Maps, class_scores, flatten_maps, stride_of_each_prior

# mmdet divides relative coordinates by this many strides; the head has no argument
# for it.
COORDINATE_SCALE = 8


class PointDecoder(Decoder):
    """Decodes distances in pixels from points to the four sides."""

    HEADS: ClassVar[tuple[type, ...]] = (FCOSHead, RTMDetHead)
    CODERS = ("DistancePointBBoxCoder",)

    def __init__(self, network: BaseDetector):
        super().__init__(network)
        self.has_factors = hasattr(self.head, "conv_centerness")

    def decode(self, maps: Maps, priors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Compute the candidates, see `Decoder.decode`."""
        logits = flatten_maps(maps[0], self.head.cls_out_channels)
        result = {
            "boxes": boxes_at_distances(priors[0], flatten_maps(maps[1], 4)),
            "scores": class_scores(self.head, logits),
        }
        if self.has_factors:
            result["score_factors"] = flatten_maps(maps[2], 1).squeeze(-1).sigmoid()
        return result


class MaskKernelDecoder(PointDecoder):
    """Decodes RTMDet-Ins: boxes, and for each prior the weights of its mask layers."""

    HEADS = (RTMDetInsHead,)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return ("boxes", "scores", "kernels", "mask_features")

    def decode(self, maps: Maps, priors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Compute the candidates, see `Decoder.decode`.

        Returns:
            Also ``kernels`` ``(N, P, D)``: the weights of all layers, then all biases;
            and ``mask_features`` ``(N, F, h, w)``.
        """
        result = super().decode(maps, priors)
        result["kernels"] = flatten_maps(maps[2], self.head.num_gen_params)
        result["mask_features"] = cast(Tensor, maps[3])
        return result

    def mask_rules(self) -> MaskRule:
        """Say how masks are made of kernels and features."""
        head = self.head
        return MaskRule(
            strides=tuple(self.strides),
            prior_offset=float(head.prior_generator.offset),
            coordinate_scale=COORDINATE_SCALE,
            feature_stride=self.strides[0],
            num_prototypes=head.num_prototypes,
            dynamic_channels=head.dyconv_channels,
            num_layers=head.num_dyconvs,
            threshold=float(head.test_cfg.get("mask_thr_binary", 0.5)),
        )


class DistributionDecoder(Decoder):
    """Decodes GFL: distributions over distances, in strides."""

    HEADS = (GFLHead,)
    CODERS = ("DistancePointBBoxCoder",)

    def priors(
        self, sizes: Sequence[tuple[int, int]], device: torch.device
    ) -> tuple[Tensor, ...]:
        """Compute points and strides, ``(P, 3)``."""
        (priors,) = super().priors(sizes, device)
        points = self.head.anchor_center(priors)
        strides = stride_of_each_prior(self.head, sizes, device)
        return (torch.cat([points, strides], dim=1),)

    def decode(self, maps: Maps, priors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Compute the candidates, see `Decoder.decode`."""
        points, strides = priors[0][:, :2], priors[0][:, 2:]
        sides = flatten_maps(maps[1], 4 * (self.head.reg_max + 1))
        # mmdet's Integral as a product of matrices: ncnn has nothing for its form.
        chances = sides.reshape(-1, self.head.reg_max + 1).softmax(-1)
        distances = chances @ self.head.integral.project[:, None]
        distances = distances.reshape(sides.shape[0], -1, 4)
        logits = flatten_maps(maps[0], self.head.cls_out_channels)
        return {
            "boxes": boxes_at_distances(points, distances * strides),
            "scores": logits.sigmoid(),
        }


def boxes_at_distances(points: Tensor, distances: Tensor) -> Tensor:
    """Return ``(N, P, 4)`` corners from ``(P, 2)`` points and ``(N, P, 4)`` distances.

    Distances are left, top, right, bottom, in pixels.
    """
    outwards = distances.new_tensor([-1.0, -1.0, 1.0, 1.0])
    return torch.cat([points, points], dim=-1) + distances * outwards
