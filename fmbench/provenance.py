"""Who answered: versions, code state and hardware. Recorded beside a result, never part of its identity."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import resource
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from fmbench import __version__
from fmbench.execution import Execution

PACKAGES = (
    "torch",
    "torchdiffeq",
    "numpy",
    "scipy",
    "scikit-learn",
    "POT",
    "lightning-fabric",
    "diffusers",
    "pluggy",
)


def command_line() -> tuple[str, ...]:
    """What this process was started by, its program without the folder."""
    return Path(sys.argv[0]).name, *sys.argv[1:]


def environment(factory: str, origin: str, execution: Execution) -> dict[str, Any]:
    """What env.json holds.

    Args:
        factory: the method's, "module:Class"; the digest of its file tells whether its code has changed since.
        origin: the plugin it came from.
        execution: how the run is carried out.
    """
    import torch

    return {
        "fmbench": __version__,
        "git": git_state(),
        "plugin": {"origin": origin, "source_sha256": source_digest(factory)},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "packages": installed(),
        "device": execution.device,
        "devices": execution.devices,
        "gpu": torch.cuda.get_device_name() if execution.device == "cuda" else None,
        "cuda": torch.version.cuda if execution.device == "cuda" else None,
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "command": list(execution.command),
    }


@cache
def processor() -> dict[str, str]:
    """The kind of processor: its model, and which of its instructions torch uses; both decide last bits."""
    import torch

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {"model": model or platform.processor(), "capability": torch.backends.cpu.get_cpu_capability()}


@cache
def installed() -> dict[str, str | None]:
    """Versions of the packages that numbers depend on.

    They are those of the first call in this process or the one it was forked from, as are the imported packages.
    """
    return {name: version(name) for name in PACKAGES}


def version(package: str) -> str | None:
    """Its installed version, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@cache
def git_state() -> dict[str, Any] | None:
    """Commit and dirtiness of the checkout that fmbench runs from, or None where it was installed as a package.

    They are those of the first call, as with `installed`.
    """
    folder = Path(__file__).parent

    def git(*arguments: str) -> str | None:
        try:
            answer = subprocess.run(
                ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    if git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}


def source_digest(factory: str) -> str | None:
    """SHA-256 of the file of a factory "module:Class", which need not be imported; None where it has no file."""
    module = factory.partition(":")[0]
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    path = Path(spec.origin) if spec and spec.origin else None
    return hashlib.sha256(path.read_bytes()).hexdigest() if path and path.is_file() else None


def peak_memory(device: str) -> int:
    """Bytes: of the device's allocator on CUDA, of the process elsewhere."""
    if device == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    scale = 1 if sys.platform == "darwin" else 1024  # getrusage counts kilobytes, except on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
