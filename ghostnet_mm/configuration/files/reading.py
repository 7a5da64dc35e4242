"""Reading a config file, with its mistakes told in one sentence."""

import difflib
import importlib.util
from pathlib import Path

from mmengine.config import Config

from ...errors import OptionError, UserError

SUFFIXES = (".py", ".yaml", ".yml", ".json")


def read_config(path: str | Path) -> Config:
    """Read a detector config.

    Args:
        path: A file, or ``PACKAGE::PATH`` for a config that an installed package
            brings, such as ``mmdet::yolox/yolox_nano_8xb8-300e_coco.py``.

    Raises:
        OptionError: The file is missing, is not a config, builds on a missing base,
            or its code fails.
    """
    path = _packaged_config(str(path)) if "::" in str(path) else Path(path)
    if not path.exists():
        raise OptionError(f"Config {path} does not exist{_similar_files(path)}")
    if path.is_dir() or path.suffix not in SUFFIXES:
        raise OptionError(
            f"{path} is not a config: pass a Python file such as "
            f"configs/retinanet_ghostnet_coco.py."
        )
    try:
        cfg = Config.fromfile(str(path))
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
    return cfg


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
    if not close:
        return "; check the path."
    return f"; did you mean {' or '.join(str(folder / name) for name in close)}?"
