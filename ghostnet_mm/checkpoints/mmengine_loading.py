"""Repair: make mmengine load checkpoints, and only safely.

What breaks without it:

* since PyTorch 2.6, ``torch.load`` refuses mmengine's own checkpoints (they hold a
  ``HistoryBuffer``, numpy arrays and a reference to ``getattr``), so that ``--resume``,
  ``load_from`` and testing stop with an ``UnpicklingError``;
* ``http(s)://``, ``torchvision://``, ``open-mmlab://`` and ``mmcls://`` sources still
  run whatever code the downloaded pickle holds: mmengine goes through ``torch.hub``,
  which passes ``weights_only=False``;
* OneDL's mmengine allows ``getattr`` and, when a file is refused all the same, loads
  it again without any protection.

Only functions of ``mmengine.runner.checkpoint`` are replaced; ``torch.load`` stays as
it is. The two schemes left alone, ``pavi://`` and ``s3://``, call ``torch.load``
with its safe default (or, in OneDL's mmengine, the function replaced here).
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlparse

import mmengine.runner.checkpoint as mmengine_checkpoint
import torch
from mmengine.dist import barrier, get_dist_info

from ghostnet_mm.checkpoints.safe_loading import (
    MapLocation,
    load_checkpoint_file,
    load_checkpoint_stream,
)
from ghostnet_mm.errors import CheckpointError


def install_safe_loading() -> None:
    """Send mmengine's loading of local and downloaded files through the safe loader.

    ``Runner.resume``, ``Runner.load_checkpoint``, ``init_cfg=dict(type='Pretrained')``,
    hooks and inferencers all come through here. Calling it again changes nothing.
    """
    replacements: dict[str, Callable[..., Any]] = {
        "load_from_local": load_from_local,
        "load_from_http": load_from_http,
    }
    if hasattr(mmengine_checkpoint, "_safe_torch_load"):  # OneDL's mmengine
        replacements["_safe_torch_load"] = _load_path_or_stream
    for name, replacement in replacements.items():
        setattr(mmengine_checkpoint, name, replacement)
    register = mmengine_checkpoint.CheckpointLoader.register_scheme
    register(prefixes="", loader=load_from_local, force=True)
    register(prefixes=("http://", "https://"), loader=load_from_http, force=True)


# mmengine prints what follows `load_from_` in a loader's name: keep its names.
def load_from_local(filename: str, map_location: MapLocation = None) -> Any:
    """Load a local checkpoint for mmengine.

    Raises:
        CheckpointError: See :func:`load_checkpoint_file`.
    """
    return load_checkpoint_file(filename, map_location)


def load_from_http(
    filename: str,
    map_location: MapLocation = None,
    model_dir: str | None = None,
    progress: bool = True,
) -> Any:
    """Load a checkpoint from a URL for mmengine, through ``torch.hub``'s cache.

    In a distributed run the first process downloads and the others wait for it.

    Raises:
        CheckpointError: The download failed, or see :func:`load_checkpoint_file`.
    """
    rank, _ = get_dist_info()
    folder = Path(model_dir or Path(torch.hub.get_dir()) / "checkpoints")
    file = folder / Path(urlparse(filename).path).name
    try:
        if rank == 0 and not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(filename, str(file), progress=progress)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{filename} could not be downloaded; download it on a machine with a "
            "connection and pass the path of the file instead."
        ) from error
    finally:
        barrier()
    return load_checkpoint_file(file, map_location)


def _load_path_or_stream(
    file: str | os.PathLike[str] | IO[bytes],
    map_location: MapLocation = None,
    weights_only: bool | None = None,
) -> Any:
    """Replace OneDL's ``_safe_torch_load``; ``weights_only=False`` is not obeyed."""
    if isinstance(file, (str, os.PathLike)):
        return load_checkpoint_file(file, map_location)
    return load_checkpoint_stream(file, "The checkpoint", map_location)
