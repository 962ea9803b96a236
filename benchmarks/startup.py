"""How long the command line takes to say something: python benchmarks/startup.py. Prints medians of ten runs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = (["--help"], ["list", "methods"], ["info", "ddpm"])


def seconds(arguments: list[str]) -> float:
    """Of one run."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "fmbench", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


if __name__ == "__main__":
    for arguments in COMMANDS:
        times = [seconds(arguments) for _ in range(11)][1:]
        print(f"fmbench {' '.join(arguments)}: median {statistics.median(times):.2f} s, worst {max(times):.2f} s")
