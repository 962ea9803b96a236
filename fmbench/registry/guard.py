"""While a plugin loads, what it raises is its own fault, what it prints is an error's, what it alters is put back.

Torch is looked at only where somebody has imported it.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from fmbench.errors import describe

Setting = tuple[str, Callable[[], Any], Callable[[Any], object]]  # what it is, how to read it and how to set it
FAULTS = (Exception, SystemExit, KeyboardInterrupt)
"""What a plugin may raise; Ctrl-C at the keyboard is told apart, and raised on."""


@contextmanager
def guarded(report: Callable[[str], None], note: Callable[[str], None]) -> Iterator[None]:
    """Run a plugin's code.

    Args:
        report: told what it raised, in place of the exception.
        note: told what it altered of the process, each in a sentence; it is put back.

    Raises:
        KeyboardInterrupt: somebody has pressed Ctrl-C.
    """
    pressed: list[int] = []
    handler = listen(pressed)
    before = [(what, read(), restore) for what, read, restore in settings()]
    folder = Path.cwd()
    try:
        with redirect_stdout(sys.stderr):
            yield
    except FAULTS as error:
        if pressed:
            raise
        report(describe(error))
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        now = {what: read() for what, read, _ in settings()}
        for what, value, restore in before:
            if now[what] != value:
                restore(value)
                note(f"changed {what} while it was loaded: put back")
        if Path.cwd() != folder:
            os.chdir(folder)
            note("changed the working directory while it was loaded: put back")


def listen(pressed: list[int]) -> Any:
    """Note Ctrl-C as it comes; the handler that was there, or None where signals are not this thread's."""
    try:
        before = signal.getsignal(signal.SIGINT)
        if not callable(before):
            return None  # it is ignored, as in a fork server

        def interrupt(number: int, frame: Any) -> None:
            pressed.append(number)
            before(number, frame)

        signal.signal(signal.SIGINT, interrupt)
    except ValueError:
        return None
    return before


def settings() -> list[Setting]:
    """What a plugin might alter for everybody: of Python, and of NumPy and torch where they are imported."""
    found: list[Setting] = [("Python's random generator", random.getstate, random.setstate)]
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "random"):

        def state() -> Any:
            kind, keys, *rest = numpy.random.get_state()
            return kind, tuple(keys.tolist()), *rest

        found.append(("NumPy's random generator", state, numpy.random.set_state))
    if torch is not None and hasattr(torch, "get_rng_state"):
        found += [
            ("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
            ("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
            ("whether torch records gradients", torch.is_grad_enabled, torch.set_grad_enabled),
            ("torch's default device", lambda: str(torch.get_default_device()), torch.set_default_device),
            ("torch's precision of products", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
            (
                "torch's random generator",
                lambda: bytes(torch.get_rng_state().tolist()),
                lambda state: torch.set_rng_state(torch.tensor(list(state), dtype=torch.uint8)),
            ),
        ]
    return found
