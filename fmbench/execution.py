"""How a run is carried out, as against what is asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Runtime:
    """How a run is carried out; nothing here may change a number, up to rounding, on the same kind of device.

    Args:
        device: "cpu" or "cuda".
        checkpoint_seconds: longest stretch of training that a crash may lose.
        snapshots: how many times, evenly over the budget, to keep the averaged weights for the learning curve.
        renew: whether to measure again what is there already.
        devices: that train the run together, one process each, which torchrun has started; rank 0 evaluates.
        micro_batches: in how many parts, one after the other, a process computes its rows of a batch.
        command: that asked for it, as people typed it.
        loggers: "tensorboard", "wandb": told of training beside train.jsonl.
    """

    device: str
    checkpoint_seconds: float = 30.0
    snapshots: int = 0
    renew: bool = False
    devices: int = 1
    micro_batches: int = 1
    command: tuple[str, ...] = ()
    loggers: tuple[str, ...] = ()
