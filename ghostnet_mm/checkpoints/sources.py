"""Where weights come from: ``timm://NAME[.TAG]`` or a local file.

The only module of the package that imports timm, and only when a ``timm://`` source is
asked for. Of timm it uses the table of published weights; the file itself comes from
huggingface_hub's cache, where timm keeps it too, and is read by our safe loader.
"""

import difflib
import hashlib
import os
import re
from pathlib import Path
from typing import Any

from torch import Tensor

from ghostnet_mm.checkpoints.key_layouts import extract_state_dict
from ghostnet_mm.checkpoints.safe_loading import load_checkpoint_file
from ghostnet_mm.errors import CheckpointError, OptionError

TIMM_SCHEME = "timm://"

# In timm's order of preference.
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def read_weights(source: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return the weights that a source names, whatever layout they were saved in.

    Args:
        source: ``timm://NAME[.TAG]``, for example ``timm://ghostnet_100.in1k``, taken
            from huggingface_hub's cache and downloaded when it is not there; or the
            path of a ``.pth``, ``.pt``, ``.pth.tar``, ``.bin`` or ``.safetensors``
            file.

    Returns:
        Parameter name to CPU tensor, with the names of the source.

    Raises:
        OptionError: The source is of an unknown kind, or timm has no weights of that
            name.
        CheckpointError: The file is missing, damaged or unsafe, or the weights can
            not be reached.
    """
    name = os.fspath(source).strip()
    if not name:
        raise OptionError(
            "No weights are named; pass timm://NAME, the path of a file, or none."
        )
    if name.startswith(TIMM_SCHEME):
        file = _find_timm_file(name.removeprefix(TIMM_SCHEME))
    elif "://" in name:
        raise OptionError(
            f"Weights can not be read from '{name}'; download the file and pass its "
            "path, or use timm://NAME."
        )
    else:
        file = Path(name)
    return extract_state_dict(load_checkpoint_file(file), name)


def _find_timm_file(name: str) -> Path:
    """Return the local file with the weights, after downloading it if need be."""
    repository, _, revision = _look_up_timm_config(name).hf_hub_id.partition("@")
    # The cache first: the files of a tag do not change, and asking the hub about a
    # cached file takes huggingface_hub most of a minute where there is no network.
    file = _find_in_cache(repository, revision or None)
    return file or _download(name, repository, revision or None)


def _look_up_timm_config(name: str) -> Any:
    import timm

    if not re.fullmatch(r"\w+(\.\w+)?", name):
        raise OptionError(
            f"'{TIMM_SCHEME}{name}' does not name a timm model; write it like "
            f"{TIMM_SCHEME}ghostnet_100.in1k."
        )
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        close = difflib.get_close_matches(architecture, timm.list_models(), n=4)
        advice = f"did you mean {' or '.join(close)}?" if close else "check the name."
        raise OptionError(f"timm has no model '{architecture}'; {advice}")
    published = timm.list_pretrained(f"{architecture}.*")
    if tag and name not in published and published:
        raise OptionError(
            f"timm has no weights '{tag}' for {architecture}; it has "
            f"{', '.join(published)}."
        )
    config = timm.models.get_pretrained_cfg(name if published else architecture)
    if not published or config is None or not config.hf_hub_id:
        family = re.match(r"[A-Za-z]+", architecture)
        others = timm.list_pretrained(f"{family[0]}*" if family else "ghostnet*")[:8]
        advice = f"choose one of {', '.join(others)}, " if others else ""
        raise OptionError(
            f"timm publishes no weights for {architecture}; {advice}pass a local file, "
            "or train from scratch with --backbone-weights none."
        )
    return config


def _find_in_cache(repository: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for filename in _HUB_FILES:
        found = try_to_load_from_cache(repository, filename, revision=revision)
        if isinstance(found, str):
            _check_blob(Path(found))
            return Path(found)
    return None


def _check_blob(file: Path) -> None:
    """Compare a cached file with its SHA-256, which is the name of what it links to.

    Without this a flipped bit in a safetensors file goes unnoticed: it has no
    checksum of its own.
    """
    expected = file.resolve().name
    if not re.fullmatch(r"[0-9a-f]{64}", expected):
        return
    if hashlib.sha256(file.read_bytes()).hexdigest() != expected:
        raise CheckpointError(
            f"The cached file {file.resolve()} is damaged; delete it and run again to "
            "download it anew."
        )


def _download(name: str, repository: str, revision: str | None) -> Path:
    from huggingface_hub import (
        constants,
        get_hf_file_metadata,
        hf_hub_download,
        hf_hub_url,
    )
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for filename in _HUB_FILES:
        try:
            # Asked once here, because hf_hub_download retries for 23 s per file
            # before it says that there is no network.
            get_hf_file_metadata(
                hf_hub_url(repository, filename, revision=revision),
                timeout=constants.HF_HUB_ETAG_TIMEOUT,
            )
            return Path(hf_hub_download(repository, filename, revision=revision))
        except Exception as error:  # the HTTP client, and so its errors, may change
            if isinstance(error, EntryNotFoundError) and not isinstance(
                error, LocalEntryNotFoundError
            ):
                continue
            raise CheckpointError(
                f"The weights {TIMM_SCHEME}{name} are not in the cache "
                f"{constants.HF_HUB_CACHE} and could not be downloaded "
                f"({type(error).__name__}); run once on a connected machine and copy "
                "its cache, pass a local file, or train from scratch with "
                "--backbone-weights none."
            ) from error
    raise CheckpointError(
        f"The hub has none of {', '.join(_HUB_FILES)} for {TIMM_SCHEME}{name}; pass a "
        "local file, or train from scratch with --backbone-weights none."
    )
