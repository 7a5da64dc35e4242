"""Changed copies of a detector's exported files, as proposals to time beside them."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import nn

from ..benchmarking.candidates import Candidate
from ..benchmarking.eager import EagerDetector
from ..benchmarking.exported import input_for
from ..configuration.console import tell
from ..errors import UserError
from .channel_padding import pad_file
from .exported_files import RUNTIMES, export_onnx_file
from .part_labels import GATES
from .proposals import (
    CHANNEL_DIVISORS,
    FILE_SCOPES,
    KEEPS,
    RETRAIN,
    Proposal,
    gate_option_of,
)

# By suffix: the key of `deployment.quantization.recipes.RECIPES`.
INT8_RECIPES = {"onnx": "onnxruntime", "xml": "openvino"}
COMPARED_PICTURES = 4
NO_GATES = "without squeeze and excitation"
ROUNDED = "channels rounded up to multiples of {}"
PADDING = "ghostnet_mm.doctor.channel_padding"


def without_gates(model: nn.Module) -> tuple[nn.Module, int]:
    """Return a copy without squeeze and excitation, and how many of them it had.

    Args:
        model: Any model; it stays as it is.
    """
    model = copy.deepcopy(model)
    count = 0
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child).__name__ in GATES:
                parent._modules[name] = nn.Identity()
                count += 1
    return model, count


@dataclass
class ChangedFiles:
    """Writes changed copies and says what they are.

    Attributes:
        detector: What was exported; it stays as it is.
        files: The exported files by suffix, and those written here by name.
        pictures: (H, W, 3) uint8 BGR, to calibrate with and to compare outputs.
        folder: For the files.
        threads: Of the runtimes.
        proposals: What to time.
        notes: What could not be written, and why.
    """

    detector: EagerDetector
    files: Mapping[str, Path]
    pictures: Sequence[np.ndarray]
    folder: Path
    threads: int
    proposals: list[Proposal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        from ..export.exported_models import open_exported

        description = open_exported(self.files["onnx"], self.threads).description
        self._takes_sizes = description.input.image_sizes is not None
        candidate = Candidate("onnx", str(self.files["onnx"]))
        self._images = [
            input_for(candidate, description, [one], None)[0] for one in self.pictures
        ]

    def write_all(self) -> None:
        """Write every copy that can be written."""
        self._try(NO_GATES, self.add_without_gates)
        for divisor in CHANNEL_DIVISORS:
            self._try(ROUNDED.format(divisor), self.add_rounded, divisor)
        # Last: what quantizers import may patch PyTorch.
        for suffix in [one for one in RUNTIMES if one in self.files]:
            self._try(f"INT8 in {RUNTIMES[suffix]}", self.add_int8, suffix)

    def _try(self, name: str, add: Callable[..., None], *arguments: object) -> None:
        """Write one kind of copy, or note why it cannot be."""
        tell(f"writing a copy: {name}")
        try:
            add(*arguments)
        except Exception as error:
            # Exporters and quantizers raise anything; the other trials count too.
            self.notes.append(f"{name}: does not run here ({_reason(error)}).")

    def add_int8(self, suffix: str) -> None:
        """Quantize a file as the plain step of ``tools/quantize.py`` does."""
        name = f"INT8 in {RUNTIMES[suffix]}"
        if self._takes_sizes:
            self.notes.append(
                f"{name}: not tried, for detectors of two stages are not quantized."
            )
            return
        path = self.folder / f"int8.{suffix}"
        try:
            from ..quantization.recipes import RECIPES, check_runtimes

            check_runtimes([INT8_RECIPES[suffix]])
            # Both are made of the file in ONNX.
            recipe = RECIPES[INT8_RECIPES[suffix]](self.files["onnx"], self._images)
            recipe.write_plain(recipe.plain_steps[-1], recipe.methods[0], path)
        except UserError as error:
            self.notes.append(f"{name}: not tried. {error}")
            return
        self._add(
            "INT8",
            suffix,
            path,
            KEEPS,
            f"to be measured with tools/quantize.py ({self._difference(suffix, path)})",
            f"`python tools/quantize.py CONFIG CHECKPOINT --runtimes "
            f"{INT8_RECIPES[suffix]}`",
        )

    def add_without_gates(self) -> None:
        """Export a copy that has no squeeze and excitation."""
        changed, count = without_gates(self.detector.model)
        if not count:
            self.notes.append(f"{NO_GATES}: the detector has none.")
            return
        backbone = self.detector.cfg.model.get("backbone") or {}
        option = gate_option_of(backbone)
        if option is None:
            kind = backbone.get("type")
            words = f"A what-if: {kind} has no option to be trained like this."
        else:
            words = f"`--cfg-options model.backbone.{option}=False`"
        path = export_onnx_file(changed, self.detector, self.folder / "no_gates.onnx")
        self._add_in_all(
            f"{NO_GATES} ({count} left out)",
            path,
            lambda suffix, path: dict(
                weights=RETRAIN,
                accuracy="not measured; needs retraining",
                instructions=words,
            ),
        )

    def add_rounded(self, divisor: int) -> None:
        """Write a copy whose widths are multiples of ``divisor``."""
        name = ROUNDED.format(divisor)
        path = self.folder / f"rounded{divisor}.onnx"
        padding = pad_file(self.files["onnx"], path, divisor)
        if not padding.growth:
            self.notes.append(f"{name}: all that can be rounded are multiples already.")
            return

        def about(suffix: str, path: Path) -> dict[str, str]:
            return dict(
                weights=KEEPS,
                accuracy=f"unchanged, for the added channels are zero "
                f"({self._difference(suffix, path)}); training at these widths would "
                f"use them",
                instructions=f"`pad_file` of {PADDING} widens an exported ONNX file in "
                f"this way: {padding.rounded} of {padding.layers} convolutions are "
                f"multiples then. To train at these widths is a what-if.",
            )

        self._add_in_all(
            f"{name} ({padding.macs_before / 1e6:.1f} to "
            f"{padding.macs_after / 1e6:.1f} M MACs, {padding.growth:+.0%})",
            path,
            about,
        )

    def _add_in_all(
        self, name: str, path: Path, about: Callable[[str, Path], Mapping[str, str]]
    ) -> None:
        """Propose an ONNX file, and what other runtimes make of it."""
        from ..export.formats.openvino import openvino_from_onnx

        self._add(name, "onnx", path, **about("onnx", path))
        if "xml" in self.files:
            converted = openvino_from_onnx(path, path.with_suffix(".xml"))
            self._add(name, "xml", converted, **about("xml", converted))

    def _add(
        self,
        name: str,
        suffix: str,
        path: Path,
        weights: str,
        accuracy: str,
        instructions: str,
    ) -> None:
        self.files = {**self.files, path.name: path}
        self.proposals.append(
            Proposal(
                name,
                FILE_SCOPES[suffix],
                weights,
                runtime=path.name,
                accuracy=accuracy,
                instructions=instructions,
            )
        )

    def _difference(self, suffix: str, path: Path) -> str:
        """Say how far a file's outputs are from the original's at most."""
        from ..export.card.agreement import output_differences
        from ..export.exported_models import open_exported

        if self._takes_sizes:
            return "not compared: proposals of two stages may change places"
        first = open_exported(self.files[suffix], self.threads)
        second = open_exported(path, self.threads)
        largest: dict[str, float] = {}
        images = self._images[:COMPARED_PICTURES]
        for image in images:
            found = output_differences(
                [first.run(image)],
                [second.run(image)],
                dict(boxes=max(image.shape[-2:])),
            )
            for name, one in found.items():
                # NaN stays NaN.
                largest[name] = np.maximum(largest.get(name, 0.0), one.largest)
        gaps = ", ".join(
            f"{most:.2g}{' px' if name == 'boxes' else ''} of {name}"
            for name, most in largest.items()
        )
        return f"largest difference on {len(images)} pictures: {gaps}"


def _reason(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split()).rstrip(".")
