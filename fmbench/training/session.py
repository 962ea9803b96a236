"""From a request to trained weights: build the method, train its teacher, prepare it, train it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from msgspec import structs
from torch import nn

from fmbench import provenance
from fmbench.data.base import Dataset
from fmbench.errors import FmbenchError
from fmbench.execution import Execution as Execution  # a part of this module's interface
from fmbench.methods.base import Method, Preparation, Task, load_dataset
from fmbench.networks.trial import try_network
from fmbench.progress import Progress
from fmbench.registry.plugins import Plugins
from fmbench.request.schema import Component, TrainingRequest
from fmbench.seeding import reseed, stream
from fmbench.store.records import TrainingSummary
from fmbench.store.run import RunDirectory
from fmbench.training import checkpoints, devices
from fmbench.training.fabric import connect
from fmbench.training.flops import FlopCounter
from fmbench.training.loop import Trainer
from fmbench.training.pace import Cost
from fmbench.training.players import assign_averages


@dataclass(frozen=True)
class TrainingSession:
    """What every training of a run shares, the teacher's and its own."""

    dataset: Dataset
    plugins: Plugins
    execution: Execution
    progress: Progress
    _tried: set[str] = field(default_factory=set)

    def build(self, request: TrainingRequest) -> Method:
        """The method with fresh weights, which depend on the seed alone.

        Raises:
            FmbenchError: the network does not answer as it must: each kind is tried once.
        """
        method = build(request, self.dataset, self.plugins, self._try_once)
        return method.to(self.device)

    def _try_once(self, name: str, network: nn.Module, shape: tuple[int, ...], **asked: Any) -> None:
        kind = f"{name} {shape} {asked}"
        if kind not in self._tried:
            try_network(name, network, shape, **asked)
            self._tried.add(kind)

    @property
    def device(self) -> str:
        """The device of this process."""
        return devices.place(self.execution.device, self.execution.devices)

    def train(self, request: TrainingRequest, method: Method, directory: RunDirectory) -> None:
        """Train to the end of the budget, from the last checkpoint if there is one; nothing if that is done.

        Raises:
            DivergedError: a loss was not finite.
            Interrupted: Ctrl-C; a checkpoint was written.
            torch.OutOfMemoryError: the batch does not fit on the device, nor, where the method can share it, in
                micro-batches of half the size, with which training went on from its last checkpoint.
        """
        if directory.training() is not None:
            return
        cost = self.prepare(request, method, directory)
        if not any(parameter.requires_grad for parameter in method.parameters()):
            self._keep_fitted(method, directory, cost)
            return
        try:
            self.descend(request, method, directory, cost)
        except torch.OutOfMemoryError:
            finer = self._finer(request, method)
            if finer is None:
                raise
        else:
            return
        # Only here, where the error and all that it held are gone. The method has moved on from its fresh weights.
        gc.collect()
        torch.cuda.empty_cache()
        method = finer.build(request)
        cost = finer.prepare(request, method, directory)
        finer.descend(request, method, directory, cost)

    def descend(self, request: TrainingRequest, method: Method, directory: RunDirectory, cost: Cost) -> None:
        """Train a prepared method."""
        Trainer(request, method, self.dataset, directory, self.execution, cost).run(self.progress)

    def _finer(self, request: TrainingRequest, method: Method) -> TrainingSession | None:
        """With micro-batches of half the size, where they can be halved."""
        execution = self.execution
        parts = 2 * execution.micro_batches
        if not method.shares_batch or request.train.batch_size % (parts * execution.devices):
            return None
        return replace(self, execution=structs.replace(execution, micro_batches=parts))

    def prepare(self, request: TrainingRequest, method: Method, directory: RunDirectory) -> Cost:
        """What the method does before its first step, and what that cost."""
        teacher, cost = None, Cost()
        name = self.plugins.methods.get(request.method.name).teacher
        if name:
            spec = self.plugins.methods.get(name)
            half = request.budget and request.budget.half()
            asked = request.model_copy(update={"method": Component(name=name, options=spec.defaults), "budget": half})
            place = RunDirectory(directory.teacher)
            teacher = self.build(asked)
            self.train(asked, teacher, place)
            teacher = load_averaged(teacher, place, torch.device(self.device))
            summary = place.training()
            if summary:
                cost = Cost(summary.seconds, summary.images, summary.flops or 0.0)
        begun, counter = time.perf_counter(), FlopCounter()
        if type(method).prepare is not Method.prepare:
            device = self.device
            self.progress.stage("prepare", 1)
            x = self.dataset.transform.encode(
                self.dataset.train.to(device), stream(device, request.seed, "prepare", "data"), torch.float32
            )
            generator = stream(device, request.seed, "prepare")
            reseed(torch.device(device), request.seed, "prepare", "global")
            # Counting takes time, which is charged too: only where it matters.
            with counter if request.budget and request.budget.flops else nullcontext():
                method.prepare(Preparation(x, generator, request.train.batch_size, teacher))
        seconds, flops = time.perf_counter() - begun, float(counter.total)
        return replace(cost, seconds=cost.seconds + seconds, flops=cost.flops + flops)

    def _keep_fitted(self, method: Method, directory: RunDirectory, cost: Cost) -> None:
        """A method without trainable parameters is done once prepared: it has seen each training point once."""
        connect(self.execution)
        team = devices.Team(self.execution.devices)
        team.wait()  # until every process has seen that this is to be done
        if team.leads:
            self._write_fitted(method, directory, cost)
        team.wait()  # a teacher's pupil reads both

    def _write_fitted(self, method: Method, directory: RunDirectory, cost: Cost) -> None:
        """The checkpoint and the summary of a method that was fitted."""
        checkpoints.save(directory.checkpoints, 0, {"method": method.state_dict(), "average": None})
        images = len(self.dataset.train)
        directory.set_training(
            TrainingSummary(
                params=0,
                seconds=cost.seconds,
                images=images,
                images_per_second=images / cost.seconds,
                peak_memory_bytes=provenance.peak_memory(self.execution.device),
                final_loss=None,
            )
        )


