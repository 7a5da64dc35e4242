"""``mmcv._ext`` without a compiler: mmcv's operators from torchvision and plain torch.

What breaks without it: ``mmcv-lite`` holds the Python half of ``mmcv.ops`` but not the
compiled module ``mmcv._ext`` that it calls, so ``import mmcv.ops``, and with it
``import mmdet.models``, fails with ``No module named 'mmcv._ext'``. There are no
compiled mmcv wheels for the PyTorch releases of today.

The module is provided by an import finder that Python asks *last*: wherever a compiled
``mmcv._ext`` is installed, Python finds that one first and this file does nothing.
"""

import importlib.util
import sys
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NoReturn

from ghostnet_mm.errors import UserError

from . import deform_conv_ops, focal_loss_ops, nms_ops, roi_align_ops, roi_pool_ops

EXTENSION_NAME = "mmcv._ext"


class UnsupportedOpError(UserError, NotImplementedError):
    """An mmcv operator that only the compiled packages have."""


def _not_compiled() -> str:
    """Answer ``mmcv.utils.collect_env``, which reports the compilers of the ops."""
    return "n/a (operators provided by ghostnet_mm, not compiled)"


PROVIDED_OPS: dict[str, Callable[..., object]] = {
    "nms": nms_ops.nms,
    "softnms": nms_ops.softnms,
    "roi_align_forward": roi_align_ops.roi_align_forward,
    "roi_align_backward": roi_align_ops.roi_align_backward,
    "roi_pool_forward": roi_pool_ops.roi_pool_forward,
    "roi_pool_backward": roi_pool_ops.roi_pool_backward,
    "sigmoid_focal_loss_forward": focal_loss_ops.sigmoid_focal_loss_forward,
    "sigmoid_focal_loss_backward": focal_loss_ops.sigmoid_focal_loss_backward,
    "deform_conv_forward": deform_conv_ops.deform_conv_forward,
    "deform_conv_backward_input": deform_conv_ops.deform_conv_backward_input,
    "deform_conv_backward_parameters": deform_conv_ops.deform_conv_backward_parameters,
    "modulated_deform_conv_forward": deform_conv_ops.modulated_deform_conv_forward,
    "modulated_deform_conv_backward": deform_conv_ops.modulated_deform_conv_backward,
    "get_compiler_version": _not_compiled,
    "get_compiling_cuda_version": _not_compiled,
}
"""The functions of ``mmcv._ext`` that exist here, under the names mmcv calls."""


def provide_mmcv_ops() -> None:
    """Make ``mmcv._ext`` importable where no compiled one is installed."""
    if not any(isinstance(finder, _ProvidedOpsFinder) for finder in sys.meta_path):
        sys.meta_path.append(_ProvidedOpsFinder())


def mmcv_ops_are_compiled() -> bool:
    """Say whether ``mmcv._ext`` is a compiled extension rather than the one provided.

    Returns:
        False when the operators are this package's, or when there are none at all.
    """
    spec = importlib.util.find_spec(EXTENSION_NAME)
    return spec is not None and not isinstance(spec.loader, _ProvidedOpsLoader)


class _ProvidedOpsFinder(MetaPathFinder):
    """Find ``mmcv._ext`` when no finder before this one did."""

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        if fullname != EXTENSION_NAME:
            return None
        return ModuleSpec(
            fullname, _ProvidedOpsLoader(), origin="provided by ghostnet_mm"
        )


class _ProvidedOpsLoader(Loader):
    """Fill ``mmcv._ext`` with the provided functions."""

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__doc__ = __doc__
        vars(module).update(PROVIDED_OPS)
        # mmcv asserts at import that every op it might ever need exists, so the others
        # must exist too and complain only when a model really calls them.
        vars(module)["__getattr__"] = _op_that_raises


def _op_that_raises(name: str) -> Callable[..., NoReturn]:
    """Return a function named ``name`` that raises `UnsupportedOpError` when called.

    Raises:
        AttributeError: For names with a leading underscore: those are questions of
            Python about the module, not operators.
    """
    if name.startswith("_"):
        raise AttributeError(f"module {EXTENSION_NAME!r} has no attribute {name!r}")

    def unsupported_op(*args: object, **kwargs: object) -> NoReturn:
        raise UnsupportedOpError(
            f"The mmcv operator '{name}' exists only in compiled builds of mmcv: "
            "install a compiled mmcv 2.x or onedl-mmcv in place of mmcv-lite, or "
            "choose a model without this operator."
        )

    unsupported_op.__name__ = unsupported_op.__qualname__ = name
    return unsupported_op
