"""A stranger's numbers: each column right, or refused by name."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

from fmbench.data import table as module
from fmbench.errors import FmbenchError
from fmbench.registry.discovery import load_plugins
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, tiny_plan


def frame(n=40):
    chance = np.random.default_rng(0)
    return pd.DataFrame({"height": chance.normal(170, 10, n), "count": np.arange(n), "share": chance.uniform(size=n)})


def load(content, folder, columns="", test_every=4, name="it.csv"):
    path = folder / name
    if isinstance(content, pd.DataFrame):
        content.to_csv(path, index=False)
    else:
        path.write_text(content)
    return module.table(path=str(path), columns=columns, test_every=test_every)


def test_rows_and_columns_are_those_of_the_file(tmp_path):
    data = frame()
    dataset = load(data, tmp_path)
    held_out = np.arange(40) % 4 == 3
    torch.testing.assert_close(dataset.train, torch.from_numpy(data[~held_out].to_numpy(float)))
    torch.testing.assert_close(dataset.test, torch.from_numpy(data[held_out].to_numpy(float)))
    assert load(data, tmp_path, columns="share, height").test[:, 1].tolist() == data["height"][held_out].tolist()


def test_each_column_of_the_training_rows_has_mean_zero_and_variance_one_in_model_space(tmp_path):
    dataset = load(frame(), tmp_path)
    x = dataset.transform.encode(dataset.train, torch.Generator())
    torch.testing.assert_close(x.mean(dim=0), torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(x.square().mean(dim=0), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(dataset.transform.decode(x), dataset.train)


def test_the_density_of_the_rows_is_that_of_the_points_times_the_jacobian(tmp_path):
    """log |dx/draw| by differentiation, and a Gaussian's density by both ways."""
    dataset = load(frame(), tmp_path)
    raw = dataset.test[0]
    jacobian = torch.autograd.functional.jacobian(
        lambda r: dataset.transform.encode(r[None], torch.Generator())[0], raw
    )
    assert dataset.transform.log_jacobian(3) == pytest.approx(float(torch.linalg.slogdet(jacobian).logabsdet))
    deviation = torch.tensor([3.0, 5.0, 7.0], dtype=torch.float64)
    assert module.Columns((0.0,) * 3, tuple(deviation.tolist())).log_jacobian(3) == pytest.approx(-math.log(105))


def test_parquet_is_as_csv(tmp_path):
    frame().to_parquet(tmp_path / "it.parquet")
    found = module.table(path=str(tmp_path / "it.parquet"), columns="", test_every=4)
    torch.testing.assert_close(found.train, load(frame(), tmp_path).train)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"count": 3}, "column count is constant in the training rows; leave it out: .*columns=height,share"),
        ({"count": ["a"] * 40}, "column count is not numeric; leave it out: .*columns=height,share"),
        ({"count": [1, 2, None] + [4] * 37}, "column count misses values, first in row 3"),
        ({"count": [math.inf] + [4] * 39}, "column count has infinite values"),
    ],
)
def test_a_column_that_is_none_is_named(tmp_path, change, text):
    with pytest.raises(FmbenchError, match=text):
        load(frame().assign(**change), tmp_path)
    assert load(frame().assign(**change), tmp_path, columns="height,share").shape == (2,)


@pytest.mark.parametrize(
    ("content", "said", "text"),
    [
        ("1.0,2.0\n3.0,4.0\n", {}, "its first line has numbers, which would be lost"),
        ("", {}, r"cannot be read as a table \(.*No columns"),
        ('a,b\n1,2,3\n"', {}, "cannot be read as a table"),
        ("a\n1\n2\n3\n", {}, "3 rows leave 3 for train and 0 for test; give more"),
        ("height\n1\n2\n", {"columns": "hight"}, "height"),
        ("a\n1\n", {"name": "it.txt"}, r"is no \.csv or \.parquet file"),
        ("no parquet", {"name": "it.parquet"}, "cannot be read as a table"),
    ],
)
def test_a_file_that_is_none_is_told_in_one_line(tmp_path, content, said, text):
    with pytest.raises(FmbenchError, match=text) as error:
        load(content, tmp_path, **said)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FmbenchError, match="No such file"):
        module.table(path=str(tmp_path / "absent.csv"), columns="", test_every=4)


def test_a_method_is_trained_and_measured_on_them(tmp_path):
    frame(80).to_csv(tmp_path / "mine.csv", index=False)
    plugins = load_plugins(environ={})
    said = (f"data.table.path={tmp_path / 'mine.csv'}", "data.table.test_every=2")
    (run,) = tiny_plan(*said, plugins=plugins, methods=["fm-ot"], dataset="table", metrics=["nll", "nfe"])
    carry_out([run], tmp_path / "results", plugins)
    found = {record.name: record for record in RunDirectory.of(tmp_path / "results", run).metrics()}
    assert found["nll"].n == 40
    assert found["nfe"].value > 0
