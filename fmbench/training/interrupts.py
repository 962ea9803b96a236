"""Ctrl-C and SIGTERM while a step is computed: noted, and acted on when the step is done."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):  # noqa: N818 - not a fault: the user asked
    """Ctrl-C arrived; a checkpoint was written after `step` steps."""

    def __init__(self, step: int) -> None:
        super().__init__(f"interrupted; checkpoint at step {step}")
        self.step = step


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM instead of stopping in the middle of a step; a second one stops at once.

    Outside the main thread, where Python accepts no handlers, nothing is collected.
    """
    arrived: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        if arrived:
            raise KeyboardInterrupt
        arrived.append(number)

    try:
        previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:
        yield arrived
        return
    try:
        yield arrived
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