def build(request: TrainingRequest, dataset: Dataset, plugins: Plugins, check: Callable[..., None]) -> Method:
    """The method with fresh weights, which depend on the seed alone.

    Args:
        request: what is asked.
        dataset: the data.
        plugins: where the parts come from.
        check: called with the name of each network that the method builds, the network, its shape and its conditions.
    """
    network = plugins.networks.get(request.network.name)
    classes = plugins.datasets.get(request.dataset.name).classes if request.train.conditional else 0
    given = dataset.given_shape
    conditions: dict[str, Any] = ({"classes": classes} if classes else {}) | ({"given": given} if given else {})

    def build_network(shape: tuple[int, ...], **asked: int) -> nn.Module:
        if asked and not network.two_times:
            able = ", ".join(spec.name for spec in plugins.networks if spec.two_times)
            raise FmbenchError(
                f"method {request.method.name!r} needs a network of two times, and network.name = {network.name!r} "
                f"takes one; choose from: {able}"
            )
        module: nn.Module = network.load()(shape, **request.network.options, **conditions, **asked)
        check(network.name, module, shape, **conditions, **asked)
        return module

    task = Task(
        shape=dataset.shape,
        data_rms=dataset.rms(),
        network=build_network,
        size=len(dataset.train),
        bounds=dataset.transform.bounds,
        classes=classes,
        label_dropout=request.train.label_dropout,
        given=given,
        sampler=lambda name: plugins.samplers.get(name).load(),
        dataset=lambda name: load_dataset(plugins.datasets.get(name)),
    )
    reseed(torch.device("cpu"), request.seed, "initialise")
    method = plugins.methods.get(request.method.name).load()(task, **request.method.options)
    if not isinstance(method, Method):
        raise TypeError(f"method {request.method.name!r} is a {type(method).__name__}, not a fmbench.api.Method")
    return method


def load_averaged(method: Method, directory: RunDirectory, device: torch.device) -> Method:
    """The method with the averaged weights of the last checkpoint, ready to be scored.

    Raises:
        FmbenchError: the checkpoint is gone.
    """
    state = checkpoints.load(directory.checkpoints, device)
    if state is None:
        raise FmbenchError("its checkpoints were removed: delete the run's directory to train again")
    return averaged(method, state, device)


def averaged(method: Method, state: dict[str, Any], device: torch.device) -> Method:
    """The method with the buffers and the averaged weights of a checkpoint or snapshot, ready to be scored."""
    method = method.to(device)
    whole = state["average"] is None
    method.load_state_dict(state["method"], strict=whole)  # a snapshot has only the buffers
    if not whole:
        assign_averages(method, state["average"])
    return method.eval().requires_grad_(requires_grad=False)
