"""The processes that train one run together, one a device, as torchrun starts them.

Every process builds the same global batch; each computes the gradient of its own rows. What only one can do, as writing
files, the leader does; whatever depends on a clock, a signal or a fault is agreed on, so that all do the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed

from fmbench.errors import FmbenchError, describe
from fmbench.methods.base import EVERY, Method

FINE, NO_MEMORY, FAULT = 0.0, 1.0, 2.0  # how a process came through its part; the worst counts


def require_cuda(asked: str) -> None:
    """Whether there is a CUDA device here.

    Args:
        asked: the option that needs one, as "--device cuda".

    Raises:
        FmbenchError: there is none.
    """
    if not torch.cuda.is_available():
        raise FmbenchError(f"{asked}: PyTorch finds no CUDA device here; use --device cpu")


def rank(devices: int) -> int:
    """Which of the processes of a run on so many devices this one is; 0 is the leader, which alone writes files.

    Raises:
        FmbenchError: torchrun did not start as many processes.
    """
    if devices == 1:
        return 0
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size != devices:
        raise FmbenchError(
            f"train.devices = {devices}, but processes started: {size}; start them with "
            f"torchrun --standalone --nproc-per-node {devices} -m fmbench.run.worker RUN_DIR"
        )
    return int(os.environ["RANK"])


def place(device: str, devices: int) -> str:
    """The device of this process: "cpu", "cuda", or "cuda:1" where several processes have one each."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" and rank(devices) else device


def spare_core(device: str) -> bool:
    """Whether the network leaves a core of the processor idle, on which a coupling can be solved meanwhile.

    Where its threads are as many as there are cores they wait for one another: a thread more makes all of them slow.
    """
    return device == "cuda" or torch.get_num_threads() < len(os.sched_getaffinity(0))


def part() -> None:
    """Leave the other processes: torch's threads that are left to the end of a process may abort it."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


class Team:
    """What the processes of a run agree on; torch's process group must be there if there are several.

    Args:
        size: number of processes.
    """

    def __init__(self, size: int) -> None:
        self.size, self.rank = size, rank(size)
        # Numbers of the host travel between hosts' memories: agreeing must not wait for the device.
        self._talk: Any = distributed.new_group(backend="gloo") if size > 1 else None

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def highest(self, *values: float) -> list[float]:
        """Take the largest of each value over the processes."""
        if self.size == 1:
            return list(values)
        numbers = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(numbers, distributed.ReduceOp.MAX, group=self._talk)
        return [float(number) for number in numbers]

    def average(self, vector: Tensor) -> None:
        """Replace a vector by its mean over the processes, in place, on the device."""
        if self.size > 1:
            distributed.all_reduce(vector)
            vector.div_(self.size)

    def copy_leader(self, tensors: Iterable[Tensor]) -> None:
        """Give each tensor the leader's content."""
        if self.size > 1:
            for tensor in tensors:
                distributed.broadcast(tensor, src=0)

    def wait(self) -> None:
        """Until every process is here, so that what the leader has written is there."""
        self.highest(FINE)

    @contextmanager
    def together(self) -> Iterator[None]:
        """If the block fails in one process it fails in all, by the same kind of error; else all go on."""
        if self.size == 1:
            yield
            return
        error: Exception | None = None
        try:
            yield
        except Exception as caught:  # noqa: BLE001 - raised again below, once the others know
            error = caught
        own = FINE if error is None else NO_MEMORY if isinstance(error, torch.OutOfMemoryError) else FAULT
        (worst,) = self.highest(own)
        if worst == FINE:
            return
        reports: list[str] = [""] * self.size
        distributed.all_gather_object(reports, describe(error) if error else "", group=self._talk)
        if error is not None and own == worst:
            raise error
        other = f"on another device: {next(text for text in reports if text)}"
        raise torch.OutOfMemoryError(other) if worst == NO_MEMORY else RuntimeError(other)


def shares(size: int, team: Team, micro_batches: int) -> list[slice]:
    """The rows of a batch that this process computes, one slice a micro-batch.

    They are equally many, so that the mean of their gradients is the gradient of the batch.

    Args:
        size: points in a batch.
        team: the processes.
        micro_batches: in how many parts a process computes its rows.

    Raises:
        FmbenchError: a batch has no such parts.
    """
    count = team.size * micro_batches
    if size % count:
        raise FmbenchError(
            f"train.batch_size = {size}: must be a multiple of {count}, to be shared equally by {team.size} device(s) "
            f"in {micro_batches} micro-batch(es) each"
        )
    each = size // count
    first = team.rank * micro_batches
    return [slice((first + i) * each, (first + i + 1) * each) for i in range(micro_batches)]


def portions(method: Method, size: int, team: Team, micro_batches: int) -> list[slice]:
    """The rows of a batch of `size` points that this process computes, one slice a micro-batch.

    Raises:
        FmbenchError: the method, or the batch, cannot be divided so.
    """
    if method.shares_batch:
        return shares(size, team, micro_batches)
    if micro_batches > 1:
        name = type(method).__name__
        raise FmbenchError(f"{name} computes its whole batch at once (shares_batch = False): no micro-batches")
    return [EVERY]
