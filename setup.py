"""Package metadata; importing it needs nothing but setuptools."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


def read_version() -> str:
    """Return ``__version__`` without importing the package (and torch with it)."""
    text = (ROOT / "ghostnet_mm" / "version.py").read_text(encoding="utf-8")
    return re.search(r'__version__ = "([^"]+)"', text).group(1)


class BuildWithConfigs(build_py):
    """Put ``configs/`` into the wheel, where mim looks for them.

    In a checkout ``ghostnet_mm/.mim/configs`` is a link to it, which Windows and ZIP
    archives may not keep.
    """

    def run(self) -> None:
        """Build the package, then copy the configs."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "ghostnet_mm", ".mim", "configs")
        for file in (ROOT / "configs").rglob("*"):
            if file.suffix in (".py", ".yml"):
                copy = target / file.relative_to(ROOT / "configs")
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)


setup(
    name="ghostnet_mm",
    version=read_version(),
    description="GhostNet backbones for MMDetection, from training to mobile CPUs",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["ghostnet_mm", "ghostnet_mm.*"]),
    # Beside the package, because it runs before it: see its docstring.
    py_modules=["ghostnet_launcher"],
    package_data={
        "ghostnet_mm": ["py.typed"],
        "ghostnet_mm.reporting": ["templates/*.html"],
    },
    cmdclass={"build_py": BuildWithConfigs},
    entry_points={"console_scripts": ["ghostnet = ghostnet_launcher:main"]},
    install_requires=[
        # And ghostnet-runtime, from ./runtime or its wheel. It is not named here: the
        # name is not ours on any index, and whoever takes it there must not be run.
        "torch>=2.6",
        "torchvision>=0.21",
        "timm>=1.0.16",
        "safetensors>=0.4.3",
        "huggingface_hub>=0.23",
        "numpy>=2.0",
        "opencv-python",
        "pycocotools>=2.0.7",
        "hotcoco>=1.3,<2",
        "scikit-image>=0.22",
        "scikit-learn>=1.3",
        "tabulate>=0.9",
        "jinja2>=3.1",
        "matplotlib>=3.8",
        "shtab>=1.7",
        # Reading users' data.
        "defusedxml>=0.7",
        "filelock>=3.12",
        "imagehash>=4.3",
        "pillow>=10.1",
        "platformdirs>=3.5",
        "pyyaml>=6.0",
        # mmengine 0.10 imports pkg_resources, which setuptools 81 removed.
        "setuptools<81",
    ],
    extras_require={
        # One of the two stacks: both provide the import names mmcv, mmdet, mmengine.
        "mm": ["mmengine==0.10.7", "mmcv-lite==2.1.0", "mmdet==3.3.0"],
        "onedl": [
            "onedl-mmengine==0.10.12",
            "onedl-mmcv==2.3.6",
            "onedl-mmdetection==3.5.1",
        ],
        # The same backbones in segmentation and classification.
        "mmseg": ["mmsegmentation==1.2.2", "ftfy", "regex"],
        "mmpretrain": ["mmpretrain==1.2.0"],
        # Export.
        "onnx": ["onnx>=1.17", "onnxscript>=0.5", "onnxruntime>=1.20"],
        "openvino": [
            "onnx>=1.17",
            "onnxscript>=0.5",
            "onnxruntime>=1.20",
            "openvino>=2025.0",
        ],
        "quantization": [
            "onnx>=1.17",
            "onnxscript>=0.5",
            "onnxruntime>=1.23",
            "openvino>=2025.0",
            "nncf>=3.4",
        ],
        "ncnn": ["ncnn>=1.0.20250503", "pnnx>=20250530"],
        "executorch": ["executorch==1.5.1"],
        "litert": ["litert-torch==0.10.0", "ai-edge-litert"],
        # Ids in films. Apache-2.0 and MIT; they bring PyAV, SciPy, requests and rich,
        # and opencv-python, see docs/python.md where OpenCV is the headless build.
        "track": ["trackers>=2.6,<3", "supervision>=0.31,<1"],
        "tensorboard": ["tensorboard"],
        "wandb": ["wandb"],
        "test": [
            "globox>=2.9",
            "hypothesis>=6",
            "import-linter>=2.17",
            "mypy>=2.4",
            "pytest>=8",
            "pytest-xdist",
            "ruff",
        ],
    },
)
