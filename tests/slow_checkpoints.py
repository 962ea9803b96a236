"""The command line with a checkpoint after every step, for tests that kill it."""

from __future__ import annotations

from fmbench import worker
from fmbench.cli import main

if __name__ == "__main__":
    worker.Runtime.__init__.__defaults__ = (0.0,)
    main()
