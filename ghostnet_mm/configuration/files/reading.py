"""Reading a config file, with its mistakes told in one sentence."""

import difflib
import importlib.util
from pathlib import Path

from mmengine.config import Config

from ...errors import OptionError, UserError
from ...shipped_configs import (
    PACKAGE,
    SUFFIXES,
    config_name,
    shipped_config,
    shipped_names,
)
from ..console import tell
from . import safe_reading
from .new_style import is_new_style, with_named_parts


def read_config(path: str | Path) -> Config:
    """Read a detector config: run as Python by mmengine, or see `safe_reading`.

    Args:
        path: A file; the name of a config that this package brings, such as
            ``retinanet_ghostnet_coco``; or ``PACKAGE::PATH`` for one that an installed
            package brings, such as ``mmdet::yolox/yolox_nano_8xb8-300e_coco.py``.

    Raises:
        OptionError: The file is missing, is not a config, builds on a missing base,
            or its code fails.
    """
    path = find_config(path)
    if not path.exists():
        raise OptionError(f"Config {path} does not exist{_similar_files(path)}")
    if path.is_dir() or path.suffix not in SUFFIXES:
        raise OptionError(
            f"{path} is not a config: pass a Python file such as "
            f"configs/retinanet_ghostnet_coco.py."
        )
    try:
        if safe_reading.is_wanted():
            cfg = safe_reading.read_without_running(path)
        else:
            cfg = Config.fromfile(str(path))
        if is_new_style(cfg):
            cfg = with_named_parts(cfg)
    except UserError:
        raise
    except FileNotFoundError as error:
        raise OptionError(
            f"Config {path} builds on {error.filename or error}, which does not exist; "
            f"correct its _base_."
        ) from error
    except SyntaxError as error:
        raise OptionError(
            f"Config {path} is not valid Python: {error.msg or error}."
        ) from error
    except ImportError as error:
        cause = error.__cause__ or error
        raise OptionError(
            f"Config {path} imports something that is not there: "
            f"{_first_line(cause)}; install it or correct custom_imports or _base_."
        ) from error
    except Exception as error:
        # Everything else that can go wrong here is the file's own code.
        raise OptionError(
            f"Config {path} cannot be read: {type(error).__name__}: "
            f"{_first_line(error)}; correct the file."
        ) from error
    if not isinstance(cfg.get("model"), dict) or "type" not in cfg.model:
        raise OptionError(
            f"Config {path} describes no detector: it needs a model = dict(type=...)."
        )
    _name_what_to_import(cfg)
    return cfg


def _name_what_to_import(cfg: Config) -> None:
    """Let the config say that it needs this package, as the checkpoint's copy will.

    Whoever reads that copy without our tools, mmdet's ``init_detector`` and
    ``DetInferencer`` say, gets the package by it.
    """
    wanted = dict(cfg.get("custom_imports") or {})
    imports = wanted.get("imports") or []
    imports = [imports] if isinstance(imports, str) else list(imports)
    if PACKAGE not in imports:
        wanted["imports"] = [*imports, PACKAGE]
        wanted.setdefault("allow_failed_imports", False)
        cfg.custom_imports = wanted


def find_config(path: str | Path) -> Path:
    """Return the file that `read_config` reads; it need not exist.

    The user's own file comes first, then what this package brings by that name.
    """
    own, name = Path(path).expanduser(), str(path)
    shipped = shipped_config(name)
    if "::" in name:
        return shipped or _packaged_config(name)
    if own.is_file() or shipped is None:
        return own
    copied = Path(f"{name}.py")
    if copied.is_file():
        tell(f"{name}: the file {copied} of this folder")
        return copied
    if own.parent != Path():
        tell(f"{own} is not here: taking the config {shipped.stem} of ghostnet_mm")
    return shipped


def is_config(name: str) -> bool:
    """Say whether ``name`` is a config's, here or not; all else is another file's."""
    if "::" in name or shipped_config(name) is not None:
        return True
    path = find_config(name)
    return path.suffix in SUFFIXES or not path.is_file()


def named_config(path: str) -> str:
    """Return ``path``, or the file of this package's config if it is one's name.

    For those who tell configs from other files by their suffix.
    """
    return path if "::" in path else str(find_config(path))


def _packaged_config(name: str) -> Path:
    package, _, path = name.partition("::")
    found = importlib.util.find_spec(package) if package.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise OptionError(
            f"Config {name} names the package {package!r}, which is not installed."
        )
    return Path(found.submodule_search_locations[0]) / ".mim" / "configs" / path


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or "no further details").splitlines()[0].rstrip(".")


def _similar_files(path: Path) -> str:
    folder = path.parent if path.parent.is_dir() else Path("configs")
    names = [file.name for file in folder.glob("*.py")] if folder.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.75)
    close = [str(folder / name) for name in close]
    if not close and path.parent == Path():
        close = difflib.get_close_matches(
            config_name(path.name), shipped_names(), n=3, cutoff=0.75
        )
    if not close:
        return "; check the path, or take a name that ghostnet configs lists."
    return f"; did you mean {' or '.join(close)}?"
