"""How a run's process ends: its exit status says it to whoever started it."""

from __future__ import annotations

DONE, FAILED, REFUSED, BUSY, INTERRUPTED = 0, 1, 2, 75, 130
