"""``_base_ = "ghostnet_mm::NAME.py"``: building on a config of this package.

mmengine knows such names of OpenMMLab's own packages alone.
"""

from __future__ import annotations

from mmengine.config import Config

from ...shipped_configs import PACKAGE, shipped_config

MARK = "knows_shipped_configs"


def install_shipped_bases() -> None:
    """Let mmengine find this package's configs, wherever the config that asks lies.

    Calling it again changes nothing.
    """
    original = Config._get_cfg_path
    if original.__module__ == __name__:
        return

    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if not cfg_path.startswith(f"{PACKAGE}::"):
            return original(cfg_path, filename)
        path = shipped_config(cfg_path)
        if path is None:
            raise FileNotFoundError(2, "No such config", cfg_path)
        # No scope: the backbones are in mmdet's registry.
        return str(path), None

    Config._get_cfg_path = staticmethod(get_cfg_path)
