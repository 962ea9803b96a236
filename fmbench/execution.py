"""How runs are carried out, as against what they are: nothing here changes what a number means."""

from __future__ import annotations

import msgspec

from fmbench.errors import FmbenchError

OFFLINE = "FMBENCH_OFFLINE"  # an environment variable: whatever it says, nothing is fetched
DEVICES = ("auto", "cpu", "cuda")


class Execution(msgspec.Struct, frozen=True):
    """How runs are carried out; one record from the command line to the process of a run.

    Args:
        device: "auto", "cpu" or "cuda"; the process of a run replaces "auto" by what it finds.
        checkpoint_seconds: longest stretch of training that a crash may lose.
        snapshots: how many times, evenly over the budget, to keep the averaged weights for the learning curve.
        renew: whether to measure again what is there already.
        retry: the states ("failed", "timeout") whose runs are tried again, from their last checkpoint.
        rerun_stale: whether runs that were trained by other code than there is now are set aside and trained anew.
        allow_stale: whether to go on with what other code, or other data, has trained.
        plugins: files of further plugins.
        loggers: "tensorboard", "wandb": told of training beside train.jsonl.
        command: that asked for it, as people typed it.
        devices: that train a run together, one process each, which torchrun has started; rank 0 evaluates.
        micro_batches: in how many parts, one after the other, a process computes its rows of a batch.

    Raises:
        FmbenchError: there is no such device.
    """

    device: str = "auto"
    checkpoint_seconds: float = 30.0
    snapshots: int = 0
    renew: bool = False
    retry: tuple[str, ...] = ()
    rerun_stale: bool = False
    allow_stale: bool = False
    plugins: tuple[str, ...] = ()
    loggers: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    devices: int = 1
    micro_batches: int = 1

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise FmbenchError(f"--device {self.device!r}: choose {', '.join(DEVICES[:-1])} or {DEVICES[-1]}")
