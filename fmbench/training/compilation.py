"""The networks of a training, compiled: the same formulas in fewer kernels, which round in another order.

A network is compiled alone. What surrounds it in a loss, as the draws of a generator and the matrix of a coupling, is
what a compiler cannot follow, and takes little of a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from fmbench.errors import describe
from fmbench.methods.base import Method
from fmbench.solvers.nfe import CountedNetwork
from fmbench.store.files import append_traceback
from fmbench.training.devices import Team
from fmbench.training.rehearsal import rehearsal

BACKEND = "inductor"  # keeps what it made in a cache on the disk, which the next process with the same network finds
FORMS = 8  # of each network, as for another shape of its input; torch allows so many of all networks together


@dataclass(frozen=True)
class Compilation:
    """What came of it.

    Args:
        seconds: it took.
        refused: why the networks run uncompiled; "" where they do not.
    """

    seconds: float
    refused: str = ""


@contextmanager
def compiled(method: Method, rehearse: Callable[[], None], team: Team, log: Path) -> Iterator[Compilation]:
    """While the block runs the networks of a method are compiled; where that fails, on any device, they run as ever.

    Args:
        method: whose networks they are.
        rehearse: computes the losses and gradients of a step, so that all is compiled that a step needs.
        team: the processes.
        log: where the whole error goes.

    Raises:
        torch.OutOfMemoryError: a batch does not fit, compiled or not.
    """
    networks = [part.network for part in method.modules() if isinstance(part, CountedNetwork)]
    if not networks:
        yield Compilation(0.0, f"{type(method).__name__} has no network that it counts")
        return
    begun = time.perf_counter()
    for network in networks:
        network.compile(backend=BACKEND, dynamic=False)
    try:
        with torch._dynamo.config.patch(recompile_limit=FORMS * len(networks)):  # noqa: SLF001 - its only place
            with team.together():
                refused = attempt(method, rehearse, log)
            (anywhere,) = team.highest(bool(refused))
            if anywhere:
                uncompile(networks)
                refused = refused or "another device could not compile it"
            yield Compilation(time.perf_counter() - begun, refused)
    finally:
        uncompile(networks)


def attempt(method: Method, rehearse: Callable[[], None], log: Path) -> str:
    """Why a step cannot be computed, in one line; "" where it can."""
    try:
        method.train()
        with rehearsal(method):
            rehearse()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a compiler and the network of a stranger may raise anything
        append_traceback(log, "the networks could not be compiled, and run uncompiled")
        return describe(error)
    return ""


def uncompile(networks: list[nn.Module]) -> None:
    """Let the networks run as ever."""
    for network in networks:
        network._compiled_call_impl = None  # noqa: SLF001 - torch offers no other way back
