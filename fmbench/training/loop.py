"""The training loop.

Everything random in a step is a function of (seed, step), so a resumed run repeats an uninterrupted one.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

import torch
from msgspec import UNSET
from torch import Tensor

from fmbench import provenance
from fmbench.data.base import Dataset
from fmbench.errors import DivergedError, FmbenchError
from fmbench.execution import Execution
from fmbench.methods.base import Batch, Method
from fmbench.progress import Progress
from fmbench.request.schema import Budget, Precision, TrainingRequest
from fmbench.seeding import reseed
from fmbench.store.records import TrainingSummary
from fmbench.store.run import RunDirectory
from fmbench.training import checkpoints
from fmbench.training.batches import Batches
from fmbench.training.compilation import Compilation, compiled
from fmbench.training.devices import Team, portions, spare_core
from fmbench.training.fabric import connect
from fmbench.training.flops import flops_of
from fmbench.training.interrupts import Interrupted, interrupts
from fmbench.training.journal import Journal
from fmbench.training.pace import AfterSeconds, AfterSteps, Cost, StoppingRule, TrainingState, ema_decay, learning_rate
from fmbench.training.players import Learners
from fmbench.training.precision import products, require_precision, rounded

LOG_EVERY = 50  # steps between two lines of the log; losses are fetched from the device only then


class Trainer:
    """Trains one method, resuming from its directory's last checkpoint.

    Args:
        request: what is asked.
        method: freshly initialised weights.
        dataset: the data.
        directory: where checkpoints and the log go.
        execution: device, number of devices and of micro-batches, checkpoints, snapshots.
        cost: what was spent before the first step.

    Raises:
        FmbenchError: the batch cannot be shared as the execution says, or too few processes were started.
    """

    def __init__(
        self,
        request: TrainingRequest,
        method: Method,
        dataset: Dataset,
        directory: RunDirectory,
        execution: Execution,
        cost: Cost,
    ) -> None:
        self.settings, self.seed, self.directory = request.train, request.seed, directory
        self.execution, self.cost = execution, cost
        require_precision(request.train.precision, execution.device)
        self.fabric = connect(execution)
        self.team = Team(execution.devices)
        settings = self.settings
        self.rows = portions(method, settings.batch_size, self.team, execution.micro_batches)
        self.method, self.model = method, self.fabric.setup_module(method)
        self.learners = Learners(method, settings)
        pair = method.ahead if len(self.learners) == 1 and spare_core(execution.device) else None
        size, device = settings.batch_size, self.fabric.device
        self.batches = Batches(dataset, size, request.seed, device, method.companions, pair, flips=request.train.flips)
        self.state = TrainingState(seconds=cost.seconds, charged=cost.seconds)
        self.rule = self._stopping_rule(request.budget or Budget())
        self.compilation: Compilation | None = None
        self._pending: list[Tensor] = []  # losses still on the device
        self._rate = 0.0  # of the last step

    def run(self, progress: Progress) -> None:
        """Train to the end of the budget, and write the last checkpoint and the summary.

        Raises:
            DivergedError: a loss was not finite.
            Interrupted: Ctrl-C; a checkpoint was written.
        """
        names = self.execution.loggers if self.team.leads else ()
        with Journal(self.directory, names) as journal, products(self.settings.precision):
            self._resume(journal)
            with self._compiled(progress) as self.compilation:
                self._advance(progress, journal)
        self._save()
        summary = self._summary()
        if self.team.leads:
            self.directory.set_training(summary)
        self.team.wait()  # a teacher's pupil reads both

    def _compiled(self, progress: Progress) -> AbstractContextManager[Compilation | None]:
        """The networks compiled, where that is asked for; the clock of the steps stands still meanwhile."""
        if not self.settings.compile:
            return nullcontext()
        progress.stage("compile", 1)
        rehearse = partial(self._rehearse, self.state.step, self.settings.precision)
        return compiled(self.method, rehearse, self.team, self.directory.log)

    def _advance(self, progress: Progress, journal: Journal) -> None:
        """The steps that are left."""
        state, rule, snapshots = self.state, self.rule, self.execution.snapshots
        progress.stage("train", *rule.gauge(state)[::-1])
        begun, offset = time.perf_counter(), state.seconds
        saved, note = begun, ""
        self.model.train()
        with interrupts() as arrived:
            while not rule.over(state):
                marks = rule.marks(state, snapshots)
                self._step(state.step)
                state.step += 1
                now = time.perf_counter()
                state.seconds, unsaved, stop = self.team.highest(offset + now - begun, now - saved, len(arrived))
                if state.step % LOG_EVERY == 0 or rule.over(state):
                    self._fetch()
                    self._log(journal)
                    rate = state.step * self.settings.batch_size / state.seconds
                    note = f"loss {state.loss:.4f}  {rate:,.0f} /s"
                progress.update(rule.gauge(state)[0], note)
                if rule.marks(state, snapshots) > marks:
                    self._keep()
                if unsaved >= self.execution.checkpoint_seconds or stop:
                    self._fetch()
                    self._save()
                    saved = time.perf_counter()
                if stop:
                    raise Interrupted(state.step)

    def _stopping_rule(self, budget: Budget) -> StoppingRule:
        """How long to train; FLOPs are counted with the fresh weights, so that a resumed run counts the same.

        Raises:
            FmbenchError: a budget in FLOPs, and torch knows of none in a step.
        """
        steps = self.settings.steps
        if budget.seconds is not None:
            return AfterSeconds(budget.seconds)
        if budget.flops is not None:
            with self.team.together():
                each = self._step_flops(0)
            if not each:
                raise FmbenchError("budget.flops: torch counts none in a step of this method; use budget.seconds")
            (most,) = self.team.highest((budget.flops - self.cost.flops) // each)
            steps = max(1, int(most))
        return AfterSteps(steps, self.settings.warmup)

    def _step(self, step: int) -> None:
        # For layers that draw on their own, as dropout: each process has its own rows.
        reseed(self.fabric.device, self.seed, "step", step, *([self.team.rank] if self.team.rank else []))
        rate = learning_rate(self.settings, step, self.rule.decayed(self.state))
        self._rate = rate
        with self.team.together():
            batch = replace(self.batches[step], step=step, progress=self.rule.spent(self.state))
        losses = []
        for player in range(len(self.learners)):
            with self.team.together(), self.learners.alone(player) as learner:
                parts = self._descend(batch, player, self.settings.precision)
                learner.weights.gather_gradient(len(parts))
                self.method.before_step()
            # One sum of one vector, not DistributedDataParallel's buckets: a parameter without gradient needs no care.
            self.team.average(learner.weights.gradient)
            learner.step(rate, ema_decay(self.settings, step))
            losses.append(torch.stack(parts).mean())
        self._pending.append(torch.stack(losses))

    def _loss(self, batch: Batch, rows: slice, player: int) -> Tensor:
        """A player's loss of some rows of a batch, through Fabric's wrapper."""
        loss: Tensor = self.model(
            batch.x,
            batch.labels,
            batch.generator,
            batch.companions,
            rows,
            batch.step,
            batch.progress,
            batch.pairs,
            player,
        )
        return loss

    def _descend(self, batch: Batch, player: int, precision: Precision) -> list[Tensor]:
        """A player's loss of each micro-batch, its gradient added to the parameters'.

        Every part draws what the whole batch draws, from the start; what was not paired ahead is paired again for each.
        """
        start = batch.generator.get_state()
        losses = []
        for rows in self.rows:
            batch.generator.set_state(start)
            with rounded(precision, self.fabric.device.type):
                loss = self._loss(batch, rows, player)
            self.fabric.backward(loss)
            losses.append(loss.detach())
        return losses

    def _fetch(self) -> None:
        """Bring the pending losses from the device, the mean over processes, and check that each is finite."""
        if not self._pending:
            return
        pending = torch.stack(self._pending)
        self.team.average(pending)
        losses = pending.tolist()
        first = self.state.step - len(losses) + 1
        self._pending.clear()
        for step, of_players in enumerate(losses, start=first):
            for loss in of_players:
                if not math.isfinite(loss):
                    raise DivergedError(step, loss)
        self.state.losses += losses

    def _log(self, journal: Journal) -> None:
        """Write the mean loss since the last line."""
        state = self.state
        means = [sum(losses) / len(losses) for losses in zip(*state.losses, strict=True)]
        state.loss = means[self.learners.main]
        state.losses.clear()
        names = [learner.player.name for learner in self.learners]
        each = {f"loss_{name}": mean for name, mean in zip(names, means, strict=True)} if len(names) > 1 else {}
        line = {
            "loss": state.loss,
            **each,
            "lr": self._rate,
            "seconds": round(state.seconds, 3),
            "images_per_second": round(state.step * self.settings.batch_size / state.seconds, 1),
            "peak_memory_bytes": provenance.peak_memory(self.execution.device),
        }
        if self.team.leads:
            journal.write(state.step, line)

    def _save(self) -> None:
        if self.team.leads:
            whole = checkpoints.resumable(self.method, self.learners, self.state)
            checkpoints.save(self.directory.checkpoints, self.state.step, whole)

    def _keep(self) -> None:
        """Keep the averaged weights for the learning curve."""
        if self.team.leads:
            averaged = checkpoints.scorable(self.method, self.learners, self.state)
            checkpoints.write(self.directory.snapshots, self.state.step, averaged)

    def _resume(self, journal: Journal) -> None:
        """Take up the last checkpoint, and cut the log back to it."""
        checkpoint = checkpoints.load(self.directory.checkpoints, self.fabric.device)
        if checkpoint is not None:
            self.state = checkpoints.take_up(checkpoint, self.method, self.learners, self.state)
        # What was prepared may differ in the last bit from device to device.
        weights = [tensor for learner in self.learners for tensor in learner.tensors()]
        self.team.copy_leader([*weights, *self.model.module.buffers()])
        state = self.state
        state.seconds, state.charged = self.team.highest(state.seconds, state.charged)
        if self.team.leads:
            journal.cut(state.step)

    def _summary(self) -> TrainingSummary:
        """What the training cost."""
        steps = self.state.step
        images, each = steps * self.settings.batch_size + self.cost.images, self._step_flops(steps - 1)
        return TrainingSummary(
            params=self.learners.params,
            training_only_params=self.learners.training_only or UNSET,
            seconds=self.state.seconds,
            images=images,
            images_per_second=images / self.state.seconds,
            peak_memory_bytes=provenance.peak_memory(self.execution.device),
            final_loss=self.state.loss,
            flops=None if each is None else each * steps + self.cost.flops,
            steps=steps,
            devices=self.team.size,
            micro_batches=self.execution.micro_batches,
            compile_seconds=self.compilation.seconds if self.compilation else UNSET,
            uncompiled=(self.compilation and self.compilation.refused) or UNSET,
        )

    def _rehearse(self, step: int, precision: Precision) -> None:
        """All of a step but the optimiser's part of it."""
        batch = self.batches[step]
        for player in range(len(self.learners)):
            with self.learners.alone(player):
                self._descend(batch, player, precision)

    def _step_flops(self, step: int) -> float | None:
        """Count the FLOPs of a step's whole batch on all devices, in float32; None where it cannot be counted."""
        counted = flops_of(partial(self._rehearse, step, "float32"), self.method, self.directory.log)
        devices = self.team.size if self.method.shares_batch else 1
        return None if counted is None else float(counted) * devices
