"""What a candidate costs: parameters, multiply-accumulates and measured latency."""

from collections.abc import Mapping
from dataclasses import dataclass

from mmdet.registry import MODELS
from mmengine.config import Config

from ..fusion.deploy_form import reparameterized
from ..measuring.detector_complexity import (
    detector_complexity,
    model_channels,
    network_pass,
)
from ..measuring.latency import alternating_medians


@dataclass(frozen=True)
class Cost:
    """The cost of one image in the deployed form.

    Attributes:
        parameters: Of the whole detector.
        macs: Multiply-accumulates of the network, without decoding and NMS.
        milliseconds: Median latency of the same in eager PyTorch, batch 1; None where
            it was not measured.
    """

    parameters: int
    macs: int
    milliseconds: float | None


def measure_costs(
    configs: Mapping[str, Config], size: tuple[int, int], rounds: int
) -> dict[str, Cost]:
    """Measure every candidate at one image size.

    Latencies are taken alternately, one forward pass of each candidate per round.

    Args:
        configs: The candidates by label.
        size: Height and width in pixels.
        rounds: Timed rounds; 0 leaves latency out.

    Returns:
        The cost of each candidate.
    """
    models = {
        label: reparameterized(MODELS.build(cfg.model))
        for label, cfg in configs.items()
    }
    counted = {
        label: detector_complexity(cfg, size, model=models[label])[1][-1]
        for label, cfg in configs.items()
    }
    medians = {}
    if rounds:
        passes = {
            label: network_pass(models[label], model_channels(cfg), size)
            for label, cfg in configs.items()
        }
        medians = alternating_medians(passes, rounds)
    return {
        label: Cost(row.parameters, row.macs, medians.get(label))
        for label, row in counted.items()
    }
