"""Install the pinned requirements into the environment that runs this; see --help.

Of the standard library alone: nothing is installed yet.
"""

import argparse
import ast
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

DESCRIPTION = """\
Install FILE into the environment of the Python that runs this, with uv, which is
installed first, in the version that FILE pins. Where no NVIDIA GPU is found, PyTorch
comes as the smaller build for CPUs; where its index does not answer, PyPI's build is
taken. The mirrors and certificates that pip is set up with serve uv too, and where uv
does not get through, pip installs."""
EXAMPLES = """\
examples:
  python tools/install_requirements.py requirements.txt
  UV_TORCH_BACKEND=cu130 python tools/install_requirements.py requirements.txt"""
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
SECONDS_TO_ANSWER = 10.0
BACKEND = "UV_TORCH_BACKEND"
# mmengine's setup and ours need it.
BUILDS_WITH = "wheel"
# pip's settings, and what uv calls them.
SAME_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}
SEVERAL = {"UV_FIND_LINKS": ","}  # what uv wants between several; a blank otherwise


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="requirements, each pinned")
    parser.add_argument(
        "--pypi", action="store_true", help="take PyTorch from PyPI in any case"
    )
    return parser.parse_args(argv)


def has_nvidia_gpu() -> bool:
    """Whether the driver of an NVIDIA GPU runs here."""
    signs = (
        "/proc/driver/nvidia/version",
        "/dev/nvidia0",
        "/usr/lib/wsl/lib/libcuda.so.1",  # Linux inside Windows
    )
    return any(Path(sign).exists() for sign in signs)


def answers(url: str, seconds: float) -> bool:
    """Whether an address gives a page within a time, looking up its host included."""
    answered = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(url, timeout=seconds) as page:
                page.read(1)
            answered.set()
        except (OSError, ValueError):
            pass

    # A thread, because looking up a host heeds no timeout.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return answered.is_set()


def pip_settings(listed: str) -> dict[str, str]:
    """Read what ``pip config list`` prints: settings by their last name.

    Of several places that set one, the environment counts, then pip's ``install``
    section, then its global one.
    """
    found: dict[str, tuple[int, str]] = {}
    for line in listed.splitlines():
        key, equals, value = line.partition("=")
        section, _, name = key.rpartition(".")
        rank = {"global": 0, "install": 1, ":env:": 2}.get(section)
        if equals and rank is not None and rank >= found.get(name, (0, ""))[0]:
            found[name] = (rank, str(ast.literal_eval(value)))
    return {name: value for name, (_, value) in found.items()}


def uv_environment(
    settings: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment in which uv goes where pip would.

    Args:
        settings: What pip is set up with.
        environment: That of this process; what it says of uv stays as it is.
    """
    wanted = dict(environment)
    for name, variable in SAME_SETTINGS.items():
        if name in settings:
            words = settings[name].split()
            wanted.setdefault(variable, SEVERAL.get(variable, " ").join(words))
    if "extra-index-url" in settings:
        # As pip does: the best version of all indexes, not the first index's.
        wanted.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return wanted


def pinned(requirements: str, package: str) -> str:
    """Return the line by which requirements pin a package."""
    found = re.search(rf"^{package}==\S+", requirements, re.MULTILINE)
    if found is None:
        raise SystemExit(f"error: the requirements pin no {package}.")
    return found[0]


def wants_cpu_build() -> bool:
    """Decide for PyTorch's build without CUDA, and say why."""
    if BACKEND in os.environ or sys.platform != "linux":
        return False
    if has_nvidia_gpu():
        print("NVIDIA GPU found: PyTorch with CUDA, from PyPI", flush=True)
        return False
    if answers(f"{CPU_INDEX}/torch/", SECONDS_TO_ANSWER):
        print("no NVIDIA GPU: PyTorch's build for CPUs", flush=True)
        return True
    print(
        f"no NVIDIA GPU, but {CPU_INDEX} does not answer: PyTorch from PyPI, which is "
        f"larger (several GB)",
        flush=True,
    )
    return False


def install(file: str, from_pypi: bool = False) -> None:
    """Install the requirements; see DESCRIPTION.

    Args:
        file: The requirements.
        from_pypi: Whether PyTorch comes from PyPI in any case.

    Raises:
        subprocess.CalledProcessError: Neither uv nor pip gets through.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    quiet = ["install", "--quiet"]
    subprocess.run(
        [*pip, *quiet, pinned(Path(file).read_text(encoding="utf-8"), "uv")], check=True
    )
    listed = subprocess.run(
        [*pip, "config", "list"], check=True, capture_output=True, text=True
    )
    environment = uv_environment(pip_settings(listed.stdout), os.environ)
    uv = [sys.executable, "-m", "uv", "pip", *quiet, "--python", sys.executable]
    # As pip does. Where Python may not write it, as in many containers, each start
    # would compile PyTorch and mmdet anew, which takes three times as long.
    uv.append("--compile-bytecode")
    tries: list[list[str]] = [[]]
    if not from_pypi and wants_cpu_build():
        tries.insert(0, ["--torch-backend", "cpu"])
    for backend in tries:
        done = subprocess.run(
            [*uv, *backend, "-r", file, BUILDS_WITH], env=environment, check=False
        )
        if done.returncode == 0:
            return
    print("uv did not get through; installing with pip", flush=True)
    subprocess.run([*pip, *quiet, "-r", file, BUILDS_WITH], check=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Install and return the exit status."""
    arguments = parse_arguments(argv)
    try:
        install(arguments.file, arguments.pypi)
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(map(str, error.cmd))} failed.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
