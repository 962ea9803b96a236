"""The main job as a user runs it: python benchmarks/main_job.py. Prints its table, wall seconds and peak memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time


def main() -> int:
    """Run it in a fresh results directory."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "fmbench", "run", "--methods", "fm-ot,ddpm", "--results-dir", folder]
        status = subprocess.run(command, check=False).returncode
        seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"exit {status}; {seconds:.0f} s; peak memory {peak:.2f} GiB")
    return status


if __name__ == "__main__":
    sys.exit(main())
