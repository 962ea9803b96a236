"""From a request to trained weights: build the method, train its teacher, prepare it, train it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import torch

from fmbench import checkpoints, provenance
from fmbench.config import Component, TrainingRequest
from fmbench.data.base import Dataset
from fmbench.errors import FmbenchError
from fmbench.method import Method, Preparation, Task
from fmbench.plugins import Plugins
from fmbench.progress import Watcher
from fmbench.seeding import derive, stream
from fmbench.store.records import TrainingSummary
from fmbench.store.run import RunDirectory
from fmbench.train import Charge, Trainer
from fmbench.weights import FlatWeights


@dataclass(frozen=True)
class Runtime:
    """How a run is carried out; nothing here may change a number on the same kind of device.

    Args:
        device: "cpu" or "cuda".
        checkpoint_seconds: longest stretch of training that a crash may lose.
        snapshots: how many times, evenly over the steps, to keep the averaged weights for the learning curve.
        renew: whether to measure again what is there already.
    """

    device: str
    checkpoint_seconds: float = 30.0
    snapshots: int = 0
    renew: bool = False


@dataclass(frozen=True)
class School:
    """What every training of a run shares, the teacher's and its own."""

    dataset: Dataset
    plugins: Plugins
    runtime: Runtime
    watcher: Watcher

    def build(self, request: TrainingRequest) -> Method:
        """The method with fresh weights, which depend on the seed alone."""
        method = build(request, self.dataset, self.plugins)
        return method.to(self.runtime.device)

    def train(self, request: TrainingRequest, method: Method, directory: RunDirectory) -> None:
        """Train to the end of the budget, from the last checkpoint if there is one; nothing if that is done.

        Raises:
            DivergedError: a loss was not finite.
            Interrupted: Ctrl-C; a checkpoint was written.
        """
        if directory.training() is not None:
            return
        charge = self._prepare(request, method, directory)
        if not any(parameter.requires_grad for parameter in method.parameters()):
            self._keep_fitted(method, directory, charge)
            return
        runtime = self.runtime
        trainer = Trainer(
            request,
            method,
            self.dataset,
            directory,
            device=runtime.device,
            checkpoint_seconds=runtime.checkpoint_seconds,
            snapshots=runtime.snapshots,
            charge=charge,
        )
        trainer.run(self.watcher)

    def _prepare(self, request: TrainingRequest, method: Method, directory: RunDirectory) -> Charge:
        """What the method does before its first step, and what that cost."""
        teacher, charge = None, Charge()
        name = self.plugins.methods.get(request.method.name).teacher
        if name:
            spec = self.plugins.methods.get(name)
            options = {key: option.default for key, option in spec.options.items()}
            asked = request.model_copy(update={"method": Component(name=name, options=options)})
            place = RunDirectory(directory.teacher)
            teacher = self.build(asked)
            self.train(asked, teacher, place)
            teacher = load_averaged(teacher, place, torch.device(self.runtime.device))
            summary = place.training()
            if summary:
                charge = Charge(summary.seconds, summary.images, summary.flops or 0.0)
        begun = time.perf_counter()
        if type(method).prepare is not Method.prepare:
            device = self.runtime.device
            self.watcher.stage("prepare", 1)
            x = self.dataset.transform.encode(
                self.dataset.train.to(device), stream(device, request.seed, "prepare", "data"), torch.float32
            )
            generator = stream(device, request.seed, "prepare")
            method.prepare(Preparation(x, generator, request.train.batch_size, teacher))
        return replace(charge, seconds=charge.seconds + time.perf_counter() - begun)

    def _keep_fitted(self, method: Method, directory: RunDirectory, charge: Charge) -> None:
        """A method without trainable parameters is done once prepared: it has seen each training point once."""
        checkpoints.save(directory.checkpoints, 0, {"method": method.state_dict(), "average": None})
        images = len(self.dataset.train)
        directory.set_training(
            TrainingSummary(
                params=0,
                seconds=charge.seconds,
                images=images,
                images_per_second=images / charge.seconds,
                peak_memory_bytes=provenance.peak_memory(self.runtime.device),
                final_loss=None,
            )
        )


def build(request: TrainingRequest, dataset: Dataset, plugins: Plugins) -> Method:
    """The method with fresh weights, which depend on the seed alone."""
    network = plugins.networks.get(request.network.name)
    classes = plugins.datasets.get(request.dataset.name).classes if request.train.conditional else 0
    conditions = {"classes": classes} if classes else {}
    task = Task(
        shape=dataset.shape,
        data_rms=dataset.rms(),
        network=lambda shape: network.load()(shape, **request.network.options, **conditions),
        size=len(dataset.train),
        bounds=dataset.transform.bounds,
        classes=classes,
        label_dropout=request.train.label_dropout,
    )
    torch.manual_seed(derive(request.seed, "initialise"))
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
        FlatWeights(method).assign(state["average"])
    return method.eval().requires_grad_(requires_grad=False)
