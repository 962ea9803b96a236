"""Methods that go wrong in every way that a process can, as a file given to --plugin."""

import os
import signal
import time

from fmbench.api import GaussianPathMethod, MethodSpec, hookimpl, paths


class Segfault(GaussianPathMethod):
    path = paths.Linear()

    def loss(self, batch):
        os.kill(os.getpid(), signal.SIGSEGV)


class Killed(GaussianPathMethod):
    """As by the kernel, when memory runs out."""

    path = paths.Linear()

    def loss(self, batch):
        os.kill(os.getpid(), signal.SIGKILL)


class Hangs(GaussianPathMethod):
    """Deaf to SIGTERM, with a child of its own."""

    path = paths.Linear()

    def loss(self, batch):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        os.system(f"echo $$ >> {os.environ['FMBENCH_TEST_PIDS']}; exec sleep 600")
        time.sleep(600)


class Raises(GaussianPathMethod):
    path = paths.Linear()

    def loss(self, batch):
        raise RuntimeError("a shape that does not fit")


class Diverges(GaussianPathMethod):
    path = paths.Linear()

    def loss(self, batch):
        return super().loss(batch) * float("nan")


class Slow(GaussianPathMethod):
    """A quarter of a second a step, so that a test can look at it while it runs."""

    path = paths.Linear()

    def loss(self, batch):
        time.sleep(0.25)
        return super().loss(batch)


@hookimpl
def fmbench_methods():
    kinds = (Segfault, Killed, Hangs, Raises, Diverges, Slow)
    return [MethodSpec(kind.__name__.lower(), f"{__name__}:{kind.__name__}") for kind in kinds]
