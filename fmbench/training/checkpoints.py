"""Checkpoints: written whole or not at all, the last two kept, a damaged one passed over for the one before."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from fmbench.errors import FmbenchError
from fmbench.methods.base import Method
from fmbench.store.files import write_atomically
from fmbench.training.pace import TrainingState
from fmbench.training.players import Learners

KEEP = 2


def save(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write the state after `step` steps, then drop all but the last KEEP."""
    write(folder, step, state)
    for old in newest_first(folder)[KEEP:]:
        old.unlink()


def write(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write the state after `step` steps beside the others."""
    write_atomically(folder / f"step-{step:09d}.pt", lambda stream: torch.save({"step": step, **state}, stream))


def load(folder: Path, device: torch.device | str) -> dict[str, Any] | None:
    """The newest checkpoint that can be read, or None where there is none.

    Raises:
        FmbenchError: there are checkpoints, and every one is damaged.
        OSError: one cannot be read, which says nothing of what it holds; so with a device that has no room for it.
    """
    found = newest_first(folder)
    for path in found:
        if whole(path):
            state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
            return state
    if found:
        raise FmbenchError(f"every checkpoint in {folder} is damaged: delete that folder to train again")
    return None


def whole(path: Path) -> bool:
    """Whether a checkpoint is as it was written: an archive, each part of which has its checksum."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError):
        return False


def newest_first(folder: Path) -> list[Path]:
    """The files of a folder."""
    return sorted(folder.glob("step-*.pt"), reverse=True)


def resumable(method: Method, learners: Learners, state: TrainingState) -> dict[str, Any]:
    """All that a training needs to go on as if it had never stopped."""
    return {
        "method": method.state_dict(),
        "average": learners.averages(),
        "optimiser": learners.optimisers(),
        "seconds": state.seconds,
        "charged": state.charged,
        "loss": state.loss,
        "losses": state.losses,
    }


def scorable(method: Method, learners: Learners, state: TrainingState) -> dict[str, Any]:
    """The buffers and the averaged weights alone."""
    buffers = {name for name, _ in method.named_buffers()}
    kept = {name: value for name, value in method.state_dict().items() if name in buffers}
    return {"method": kept, "average": learners.averages(), "seconds": state.seconds}


def take_up(checkpoint: dict[str, Any], method: Method, learners: Learners, fresh: TrainingState) -> TrainingState:
    """Go on from a checkpoint.

    Args:
        checkpoint: a `resumable` one.
        method: takes its weights and buffers.
        learners: take its averages and the states of their optimisers.
        fresh: how far training is without it.

    Returns:
        how far training is with it.
    """
    method.load_state_dict(checkpoint["method"])
    learners.resume(checkpoint["average"], checkpoint["optimiser"])
    return TrainingState(
        checkpoint["step"],
        checkpoint["seconds"],
        checkpoint.get("charged", fresh.charged),  # checkpoints of old had no budget in seconds
        checkpoint["loss"],
        torch.tensor(checkpoint["losses"], dtype=torch.float64).reshape(-1, len(learners)).tolist(),
    )
