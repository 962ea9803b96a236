"""The command line with a checkpoint after every step, for tests that kill it."""

from __future__ import annotations

from fmbench.cli import main
from fmbench.runtime import Runtime

if __name__ == "__main__":
    Runtime.__init__.__defaults__ = (0.0, 0, False, 1, 1)
    main()
