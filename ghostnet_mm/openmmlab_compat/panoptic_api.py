"""``panopticapi`` where it is not installed: what mmdet imports from it.

What breaks without it: mmdet's ``LoadPanopticAnnotations`` and ``CocoPanopticMetric``,
and so every panoptic config, refuse to be built. The package is not on PyPI, only in a
git repository that many users cannot reach.

As with the operators of mmcv, the package is provided by an import finder that Python
asks last: an installed ``panopticapi`` is found first. It holds the names that mmdet
imports (``rgb2id``, ``id2rgb``, ``OFFSET``, ``VOID``, ``PQStat``) and no others.
"""

import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from .panoptic_quality import OFFSET, VOID, PQStat, id2rgb, rgb2id

PACKAGE_NAME = "panopticapi"
PROVIDED_MODULES: dict[str, dict[str, object]] = {
    PACKAGE_NAME: {},
    f"{PACKAGE_NAME}.evaluation": {"OFFSET": OFFSET, "VOID": VOID, "PQStat": PQStat},
    f"{PACKAGE_NAME}.utils": {"rgb2id": rgb2id, "id2rgb": id2rgb},
}
"""The provided modules and what they hold."""


def provide_panoptic_api() -> None:
    """Make ``panopticapi`` importable where the real one is not installed."""
    if not any(isinstance(finder, _ProvidedApiFinder) for finder in sys.meta_path):
        sys.meta_path.append(_ProvidedApiFinder())


def panoptic_api_is_installed() -> bool:
    """Say whether ``panopticapi`` is the real package rather than the one provided."""
    spec = importlib.util.find_spec(PACKAGE_NAME)
    return spec is not None and not isinstance(spec.loader, _ProvidedApiLoader)


class _ProvidedApiFinder(MetaPathFinder):
    """Find the modules of ``panopticapi`` when no finder before this one did."""

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        if fullname not in PROVIDED_MODULES:
            return None
        is_package = fullname == PACKAGE_NAME
        # A module that an installed package lacks stays absent.
        if not is_package and panoptic_api_is_installed():
            return None
        return ModuleSpec(
            fullname,
            _ProvidedApiLoader(),
            origin="provided by ghostnet_mm",
            is_package=is_package,
        )


class _ProvidedApiLoader(Loader):
    """Fill a module of ``panopticapi`` with the provided names."""

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__doc__ = __doc__
        vars(module).update(PROVIDED_MODULES[module.__name__])
