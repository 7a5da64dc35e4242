"""What kind of work an operator does, for PyTorch's names and for ONNX's."""

from collections.abc import Sequence

DENSE = "dense convolution"
POINTWISE = "pointwise convolution"
DEPTHWISE = "depthwise convolution"
PRODUCT = "matrix product"
CONCAT = "concat"
SQUEEZE = "squeeze-excite, pooling"
RESIZE = "resize"
ACTIVATION = "activation"
NORM = "norm"
ELEMENTWISE = "element-wise"
LAYOUT = "copies, layout"
ROI = "RoI pooling"
PREPROCESSING = "preprocessing"
DECODE = "decode"
NMS = "NMS"
PYTHON = "between operators (Python)"
OTHER = "other operators"

CONVOLUTIONS = frozenset({"convolution", "_convolution", "mkldnn_convolution"})
# PyTorch's names without the trailing underscore of in-place operators.
ATEN_KINDS = {
    NORM: (
        *("native_batch_norm", "_native_batch_norm_legit", "cudnn_batch_norm"),
        *("_native_batch_norm_legit_no_training", "native_group_norm"),
        *("native_layer_norm", "batch_norm", "_batch_norm_with_update"),
    ),
    ACTIVATION: (
        *("relu", "relu6", "hardtanh", "hardswish", "hardsigmoid", "silu", "mish"),
        *("leaky_relu", "gelu", "sigmoid", "tanh", "softplus", "_softmax", "prelu"),
        *("elu", "_prelu_kernel"),
    ),
    SQUEEZE: (
        *("mean", "avg_pool2d", "_adaptive_avg_pool2d", "adaptive_max_pool2d"),
        *("max_pool2d_with_indices", "max_pool2d", "amax"),
    ),
    CONCAT: ("cat", "stack"),
    PRODUCT: ("mm", "addmm", "bmm", "baddbmm", "mv", "dot", "linear"),
    ELEMENTWISE: (
        *("add", "sub", "mul", "div", "rsub", "neg", "exp", "log", "clamp", "sqrt"),
        *("pow", "maximum", "minimum", "where", "eq", "ne", "gt", "ge", "lt", "le"),
        *("bitwise_and", "logical_and", "clamp_min", "clamp_max", "addcmul", "sum"),
    ),
    LAYOUT: (
        *("clone", "copy", "_to_copy", "constant_pad_nd", "contiguous", "index"),
        *("_unsafe_view", "fill", "zero", "empty", "zeros", "ones", "full", "lift"),
        *("channel_shuffle", "lift_fresh", "lift_fresh_copy", "empty_strided"),
        *("zeros_like", "ones_like", "empty_like", "full_like", "new_zeros"),
        *("arange", "scalar_tensor", "flip", "repeat", "gather", "scatter"),
    ),
    ROI: ("roi_align", "roi_pool", "ps_roi_align"),
    NMS: ("nms",),
}
# ONNX's, and those that ONNX Runtime makes of them.
ONNX_KINDS = {
    NORM: ("BatchNormalization", "GroupNormalization", "LayerNormalization"),
    ACTIVATION: (
        *("Relu", "Clip", "HardSwish", "HardSigmoid", "Sigmoid", "LeakyRelu", "PRelu"),
        *("Softmax", "Tanh", "Mish", "Softplus", "Gelu", "QuickGelu", "Elu"),
    ),
    SQUEEZE: (
        *("GlobalAveragePool", "ReduceMean", "AveragePool", "MaxPool", "ReduceMax"),
        "GlobalMaxPool",
    ),
    RESIZE: ("Resize", "Upsample"),
    CONCAT: ("Concat",),
    PRODUCT: ("MatMul", "Gemm", "FusedMatMul", "FusedGemm", "Einsum"),
    ELEMENTWISE: (
        *("Add", "Sub", "Mul", "Div", "Exp", "Log", "Sqrt", "Pow", "Min", "Max"),
        *("Sum", "Neg", "Where", "Equal", "Greater", "Less", "GreaterOrEqual", "And"),
    ),
    LAYOUT: (
        *("Transpose", "Reshape", "Slice", "Split", "Squeeze", "Unsqueeze", "Cast"),
        *("Identity", "Gather", "GatherND", "Pad", "Expand", "Tile", "Shape", "Range"),
        *("ReorderInput", "ReorderOutput", "Flatten", "ConstantOfShape", "Constant"),
        *("ScatterND", "ScatterElements", "GatherElements"),
    ),
    ROI: ("RoiAlign",),
    DECODE: ("TopK", "NonZero"),
    NMS: ("NonMaxSuppression",),
}
_ATEN = {name: kind for kind, names in ATEN_KINDS.items() for name in names}
_ONNX = {name: kind for kind, names in ONNX_KINDS.items() for name in names}
_ONNX_CONVOLUTION = "Conv"


def kind_of_convolution(groups: int, channels: int, kernel: Sequence[int]) -> str:
    """Return the kind of a convolution.

    Args:
        groups: Its groups.
        channels: Channels of its input.
        kernel: Sides of its kernel.
    """
    if groups > 1 and groups == channels:
        return DEPTHWISE
    if groups == 1 and all(side == 1 for side in kernel):
        return POINTWISE
    return DENSE


def kind_of_aten(name: str, is_view: bool = False) -> str:
    """Return the kind of one of PyTorch's operators, convolutions apart.

    Args:
        name: Such as ``add_`` or ``upsample_nearest2d``, without its namespace.
        is_view: Whether it only looks at its input in another way.
    """
    if is_view:
        return LAYOUT
    name = name.rstrip("_")
    if "upsample" in name:
        return RESIZE
    return _ATEN.get(name, OTHER)


def is_onnx_convolution(name: str) -> bool:
    """Whether an operator of ONNX Runtime is a convolution, fused ones included."""
    return name.endswith(_ONNX_CONVOLUTION) or name == "FusedConv"


def kind_of_onnx(name: str) -> str:
    """Return the kind of one of ONNX's operators, convolutions apart."""
    return _ONNX.get(name, OTHER)
