"""GhostNet backbones for MMDetection.

Importing the package repairs the OpenMMLab stack where today's PyTorch needs it and
registers the backbones, hooks and the rest in mmdet's registries.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

from .version import __version__

# mmengine 0.10 imports pkg_resources at every turn; setuptools is pinned for it.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
# mmdet's grids of points, which are what they were.
warnings.filterwarnings("ignore", message="torch.meshgrid: in an upcoming release")

try:
    import mmdet  # noqa: F401
    import mmengine  # noqa: F401
except ImportError as error:
    if "libGL" in str(error):
        raise ImportError(
            f"OpenCV cannot be loaded ({error}): run `pip uninstall -y opencv-python` "
            f"and `pip install opencv-python-headless`."
        ) from error
    raise ImportError(
        "ghostnet_mm needs mmdet, mmengine and mmcv: run `pip install -r "
        "requirements.txt` in the project's folder, or install the wheel with its "
        "extra [mm]."
    ) from error

try:
    from ghostnet_runtime import picture_results  # noqa: F401
    from ghostnet_runtime.version import __version__ as runtime_version
except ImportError as error:
    raise ImportError(
        "ghostnet_mm needs the ghostnet_runtime that comes with it: run "
        "`pip install ./runtime` in the project's folder, or install its wheel."
    ) from error

if runtime_version != __version__:
    raise ImportError(
        f"ghostnet_mm {__version__} needs ghostnet_runtime {__version__}, and "
        f"{runtime_version} is installed: install the two that were made together."
    )

from .checkpoints import install_safe_loading, install_whole_saving  # noqa: E402
from .openmmlab_compat import repair_openmmlab  # noqa: E402

# Both come before anything that imports mmdet's models or loads a file.
repair_openmmlab()
install_safe_loading()
install_whole_saving()

from . import backbones, dense_heads, engine, necks  # noqa: E402
from .configuration.files.shipped_bases import install_shipped_bases  # noqa: E402
from .layers import ghost_batch_norm  # noqa: E402, F401
from .openmmlab_compat.dense_head_predictions import repair_dense_head_predictions  # noqa: E402

repair_dense_head_predictions()
install_shipped_bases()

if TYPE_CHECKING:
    from .api import Detector, StopTraining

__all__ = [
    "Detector",
    "StopTraining",
    "__version__",
    "backbones",
    "dense_heads",
    "engine",
    "necks",
]

# Loaded when asked for: it brings training, export and what they need.
LATER = ("Detector", "StopTraining")


def __getattr__(name: str) -> object:
    if name in LATER:
        value: object = getattr(import_module(".api", __name__), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
