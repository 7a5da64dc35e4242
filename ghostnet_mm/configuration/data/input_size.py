"""The size of the pictures that a config tests on."""

from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config


def set_test_size(cfg: Config, size: tuple[int, int]) -> None:
    """Make the test pipeline resize and pad to a size, in place.

    Args:
        cfg: The config.
        size: Height and width in pixels.
    """
    height, width = size
    for step in get_test_pipeline_cfg(cfg) if cfg.get("test_dataloader") else []:
        kind = str(step["type"]).rpartition(".")[2]
        if kind == "Resize":
            step["scale"] = (width, height)
        elif kind == "Pad" and "size" in step:
            step["size"] = (width, height)
