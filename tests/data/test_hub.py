"""Datasets of Hugging Face's format through its real package, from local folders."""

from __future__ import annotations

import sys

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from fmbench.data import hub as module
from fmbench.errors import FmbenchError
from tests.helpers import tiny_plan

DEFAULTS = {"config": "", "column": "", "size": 0, "crop": "center", "colour": "auto", "test_every": 2}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FMBENCH_OFFLINE", "1")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    datasets.disable_progress_bars()


def pictures(n, begin=0):
    return [Image.fromarray(np.full((8, 8), begin + i, np.uint8)) for i in range(n)]


def part(images, **more):
    kinds = {"image": datasets.Image(), **{key: datasets.Value("int64") for key in more}}
    return datasets.Dataset.from_dict({"image": images, **more}, features=datasets.Features(kinds))


def load(path, **said):
    return module.hf(path=str(path), **{**DEFAULTS, **said})


def values(split):
    return split[:, 0, 0, 0].tolist()


def test_splits_of_a_saved_dataset_are_those_that_it_has(tmp_path):
    both = datasets.DatasetDict(train=part(pictures(5), label=list(range(5))), test=part(pictures(2, 50), label=[0, 1]))
    both.save_to_disk(tmp_path / "saved")
    dataset = load(tmp_path / "saved")
    assert (values(dataset.train), values(dataset.test)) == ([0, 1, 2, 3, 4], [50, 51])
    assert (dataset.shape, dataset.train.dtype) == ((1, 8, 8), torch.uint8)


def test_without_a_test_split_every_so_manieth_is_held_out(tmp_path):
    part(pictures(5)).save_to_disk(tmp_path / "saved")
    dataset = load(tmp_path / "saved")
    assert (values(dataset.train), values(dataset.test)) == ([0, 2, 4], [1, 3])


def test_a_folder_of_pictures_with_its_splits(tmp_path):
    for split, n in (("train", 3), ("test", 2)):
        (tmp_path / "folder" / split).mkdir(parents=True)
        for i, picture in enumerate(pictures(n, 10 * n)):
            picture.save(tmp_path / "folder" / split / f"{i}.png")
    dataset = load(tmp_path / "folder")
    assert (values(dataset.train), values(dataset.test)) == ([30, 31, 32], [20, 21])


def test_other_pictures_are_prepared_anew(tmp_path):
    part(pictures(4)).save_to_disk(tmp_path / "saved")
    assert values(load(tmp_path / "saved").train) == [0, 2]
    part(pictures(4, 7)).save_to_disk(tmp_path / "other")
    assert values(load(tmp_path / "other").train) == [7, 9]


def test_the_column_is_chosen(tmp_path):
    kinds = datasets.Features({"a": datasets.Image(), "b": datasets.Image(), "c": datasets.Value("int64")})
    two = {"a": pictures(4), "b": pictures(4, 20), "c": [1, 2, 3, 4]}
    datasets.Dataset.from_dict(two, features=kinds).save_to_disk(tmp_path / "saved")
    assert values(load(tmp_path / "saved", column="b").train) == [20, 22]
    for wrong in ("", "c"):
        with pytest.raises(FmbenchError, match=r"say which column has the pictures by data\.hf\.column; .*: a, b"):
            load(tmp_path / "saved", column=wrong)


def test_a_dataset_without_pictures(tmp_path):
    datasets.Dataset.from_dict({"text": ["a", "b"]}).save_to_disk(tmp_path / "saved")
    with pytest.raises(FmbenchError, match="those of pictures: none, but text"):
        load(tmp_path / "saved")


def test_a_broken_picture_is_named(tmp_path):
    broken = datasets.Dataset.from_dict({"image": [{"bytes": b"no picture", "path": None}] * 4})
    broken.cast_column("image", datasets.Image()).save_to_disk(tmp_path / "saved")
    with pytest.raises(FmbenchError, match="00000000: cannot be read as a picture"):
        load(tmp_path / "saved")


def test_a_name_that_hub_and_folder_both_have_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    with pytest.raises(FmbenchError, match=r"'mnist': may be a name of the hub, .*: write \./mnist for the folder"):
        load("mnist")


def test_what_cannot_be_had_is_told_in_one_line(tmp_path):
    for path in ("./absent", "nobody/nothing-of-this-name"):
        with pytest.raises(FmbenchError, match=rf"dataset hf: {path} cannot be had") as error:
            load(path)
        assert "\n" not in str(error.value)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(FmbenchError, match="needs the package datasets, which is not here: pip install datasets"):
        load("./it")


def test_that_no_path_was_given_is_told_before_anything_is_written():
    with pytest.raises(FmbenchError, match=r"^hf needs data\.hf\.path: a name on the hub"):
        tiny_plan("network.name=mlp", methods=["fm-ot"], dataset="hf")
