"""The training loop: the only module that knows of Lightning Fabric.

Everything random in a step is a function of (seed, step), so a resumed run repeats an uninterrupted one.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from fmbench import checkpoints, provenance
from fmbench.config import Train, TrainingRequest
from fmbench.data.base import Dataset
from fmbench.data.batches import Batches
from fmbench.errors import DivergedError
from fmbench.method import Method
from fmbench.progress import Watcher
from fmbench.seeding import reseed
from fmbench.store import files
from fmbench.store.records import TrainingSummary
from fmbench.store.run import RunDirectory
from fmbench.weights import FlatWeights

LOG_EVERY = 50  # steps between two lines of the log; losses are fetched from the device only then


class Interrupted(Exception):  # noqa: N818 - not a fault: the user asked
    """Ctrl-C arrived; a checkpoint was written after `step` steps."""

    def __init__(self, step: int) -> None:
        super().__init__(f"interrupted; checkpoint at step {step}")
        self.step = step


def learning_rate(settings: Train, step: int) -> float:
    """The rate of step 0, 1, ...: a linear warm-up, then the decay, to zero after the last step."""
    if step < settings.warmup:
        return settings.lr * (step + 1) / settings.warmup
    if settings.decay == "constant":
        return settings.lr
    done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.lr * (0.5 * (1 + math.cos(math.pi * done)) if settings.decay == "cosine" else 1 - done)


def ema_decay(settings: Train, updates: int) -> float:
    """min(decay, (1 + n) / (10 + n)): without the warm-up a short run would score its initial weights."""
    return min(settings.ema, (1 + updates) / (10 + updates))


@dataclass(frozen=True)
class Charge:
    """What a method did before its first step, as its teacher's training: it counts as training.

    Args:
        seconds: it took.
        images: it saw.
        flops: of its optimiser steps.
    """

    seconds: float = 0.0
    images: int = 0
    flops: float = 0.0


@dataclass
class Progress:
    """How far training is, and what it cost so far, the charge included."""

    step: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    losses: list[float] = field(default_factory=list)
    """Of the steps since the last line of the log."""


class Trainer:
    """Trains one method, resuming from its directory's last checkpoint.

    Args:
        request: what is asked.
        method: freshly initialised weights.
        dataset: the data.
        directory: where checkpoints and the log go.
        device: "cpu" or "cuda".
        checkpoint_seconds: longest stretch of work that a crash may lose.
        snapshots: how many times, evenly over the steps, the averaged weights are kept.
        charge: what was spent before the first step.
    """

    def __init__(
        self,
        request: TrainingRequest,
        method: Method,
        dataset: Dataset,
        directory: RunDirectory,
        *,
        device: str,
        checkpoint_seconds: float,
        snapshots: int,
        charge: Charge,
    ) -> None:
        self.settings, self.seed, self.directory = request.train, request.seed, directory
        self.device, self.checkpoint_seconds = device, checkpoint_seconds
        self.fabric = Fabric(accelerator=device, devices=1)
        settings = self.settings
        self.model = self.fabric.setup_module(method)
        self.weights = FlatWeights(method)
        self.average = self.weights.vector.detach().clone()
        self.optimiser = torch.optim.AdamW(
            [self.weights.vector],
            lr=settings.lr,
            betas=(settings.beta1, settings.beta2),
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.batches = Batches(dataset, settings.batch_size, request.seed, self.fabric.device, method.companions)
        self.charge = charge
        self.snapshots = {settings.steps * (i + 1) // snapshots for i in range(snapshots)}
        self.progress = Progress(seconds=charge.seconds)
        self._pending: list[Tensor] = []  # losses still on the device

    def run(self, watcher: Watcher) -> None:
        """Train to the end of the budget, and write the last checkpoint and the summary.

        Raises:
            DivergedError: a loss was not finite.
            Interrupted: Ctrl-C; a checkpoint was written.
        """
        self._resume()
        settings, progress = self.settings, self.progress
        watcher.stage("train", settings.steps, progress.step)
        begun, offset = time.perf_counter(), progress.seconds
        saved = begun
        self.model.train()
        with interrupts() as arrived:
            while progress.step < settings.steps:
                self._step(progress.step)
                progress.step += 1
                now = time.perf_counter()
                progress.seconds = offset + now - begun
                due = now - saved >= self.checkpoint_seconds or bool(arrived)
                if progress.step % LOG_EVERY == 0 or progress.step == settings.steps:
                    self._fetch()
                    self._log()
                    rate = progress.step * settings.batch_size / progress.seconds
                    watcher.update(progress.step, f"loss {progress.loss:.4f}  {rate:,.0f} /s")
                if progress.step in self.snapshots:
                    self._keep()
                if due:
                    self._fetch()
                    self._save()
                    saved = time.perf_counter()
                if arrived:
                    raise Interrupted(progress.step)
        self._save()
        self.directory.set_training(self._summary())

    def _step(self, step: int) -> None:
        reseed(self.fabric.device, self.seed, "step", step)  # for layers that draw on their own, as dropout
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.settings, step)
        batch = self.batches[step]
        loss = self.model(batch.x, batch.labels, batch.generator, batch.companions)
        self.fabric.backward(loss)
        self.weights.gather_gradient()
        self.weights.clip_gradient(self.settings.clip)
        self.optimiser.step()
        self.average.lerp_(self.weights.vector.detach(), 1 - ema_decay(self.settings, step))
        self._pending.append(loss.detach())

    def _fetch(self) -> None:
        """Bring the pending losses from the device, and check that each is finite."""
        losses = torch.stack(self._pending).tolist() if self._pending else []
        first = self.progress.step - len(losses) + 1
        self._pending.clear()
        for step, loss in enumerate(losses, start=first):
            if not math.isfinite(loss):
                raise DivergedError(step, loss)
        self.progress.losses += losses

    def _log(self) -> None:
        """Write the mean loss since the last line."""
        progress = self.progress
        progress.loss = sum(progress.losses) / len(progress.losses)
        progress.losses.clear()
        line = {
            "step": progress.step,
            "loss": progress.loss,
            "lr": learning_rate(self.settings, progress.step - 1),
            "seconds": round(progress.seconds, 3),
            "images_per_second": round(progress.step * self.settings.batch_size / progress.seconds, 1),
            "peak_memory_bytes": provenance.peak_memory(self.device),
        }
        files.append_lines(self.directory.train_log, [line])

    def _save(self) -> None:
        state = {
            "method": self.model.module.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "seconds": self.progress.seconds,
            "loss": self.progress.loss,
            "losses": self.progress.losses,
        }
        checkpoints.save(self.directory.checkpoints, self.progress.step, state)

    def _keep(self) -> None:
        """Keep the averaged weights for the learning curve."""
        buffers = {name for name, _ in self.model.module.named_buffers()}
        kept = {name: value for name, value in self.model.module.state_dict().items() if name in buffers}
        state = {"method": kept, "average": self.average, "seconds": self.progress.seconds}
        checkpoints.write(self.directory.snapshots, self.progress.step, state)

    def _resume(self) -> None:
        """Take up the last checkpoint, and cut the log back to it."""
        state = checkpoints.load(self.directory.checkpoints, self.fabric.device)
        if state is None:
            kept: list[Any] = []
        else:
            self.model.module.load_state_dict(state["method"])
            self.average.copy_(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.progress = Progress(state["step"], state["seconds"], state["loss"], state["losses"])
            kept = [line for line in files.read_lines(self.directory.train_log) if line["step"] <= state["step"]]
        if self.directory.train_log.exists():
            self.directory.train_log.unlink()
        files.append_lines(self.directory.train_log, kept)

    def _summary(self) -> TrainingSummary:
        """What the training cost; called last, for measuring a step changes gradients and buffers."""
        images = self.settings.steps * self.settings.batch_size + self.charge.images
        batch = self.batches[self.settings.steps - 1]
        with FlopCounterMode(display=False) as counter:
            self.fabric.backward(self.model(batch.x, batch.labels, batch.generator, batch.companions))
        return TrainingSummary(
            params=sum(parameter.numel() for parameter in self.model.module.parameters()),
            seconds=self.progress.seconds,
            images=images,
            images_per_second=images / self.progress.seconds,
            peak_memory_bytes=provenance.peak_memory(self.device),
            final_loss=self.progress.loss,
            flops=float(counter.get_total_flops()) * self.settings.steps + self.charge.flops,
        )


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
