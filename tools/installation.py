"""What a tool says where the project or its requirements are not installed."""

import importlib.util
import sys

# mmengine needs pkg_resources, which newer setuptools have no more.
PACKAGES = ("torch", "torchvision", "pkg_resources", "mmengine", "mmcv", "mmdet")


def exit_unless_installed() -> None:
    """End with one sentence and status 2 instead of an import's traceback."""
    for package in (*PACKAGES, "ghostnet_runtime", "ghostnet_mm"):
        if importlib.util.find_spec(package) is None:
            print(
                f"error: {package} is not installed; activate the environment "
                "(. .venv/bin/activate), or in the project's folder run "
                "pip install -r requirements.txt and then "
                "pip install -e ./runtime -e .",
                file=sys.stderr,
            )
            sys.exit(2)
