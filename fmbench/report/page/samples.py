"""What the methods of a dataset draw, and how they get there: the samples and flows of the first seed of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmbench.report import portraits
from fmbench.report.page import pictures
from fmbench.report.page.pictures import Board, Frame, Points
from fmbench.report.table import Row
from fmbench.store.run import RunDirectory


@dataclass(frozen=True)
class Samples:
    """What a dataset's methods draw, by the place of the row; of its first seed.

    Args:
        boards: of images.
        scatters: of points.
        frame: of the plane, where there are points.
    """

    boards: Mapping[int, Board]
    scatters: Mapping[int, Points]
    frame: Frame | None


@dataclass(frozen=True)
class Motions:
    """Points on their way from noise to data, by the place of the row.

    Args:
        paths: of points, with all frames.
        target: true points.
    """

    paths: Mapping[int, Points]
    target: Points | None


def samples_file(run: RunDirectory, row: Row) -> Path:
    """Where a run keeps the samples of a row."""
    return run.samples_by(row.sampler.get("name", ""), row.sampler.get("steps", 0), row.overrides)


def samples_of(paths: Sequence[Path]) -> Samples:
    """The pictures of the files that are there."""
    images: dict[int, np.ndarray] = {}
    points: dict[int, np.ndarray] = {}
    places = {"image": images, "points": points}
    for place, path in enumerate(paths):
        samples = pictures.load(path) if path.is_file() else np.empty(0)
        places.get(pictures.kind_of(samples), {})[place] = samples
    frame = pictures.frame_of(list(points.values())) if points else None
    scatters = {place: pictures.scatter(cloud, frame, len(points)) for place, cloud in points.items() if frame}
    return Samples(pictures.boards(images), scatters, frame)


def motions_of(runs: Sequence[RunDirectory]) -> Motions:
    """The flows that metric `portrait` recorded, given the first run of each row; rows may share one."""
    files = {run: file for run in runs for file in [portraits.file_of(run)] if file is not None}
    found = {runs.index(run): portraits.load(file, "", run) for run, file in files.items()}
    flows = {place: portrait for place, portrait in found.items() if portrait.points is not None and portrait.flows}
    if not flows:
        return Motions({}, None)
    first = next(iter(flows.values()))
    low, high = first.window.T.tolist()
    frame = Frame((low[0], low[1]), (high[0], high[1]))
    paths = {
        place: pictures.motion(portrait.points, frame, len(flows))
        for place, portrait in flows.items()
        if portrait.points is not None
    }
    return Motions(paths, pictures.quantised(first.data[None], frame))
