"""Your own numbers: the rows of a CSV or Parquet file, a column per coordinate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fmbench.data.base import Dataset, Transform
from fmbench.errors import FmbenchError, describe, unknown


@dataclass(frozen=True)
class Columns(Transform):
    """x = (raw - shift) / scale, column by column.

    Args:
        shift: of each column, its mean over the training rows.
        scale: of each column, its standard deviation over the training rows.
    """

    shift: tuple[float, ...]
    scale: tuple[float, ...]

    def encode(self, raw: Tensor, generator: torch.Generator, dtype: torch.dtype = torch.float64) -> Tensor:
        del generator
        return ((raw.double() - self._row(self.shift, raw)) / self._row(self.scale, raw)).to(dtype)

    def decode(self, x: Tensor) -> Tensor:
        return x * self._row(self.scale, x) + self._row(self.shift, x)

    def log_jacobian(self, dimension: int) -> float:
        del dimension
        return -math.fsum(map(math.log, self.scale))

    def _row(self, values: tuple[float, ...], like: Tensor) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=like.device)


def table(*, path: str, columns: str, test_every: int) -> Dataset:
    """The rows of a file, every so manieth of which is held out.

    Args:
        path: of the file, `.csv` (a line of names first) or `.parquet`.
        columns: the names of those to model, with commas between them; "" for all.
        test_every: which rows are held out, by their order.

    Raises:
        FmbenchError: it cannot be read, or a column, which is named, is not as it must be.
    """
    frame = read(Path(path))
    names = [name.strip() for name in columns.split(",") if name.strip()] or list(frame.columns)
    for name in names:
        if name not in frame.columns:
            raise unknown(f"column of {path}", name, frame.columns)
    check(frame[names], path)
    rows = torch.from_numpy(frame[names].to_numpy(np.float64, copy=True))
    held_out = torch.arange(len(rows)) % test_every == test_every - 1
    train, test = rows[~held_out], rows[held_out]
    if len(test) < 2 or len(train) < 2:
        raise FmbenchError(
            f"{path}: {len(rows)} rows leave {len(train)} for train and {len(test)} for test; give more, or change "
            "data.table.test_every"
        )
    scale = train.std(dim=0, correction=0)
    for name, spread in zip(names, scale.tolist(), strict=True):
        if not spread:
            raise FmbenchError(f"{path}: column {name} is constant in the training rows; {choose(names, [name])}")
    return Dataset(
        name="table",
        train=train,
        test=test,
        transform=Columns(tuple(train.mean(dim=0).tolist()), tuple(scale.tolist())),
        where=path,
    )


def read(path: Path) -> pd.DataFrame:
    """What a file holds; the names of its columns as text.

    Raises:
        FmbenchError: it is not there, is of another kind, or holds no table.
    """
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    if path.suffix.lower() not in readers:
        raise FmbenchError(f"{path}: is no {' or '.join(readers)} file")
    try:
        frame = readers[path.suffix.lower()](path)
    except ImportError as error:
        raise FmbenchError(f"{path}: to read Parquet needs pyarrow, which is not here: pip install pyarrow") from error
    except (OSError, ValueError) as error:  # pandas' own errors of parsing are ValueErrors, and so are pyarrow's
        raise FmbenchError(f"{path}: cannot be read as a table ({describe(error)})") from error
    frame.columns = frame.columns.astype(str)
    if path.suffix.lower() == ".csv" and len(frame.columns) and all(map(is_number, frame.columns)):
        raise FmbenchError(f"{path}: its first line has numbers, which would be lost: write the names of the columns")
    return frame


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def check(frame: pd.DataFrame, path: str) -> None:
    """Whether each column is of finite numbers.

    Raises:
        FmbenchError: one is not.
    """
    names = list(frame.columns)
    for name in names:
        column = frame[name]
        if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_complex_dtype(column):
            bad = [other for other in names if not pd.api.types.is_numeric_dtype(frame[other])]
            raise FmbenchError(f"{path}: column {name} is not numeric; {choose(names, bad)}")
        if column.isna().any():
            row = int(column.isna().to_numpy().argmax()) + 1
            raise FmbenchError(f"{path}: column {name} misses values, first in row {row}: fill or leave out such rows")
        if not np.isfinite(column.to_numpy(np.float64)).all():
            raise FmbenchError(f"{path}: column {name} has infinite values: leave out such rows")


def choose(names: Sequence[str], bad: Sequence[str]) -> str:
    """How to leave columns out."""
    good = [name for name in names if name not in bad]
    return f"leave it out: --set data.table.columns={','.join(good)}" if good else "no column is left"
