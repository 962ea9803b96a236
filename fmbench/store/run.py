"""One run's directory: paths, records, and finding every run of a store."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import Any, Literal

from fmbench.errors import FmbenchError
from fmbench.registry.specs import Scalar
from fmbench.request.schema import DEFAULT_SLUG, RunRequest, TrainingRequest, label_of
from fmbench.store import files
from fmbench.store.measurements import Line, latest
from fmbench.store.migrations import SCHEMA, upgrade
from fmbench.store.parsing import parse, parse_lines, split
from fmbench.store.records import (
    JobRecord,
    MeasuredT,
    MetricRecord,
    RecordT,
    RunRecord,
    StatusRecord,
    TableRecord,
    TrainingSummary,
)

BENCH = ".bench"  # the folder of a store where `fmbench bench` keeps its runs; no table finds it
SEED = re.compile(r"seed-\d+")
Configuration = tuple[str, str, str]
Half = Literal["train", "evaluate", "verified", "seen"]
"""Of env.json: who trained and who measured; with which code the training was repeated; which data was last loaded."""


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
    def seed(self) -> int:
        """The seed of its training."""
        return int(self.path.name.removeprefix("seed-"))

    @property
    def method(self) -> str:
        """Name of its method."""
        return self.path.parts[-3]

    @property
    def configuration(self) -> Configuration:
        """Dataset, method and config id, which its seeds share; a slug may spell the same overrides in two ways."""
        *_, dataset, method, folder, _ = self.path.parts
        return dataset, method, folder.rpartition("-")[2]

    @property
    def slug(self) -> str:
        """How its request differs from the defaults, as its folder spells it; DEFAULT_SLUG if it does not."""
        return self.path.parent.name.rpartition("-")[0]

    @property
    def title(self) -> str:
        """Which run it is, for people."""
        dataset, method, _ = self.configuration
        apart = "" if self.slug == DEFAULT_SLUG else f" ({self.slug})"
        return f"{method} on {dataset}, seed {self.seed}{apart}"

    @property
    def checkpoints(self) -> Path:
        """Folder of the weights."""
        return self.path / "checkpoints"

    @property
    def snapshots(self) -> Path:
        """Folder of averaged weights kept during training, where any were asked for."""
        return self.path / "snapshots"

    @property
    def teacher(self) -> Path:
        """Folder of the training of its teacher, where the method has one."""
        return self.path / "teacher"

    @property
    def samples(self) -> Path:
        """Folder of generated samples."""
        return self.path / "samples"

    @property
    def pictures(self) -> Path:
        """Folder of what metrics leave for pictures."""
        return self.path / "pictures"

    def samples_by(self, sampler: str, steps: int, overrides: Mapping[str, Scalar]) -> Path:
        """The file of the samples of an evaluation.

        Args:
            sampler: that drew them.
            steps: in which; 0 of an adaptive one.
            overrides: how the evaluation differs from the default one, by dotted key.
        """
        apart = {key: value for key, value in overrides.items() if key.startswith("sampler.")}
        for shared in ("name", "steps", "samples", "draws"):  # in the file's name, or the first samples are the same
            apart.pop(f"sampler.{shared}", None)
        return self.samples / f"{'-'.join(filter(None, [sampler, str(steps or ''), label_of(apart)]))}.npy"

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
        return self._find("training.json", TrainingSummary)

    def set_training(self, summary: TrainingSummary) -> None:
        """Write training.json."""
        files.write_json(self.path / "training.json", summary.dump())

    def set_environment(self, half: Half, environment: dict[str, Any]) -> None:
        """Write down in env.json who answered, for one half of the run; the other entries stay."""
        files.write_json(self.path / "env.json", {"schema": SCHEMA, **self.environment(), half: environment})

    def environment(self) -> dict[str, Any]:
        """env.json: who answered, by half; empty where nobody has yet."""
        path = self.path / "env.json"
        return upgrade(files.read_json(path), path) if path.exists() else {}

    def trained_by(self) -> str | None:
        """Digest of the file of the method's code that trained it, or None where nobody has yet."""
        digest = self.environment().get("train", {}).get("plugin", {}).get("source_sha256")
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

    def adopt_environment(self, other: RunDirectory) -> None:
        """Take over the halves of env.json that another copy of the run has and this one has not."""
        known, found = {"schema": SCHEMA, **self.environment()}, other.environment()
        if found.keys() - known.keys():
            files.write_json(self.path / "env.json", {**found, **known})

    def metrics(self) -> list[MetricRecord]:
        """The numbers measured so far; of two measurements by one metric in one evaluation the later one counts."""
        return self._latest(MetricRecord)

    def numbers(self) -> list[TableRecord]:
        """The same, as a table reads them."""
        return self._latest(TableRecord)

    def lines(self) -> Iterator[Line]:
        """All of metrics.jsonl, but for lines that a crash tore."""
        path = self.path / "metrics.jsonl"
        return starmap(Line, split(MetricRecord, files.read_bytes(path) or b"", path))

    def add_metrics(self, records: Iterable[MetricRecord]) -> None:
        """Append the numbers of a measurement: all of them or none, for whoever finds one asks for no others."""
        files.add_lines(self.path / "metrics.jsonl", (record.dump() for record in records))

    def replace_lines(self, lines: Iterable[bytes]) -> None:
        """Replace metrics.jsonl."""
        content = b"".join(line + b"\n" for line in lines)
        files.write_bytes(self.path / "metrics.jsonl", content)

    def _latest(self, kind: type[MeasuredT]) -> list[MeasuredT]:
        path = self._at("metrics.jsonl")
        found = latest(parse_lines(kind, files.read_bytes(path) or b"", path))
        return [record for numbers in found.values() for record in numbers.values()]

    def _read(self, name: str, kind: type[RecordT]) -> RecordT:
        record = self._find(name, kind)
        if record is None:
            raise FmbenchError(f"{self.path / name} is not there: move the run's directory away and run again")
        return record

    def _at(self, name: str) -> str:
        """Path of a file; `Path` takes three times as long, which tells in a store of tens of thousands of files."""
        return os.path.join(self.path, name)  # noqa: PTH118

    def _find(self, name: str, kind: type[RecordT]) -> RecordT | None:
        path = self._at(name)
        content = files.read_bytes(path)
        return None if content is None else parse(kind, content, path)


def find_runs(root: Path, *datasets: str) -> Iterator[RunDirectory]:
    """Every run of a store, in a fixed order. Folders that hold no run are passed over.

    Args:
        root: the results directory.
        datasets: only theirs; all of them if none is named.

    Raises:
        FmbenchError: a folder cannot be read.
    """
    for data in [root / name for name in datasets] or subfolders(root):
        for method in subfolders(data):
            for configuration in subfolders(method):
                for seed in subfolders(configuration):
                    if SEED.fullmatch(seed.name) and is_run(seed):
                        yield RunDirectory(seed)


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's; `Path` takes twice as long, which tells in a store of thousands."""
    return os.path.isfile(os.path.join(folder, "run.json"))  # noqa: PTH113, PTH118


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, in a fixed order, hidden ones aside; none if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise FmbenchError(f"cannot read {folder}: {error.strerror or error}") from error
    return [folder / name for name in names]
