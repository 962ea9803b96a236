"""While a plugin loads, what it raises is its own fault, what it prints is an error's, what it alters is put back.

NumPy and torch are looked at as they are when they arrive, be it by the plugin's own import: nothing here imports them.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from fmbench.errors import describe

FAULTS = (Exception, SystemExit, KeyboardInterrupt)
"""What a plugin may raise; Ctrl-C at the keyboard is told apart, and raised on."""


class Setting(NamedTuple):
    """What a plugin might alter for everybody: what it is, how to read it and how to set it."""

    what: str
    read: Callable[[], Any]
    set: Callable[[Any], object]


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
    before: list[tuple[Setting, Any]] = []

    def take(settings: Sequence[Setting]) -> None:
        before.extend((setting, setting.read()) for setting in settings)

    folder = Path.cwd()
    try:
        take(of_python())
        with redirect_stdout(sys.stderr), Arrivals({"numpy": of_numpy, "torch": of_torch}, take):
            yield
    except FAULTS as error:
        if pressed:
            raise
        report(describe(error))
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        altered = [(setting, value) for setting, value in before if setting.read() != value]
        for setting, value in altered:
            setting.set(value)
            note(f"changed {setting.what} while it was loaded: put back")
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


class Arrivals(MetaPathFinder):
    """Takes the settings of some modules: now where they are imported already, else when somebody imports them.

    Args:
        settings: of a module, by its name.
        take: told of them.
    """

    def __init__(
        self, settings: Mapping[str, Callable[[Any], list[Setting]]], take: Callable[[list[Setting]], None]
    ) -> None:
        self._settings, self._take, self._awaited = settings, take, set(settings)

    def __enter__(self) -> None:
        for name in [name for name in self._settings if sys.modules.get(name)]:
            self._awaited.remove(name)
            self._take(self._settings[name](sys.modules[name]))
        sys.meta_path.insert(0, self)

    def __exit__(self, *_: object) -> None:
        with suppress(ValueError):  # a plugin may have put other finders there
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders find, and its settings once it is loaded."""
        del path, target
        if fullname not in self._awaited:
            return None
        self._awaited.remove(fullname)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_take(module: ModuleType) -> None:
                load(module)
                self._take(self._settings[fullname](module))

            spec.loader.exec_module = load_and_take  # type: ignore[method-assign]  # of this loader alone
        return spec


def of_python() -> list[Setting]:
    """Python's own."""
    return [Setting("Python's random generator", random.getstate, random.setstate)]


def of_numpy(numpy: Any) -> list[Setting]:
    """NumPy's."""

    def state() -> Any:
        kind, keys, *rest = numpy.random.get_state()
        return kind, tuple(keys.tolist()), *rest

    return [Setting("NumPy's random generator", state, numpy.random.set_state)]


def of_torch(torch: Any) -> list[Setting]:
    """Torch's."""
    return [
        Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
        Setting("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
        Setting("whether torch records gradients", torch.is_grad_enabled, torch.set_grad_enabled),
        Setting("torch's default device", lambda: str(torch.get_default_device()), torch.set_default_device),
        Setting(
            "torch's precision of products", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
        ),
        Setting(
            "torch's random generator",
            lambda: bytes(torch.get_rng_state().tolist()),
            lambda state: torch.set_rng_state(torch.tensor(list(state), dtype=torch.uint8)),
        ),
    ]
