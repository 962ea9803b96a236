"""One run's directory: paths, records, and finding every run of a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from fmbench.config import RunRequest, TrainingRequest, canonical
from fmbench.errors import FmbenchError
from fmbench.store import files
from fmbench.store.migrations import SCHEMA, upgrade
from fmbench.store.records import JobRecord, MetricRecord, Record, RunRecord, StatusRecord, TrainingSummary

RecordT = TypeVar("RecordT", bound=Record)


@dataclass(frozen=True)
class RunDirectory:
    """results/<dataset>/<method>/<slug>-<config id>/seed-<s>/."""

    path: Path

    @classmethod
    def of(cls, root: Path, run: RunRequest) -> RunDirectory:
        """Where a run of the grid lives."""
        training = run.training
        folder = root / training.dataset.name / training.method.name
        return cls(folder / f"{run.slug}-{training.config_id}" / f"seed-{training.seed}")

    @property
    def checkpoints(self) -> Path:
        """Folder of the weights."""
        return self.path / "checkpoints"

    @property
    def snapshots(self) -> Path:
        """Folder of averaged weights kept during training, where any were asked for."""
        return self.path / "snapshots"

    @property
    def samples(self) -> Path:
        """Folder of generated samples."""
        return self.path / "samples"

    @property
    def log(self) -> Path:
        """Where the traceback of a failure goes."""
        return self.path / "log.txt"

    @property
    def output(self) -> Path:
        """What its process wrote to the standard output and error."""
        return self.path / "output.txt"

    @property
    def train_log(self) -> Path:
        """One line every few steps of training."""
        return self.path / "train.jsonl"

    def exists(self) -> bool:
        """Whether anything was asked of it."""
        return (self.path / "run.json").exists()

    def create(self, run: RunRequest) -> None:
        """Write down what is asked, unless it already stands there."""
        if self.exists():
            return
        training = run.training
        record = RunRecord(
            id=training.id, config_id=training.config_id, request=training, overrides=run.overrides, family=run.family
        )
        self.set_status(StatusRecord(state="queued", steps=training.train.steps))
        files.write_json(self.path / "run.json", record.dump())

    def record(self) -> RunRecord:
        """run.json."""
        return self._read("run.json", RunRecord)

    def request(self) -> TrainingRequest:
        """What was asked."""
        return self.record().request

    def status(self) -> StatusRecord:
        """status.json."""
        return self._read("status.json", StatusRecord)

    def set_status(self, status: StatusRecord) -> None:
        """Replace status.json."""
        files.write_json(self.path / "status.json", status.dump())

    def job(self) -> JobRecord:
        """job.json."""
        return self._read("job.json", JobRecord)

    def set_job(self, job: JobRecord) -> None:
        """Replace job.json."""
        files.write_json(self.path / "job.json", job.dump())

    def training(self) -> TrainingSummary | None:
        """training.json, once training has ended."""
        return self._read("training.json", TrainingSummary) if (self.path / "training.json").exists() else None

    def set_training(self, summary: TrainingSummary) -> None:
        """Write training.json."""
        files.write_json(self.path / "training.json", summary.dump())

    def set_environment(self, half: Literal["train", "evaluate"], environment: dict[str, Any]) -> None:
        """Write down in env.json who answered, for one half of the run; the other half's entry stays."""
        path = self.path / "env.json"
        known = upgrade(files.read_json(path), path) if path.exists() else {"schema": SCHEMA}
        files.write_json(path, {**known, half: environment})

    def trained_by(self) -> str | None:
        """Digest of the file of the method's code that trained it, or None where nobody has yet."""
        path = self.path / "env.json"
        known = files.read_json(path) if path.exists() else {}
        digest = known.get("train", {}).get("plugin", {}).get("source_sha256")
        return digest if isinstance(digest, str) else None

    def set_aside(self) -> None:
        """Move the directory to where no table finds it; nothing is deleted.

        Raises:
            FmbenchError: the file system refuses.
        """
        root = self.path.parents[3]
        place = root / ".replaced" / self.path.relative_to(root)
        twins = len(list(place.parent.glob(f"{place.name}*"))) if place.parent.exists() else 0
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            self.path.rename(place.with_name(f"{place.name}.{twins}"))
        except OSError as error:
            raise FmbenchError(f"cannot move {self.path}: {error.strerror or error}") from error

    def metrics(self) -> list[MetricRecord]:
        """The numbers measured so far; of two measurements by one metric in one evaluation the later one counts.

        An evaluation is known by what differs from the defaults, so one under the defaults of an older version gives
        way too.
        """
        latest: dict[tuple[str, str], tuple[str, dict[str, MetricRecord]]] = {}
        for line in files.read_lines(self.path / "metrics.jsonl"):
            record = self._parse(line, MetricRecord, "metrics.jsonl")
            key = record.metric, canonical(record.evaluation)
            measured_at, numbers = latest.get(key, ("", {}))
            if measured_at != record.measured_at:
                numbers = {}
            latest[key] = record.measured_at, {**numbers, record.name: record}
        return [record for _, numbers in latest.values() for record in numbers.values()]

    def add_metrics(self, records: Iterable[MetricRecord]) -> None:
        """Append numbers."""
        files.append_lines(self.path / "metrics.jsonl", (record.dump() for record in records))

    def _read(self, name: str, kind: type[RecordT]) -> RecordT:
        return self._parse(files.read_json(self.path / name), kind, name)

    def _parse(self, content: Any, kind: type[RecordT], name: str) -> RecordT:
        where = self.path / name
        if not isinstance(content, dict):
            raise FmbenchError(f"{where} is not a record of fmbench: move the run's directory away")
        try:
            return kind.model_validate(upgrade(content, where))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise FmbenchError(
                f"{where} is damaged at {key!r} ({first['msg']}): move the run's directory away"
            ) from error


def find_runs(root: Path, dataset: str = "*") -> Iterator[RunDirectory]:
    """Every run of a store, in a fixed order. Folders that hold no run are passed over."""
    for record in sorted(root.glob(f"{dataset}/*/*/seed-*/run.json")):
        yield RunDirectory(record.parent)
