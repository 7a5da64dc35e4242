"""Save the gradients of one training step on two pictures.

Alone, the process takes both pictures as one batch. Under torchrun each of two
processes takes one of them, and DistributedDataParallel averages.

    python gradients_of_a_batch.py OUT.pth
"""

import os
import sys

import torch

from support.running_tools import TINY

# First: it makes mmdet importable where mmcv is not compiled.
from ghostnet_mm.configuration import Options, load_config  # isort: skip
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.dist import get_rank, get_world_size, init_dist
from mmengine.model import MMDistributedDataParallel


def two_pictures() -> dict:
    """Two pictures with different pixels and the same boxes.

    RetinaNet divides its loss by the number of matched anchors of the batch a process
    sees. With equal numbers, the mean of two losses is the loss of the joint batch.
    """
    batch = demo_mm_inputs(2, [(3, 96, 128)] * 2, num_items=[3, 3], num_classes=80)
    first, second = batch["data_samples"]
    second.gt_instances = first.gt_instances.clone()
    return batch


def main(out: str) -> None:
    """Run the step and save the gradients of the first process."""
    if "RANK" in os.environ:
        init_dist("pytorch", backend="gloo")
    options = {"model.backbone.norm_eval": True, "model.backbone.frozen_stages": 0}
    cfg = load_config(TINY, Options(cfg_options=options))
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    batch = two_pictures()
    if get_world_size() > 1:
        mine = get_rank()
        batch = {key: value[mine : mine + 1] for key, value in batch.items()}
        model = MMDistributedDataParallel(
            module=model,
            device_ids=[int(os.environ["LOCAL_RANK"])],
            broadcast_buffers=False,
        )
    inner = getattr(model, "module", model)
    data = inner.data_preprocessor(batch, training=True)
    losses = model(**data, mode="loss")
    inner.parse_losses(losses)[0].backward()
    if get_rank() == 0:
        gradients = {
            name: parameter.grad
            for name, parameter in inner.named_parameters()
            if parameter.grad is not None
        }
        torch.save(gradients, out)


if __name__ == "__main__":
    main(sys.argv[1])
