"""Whether the code that there is now trains a stored run as it was trained: its first steps, taken again.

Digests say that code changed; the losses say whether that matters. What comes out is written into the run's env.json.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fmbench import provenance
from fmbench.errors import describe
from fmbench.execution import Execution
from fmbench.progress import Progress
from fmbench.registry.plugins import Plugins
from fmbench.request.resolution import absent
from fmbench.request.schema import TrainingRequest
from fmbench.run.agreement import REMEDY, TOLERANCE, Curve, Verdict, apart, apart_at, closeness, compare, curve_of
from fmbench.run.stages import session_for
from fmbench.run.worker import choose_device
from fmbench.seeding import generators_kept
from fmbench.store.locks import run_lock
from fmbench.store.run import RunDirectory
from fmbench.store.staleness import note_data, parts_of_training
from fmbench.training import checkpoints
from fmbench.training.interrupts import Interrupted
from fmbench.training.loop import Trainer
from fmbench.training.pace import FirstSteps
from fmbench.training.precision import products
from fmbench.training.session import TrainingSession

NUDGE = 1e-7  # relative, of weights: the last bit of most of them
KIND = ("device", "gpu", "processor", "threads", "packages")
"""Of env.json: what decides the last bits of a loss besides the code."""


@dataclass(frozen=True)
class Verification:
    """Trains the first steps of stored runs again.

    Args:
        plugins: where their parts come from.
        steps: how many, or as many as there are until the first line of a log.
        teachers: whether teachers are trained again, in full, for the methods that have one.
        renew: whether runs are verified that were already, with the code that there is now.
    """

    plugins: Plugins
    steps: int
    teachers: bool = False
    renew: bool = False

    def verify(self, directory: RunDirectory, progress: Progress) -> Verdict:
        """Train the first steps of a run again in a folder of their own, and write down whether the losses agree.

        Raises:
            KeyboardInterrupt: Ctrl-C; nothing is written of this run.
            BusyError: another process carries the run out.
            FmbenchError: the store cannot be read or written.
        """
        request, known = directory.request(), directory.environment()
        reason = self._hindrance(request, directory, known)
        if reason:
            return Verdict("skipped", reason)
        code = self.plugins.code.of(parts_of_training(request, self.plugins))
        verified = known.get("verified", {})
        if verified.get("agrees") and verified["code"] == code and not self.renew:
            return Verdict("skipped", "was verified with this code already")
        if not comparable(directory):
            return vouched(directory, code)
        threading = threads(known["train"].get("threads"))
        with run_lock(directory.path / "run.json"), threading, products("float32"), generators_kept():
            try:
                return self._repeat(request, directory, known, code, progress)
            except Interrupted as stop:
                raise KeyboardInterrupt from stop
            except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
                return Verdict("failed", f"cannot be trained again: {describe(error)}")

    def _hindrance(self, request: TrainingRequest, directory: RunDirectory, known: dict[str, Any]) -> str:
        """Why a run cannot be trained again as it was; "" where it can."""
        plugins, train = self.plugins, known.get("train", {})
        lacking = [name for _, name in absent(request, plugins)]
        if lacking:
            return f"no plugin here offers {' or '.join(lacking)}: give --plugin"
        if not train:
            return "nobody has begun it yet"
        if not comparable(directory):
            return ""  # another seed may vouch for it
        if request.budget is not None and request.budget.seconds is not None:
            return "its budget is in seconds: its learning rate followed the clock"
        if train.get("devices", 1) > 1:
            return f"{train['devices']} devices trained it together"
        if train["device"] == "cuda" and not torch.cuda.is_available():
            return "a GPU trained it, and none is here"
        if plugins.methods.get(request.method.name).teacher and not self.teachers:
            return "its teacher would have to be trained again first, in full: --teachers does"
        return ""

    def _repeat(
        self,
        request: TrainingRequest,
        directory: RunDirectory,
        known: dict[str, Any],
        code: dict[str, str],
        progress: Progress,
    ) -> Verdict:
        summary = directory.training()
        execution = Execution(
            choose_device(known["train"]["device"]),
            checkpoint_seconds=math.inf,
            micro_batches=summary.micro_batches if summary else 1,
        )
        session = session_for(request, self.plugins, execution, progress)
        data = session.dataset.content()
        note_data(directory, data)
        if known.get("train", {}).get("data", data) != data:
            return Verdict("differs", f"the data of {request.dataset.name} are others than it was trained on; {REMEDY}")
        spec = self.plugins.methods.get(request.method.name)
        now = provenance.environment(spec.factory, self.plugins.methods.origin(spec.name), execution)
        bits = now["device"] == "cpu" and all(known["train"].get(key) == now[key] for key in KIND)
        curve = curve_of(directory)
        if curve:
            steps = max((step for step in curve if step <= self.steps), default=min(curve))
            verdict = self._retrace(session, request, {step: curve[step] for step in curve if step <= steps}, bits=bits)
        else:
            verdict = self._fit(session, request, directory, 0.0 if bits else TOLERANCE)
        about = {"code": code, "data": data, "steps": verdict.steps, "agrees": verdict.outcome == "agrees"}
        kind = {"git": now["git"], "processor": now["processor"], "torch": now["packages"]["torch"]}
        at = datetime.now(UTC).isoformat(timespec="seconds")
        directory.set_environment("verified", {**about, "difference": verdict.difference, **kind, "at": at})
        return verdict

    def _retrace(self, session: TrainingSession, request: TrainingRequest, stored: Curve, *, bits: bool) -> Verdict:
        """Compare the losses of the first steps; to the bit, or else those that last bits do not decide."""
        steps = max(stored)
        found = self._train(session, request, steps)
        verdict = compare(stored, found, 0.0 if bits else TOLERANCE)
        if bits or verdict.outcome == "agrees" or len(stored) == 1:
            return verdict
        nudged = self._train(session, request, steps, nudge=NUDGE)
        vague = min((step for step in stored if apart_at(step, found, nudged) > TOLERANCE), default=math.inf)
        sure = {step: losses for step, losses in stored.items() if step < vague}
        if not sure or len(sure) == len(stored):
            return verdict
        verdict = compare(sure, found, TOLERANCE)
        return replace(verdict, text=f"{verdict.text} (from step {vague} on last bits decide)")

    def _train(self, session: TrainingSession, request: TrainingRequest, steps: int, *, nudge: float = 0.0) -> Curve:
        """The losses of the first steps; `nudge` is by how much the weights to begin with are changed."""
        with tempfile.TemporaryDirectory() as folder:
            place = RunDirectory(Path(folder))
            method = session.build(request)
            cost = session.prepare(request, method, place)
            for weights in method.parameters() if nudge else ():
                weights.data.mul_(1 + nudge)
            trainer = Trainer(request, method, session.dataset, place, session.execution, cost)
            trainer.rule = FirstSteps(trainer.rule, steps)
            trainer.run(session.progress)
            return curve_of(place)

    def _fit(
        self, session: TrainingSession, request: TrainingRequest, directory: RunDirectory, tolerance: float
    ) -> Verdict:
        """Compare what a method is that makes no steps, once prepared, with its checkpoint."""
        kept = checkpoints.load(directory.checkpoints, session.device)
        with tempfile.TemporaryDirectory() as folder:
            method = session.build(request)
            session.prepare(request, method, RunDirectory(Path(folder)))
        stored: Mapping[str, Tensor] = kept["method"] if kept else {}
        now = method.state_dict()
        if kept is None or kept["average"] is not None or stored.keys() != now.keys():
            return Verdict("differs", f"its checkpoint has other weights than the method has now; {REMEDY}")
        worst = max((apart(stored[name], now[name]) for name in stored), default=0.0)
        if worst > tolerance:
            return Verdict("differs", f"fitted again, it is another by {worst:.1e}, relatively; {REMEDY}", worst)
        return Verdict("agrees", f"agrees {closeness(worst)}, fitted again", worst)


def comparable(directory: RunDirectory) -> bool:
    """Whether there is anything left of a training to compare with."""
    return bool(curve_of(directory)) or any(directory.checkpoints.glob("*.pt"))


def vouched(directory: RunDirectory, code: dict[str, str]) -> Verdict:
    """A run of which only numbers are left is as another seed that the same code trained, if that one was verified."""
    mine = directory.environment()
    for folder in sorted(directory.path.parent.glob("seed-*")):
        other = RunDirectory(folder).environment()
        verified = other.get("verified", {})
        if verified.get("agrees") and verified["code"] == code and same_code(mine["train"], other["train"]):
            directory.set_environment("verified", {**verified, "by": folder.name})
            return Verdict("agrees", f"has no log; the code that trained it trained {folder.name}, which agrees")
    return Verdict("skipped", "nothing to compare: it has neither a line in train.jsonl nor a checkpoint")


def same_code(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two runs were trained by the same code; of old ones only the file of the method is known."""
    if "code" in one or "code" in other:
        return bool(one.get("code") == other.get("code"))
    return bool(one["plugin"]["source_sha256"] == other["plugin"]["source_sha256"])


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute with as many threads as the run did: sums in parts have other last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
