"""Which OpenMMLab package a config is for: mmdet, mmsegmentation or mmpretrain.

mmengine looks parts up in the registries of the config's ``default_scope``, which are
empty until that package's modules are imported. mmdet's are, by ``ghostnet_mm``; the
other two are optional.
"""

import importlib
import importlib.util

from mmengine.config import Config
from mmengine.registry import init_default_scope

from ...errors import OptionError

DETECTION = "mmdet"
SEGMENTATION = "mmseg"
CLASSIFICATION = "mmpretrain"

# Per scope: the package's name for pip, and our heads for it.
OPTIONAL_SCOPES = {
    SEGMENTATION: ("mmsegmentation", "ghostnet_mm.segmentation"),
    CLASSIFICATION: ("mmpretrain", "ghostnet_mm.classification"),
}


def scope_of(cfg: Config) -> str:
    """Return the scope in which a config's parts are looked up."""
    return cfg.get("default_scope") or DETECTION


def enter_scope(cfg: Config) -> str:
    """Fill the registries that a config needs, make them the default, return the scope.

    Raises:
        OptionError: The package is not installed.
    """
    scope = scope_of(cfg)
    if scope in OPTIONAL_SCOPES:
        if not _is_installed(scope):
            raise _not_installed(scope)
        utils = importlib.import_module(f"{scope}.utils")
        utils.register_all_modules(init_default_scope=False)
        # A config that a checkpoint carries is read without its custom_imports.
        importlib.import_module(OPTIONAL_SCOPES[scope][1])
    init_default_scope(scope)
    return scope


def missing_package_error(error: BaseException | None) -> OptionError | None:
    """Translate a failed import of an optional package, whatever it is wrapped in."""
    while error is not None:
        for scope, (package, _) in OPTIONAL_SCOPES.items():
            mentioned = scope in str(error) or package in str(error)
            if (
                isinstance(error, ImportError)
                and mentioned
                and not _is_installed(scope)
            ):
                return _not_installed(scope)
        error = error.__cause__ or error.__context__
    return None


def _is_installed(scope: str) -> bool:
    return importlib.util.find_spec(scope) is not None


def _not_installed(scope: str) -> OptionError:
    package = OPTIONAL_SCOPES[scope][0]
    return OptionError(
        f"The config is for {package}, which is not installed; install ghostnet_mm "
        f"with its extra [{scope}] (in the project's folder: pip install -e "
        f"'.[{scope}]')."
    )
