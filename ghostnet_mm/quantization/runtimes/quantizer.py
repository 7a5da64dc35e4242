"""What every runtime can do with one network, exported to ONNX in float."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...errors import OptionError
from ..onnx_layers import ConvLayer

PathLike = str | os.PathLike[str]


class Quantizer(ABC):
    """Writes the files of one runtime, in float and in INT8.

    Several files can be written of one network; activations are measured only once
    where the runtime's tools allow it.

    Args:
        source: A file of `OnnxFormat` in float.
        images: What the network is fed to calibrate: ``(1, 3, H, W)`` float32 each.

    Attributes:
        suffix: Of its files.
        methods: How it can choose the ranges of activations, its default first.
        plain_steps: Names of its plain steps, by order; the last is the basis of the
            steps that follow.
        half_precision: What its files in float can be computed in beside float32, if
            anything; see ``open_exported``.
        caveat: A sentence that whoever uses the files has to know; empty for none.
        layers: The convolutions that can be in INT8.

    Raises:
        OptionError: A library is not installed, the file has no convolution in float,
            or there is no image.
    """

    suffix: ClassVar[str]
    methods: ClassVar[tuple[str, ...]]
    plain_steps: ClassVar[tuple[str, ...]] = ("plain",)
    half_precision: ClassVar[str | None] = None
    caveat: ClassVar[str] = ""

    def __init__(self, source: PathLike, images: Sequence[np.ndarray]):
        if not len(images):
            raise OptionError("There are no pictures to calibrate with; pass --images.")
        self.source, self.images = Path(source), list(images)
        self.layers: list[ConvLayer] = []

    @abstractmethod
    def write_float(self, path: Path) -> Path:
        """Write the file in float and return its path."""

    @abstractmethod
    def write_int8(
        self,
        path: PathLike,
        float_layers: Collection[str] = (),
        method: str = "minmax",
    ) -> Path:
        """Write an INT8 file, with the description of the one in float.

        Args:
            path: The file; its weights go beside it where they are apart.
            float_layers: Names of the convolutions that stay in float.
            method: One of `methods`.

        Returns:
            The path.

        Raises:
            OptionError: An argument is not possible.
        """

    def write_plain(self, path: PathLike, step: str, method: str) -> Path:
        """Write everything in INT8 that the runtime's tool takes by itself.

        Args:
            path: The file.
            step: One of `plain_steps`.
            method: One of `methods`.
        """
        return self.write_int8(path, method=method)

    def check(self, float_layers: Collection[str], method: str) -> None:
        """Refuse what cannot be meant.

        Raises:
            OptionError: A layer or the method is unknown, or no layer is left.
        """
        if method not in self.methods:
            raise OptionError(
                f"--calibration {method} is not possible here: choose among "
                f"{', '.join(self.methods)}."
            )
        names = {layer.name for layer in self.layers}
        unknown = set(float_layers) - names
        if unknown:
            raise OptionError(f"There is no layer {min(unknown)} to keep in float.")
        if names <= set(float_layers):
            raise OptionError(
                "Every layer is to stay in float, so there is nothing to quantize; "
                "name fewer with --float."
            )


@contextlib.contextmanager
def quiet(logger_name: str | None) -> Iterator[None]:
    """Silence what a library prints, and what it logs below an error.

    Args:
        logger_name: Of its logger; None for the root.
    """
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
