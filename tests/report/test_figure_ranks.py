"""Places by a number, as far as the seeds tell."""

from __future__ import annotations

import pytest

from fmbench.errors import FmbenchError
from fmbench.report.figures import Order, draw, style
from tests.report.made_up import methods

NLL = {
    "fm-ot": [1.0, 1.1, 1.2],
    "ddpm": [1.05, 1.1, 1.25],
    "edm": [3.0, 3.1, 3.2],
    "i-resnet": [0.1, 0.1, 0.2],
    "gmm": [0.5, 0.5, 0.5],
}


@pytest.fixture
def store(tmp_path):
    return methods(
        tmp_path / "results", {name: {"nll": values} for name, values in NLL.items()}, **{"i-resnet": "truncated"}
    )


def bars(axes):
    """From which place to which, by row from the top."""
    names = [text.get_text() for text in axes.get_yticklabels()]
    spans = {int(line.get_ydata()[0]): tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2}
    return {name: spans[place] for place, name in enumerate(names)}


def test_each_bar_is_the_places_that_a_row_may_have_the_best_on_top(store):
    (axes,) = draw("ranks", Order(store, "digits", number="nll")).axes
    assert bars(axes) == {"fm-ot": (1, 2), "ddpm": (1, 2), "edm": (3, 3)}
    assert list(bars(axes)) == ["fm-ot", "ddpm", "edm"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # from the top
    assert [text.get_text() for text in axes.texts] == ["1.100 ± 0.248", "1.133 ± 0.259", "3.100 ± 0.248"]


def test_where_more_is_better_the_largest_is_on_top(tmp_path):
    recall = {"fm-ot": [0.5, 0.51], "ddpm": [0.8, 0.81]}
    methods(tmp_path, {name: {"recall": values} for name, values in recall.items()})
    (axes,) = draw("ranks", Order(tmp_path, "digits", number="recall")).axes
    assert bars(axes) == {"ddpm": (1, 1), "fm-ot": (2, 2)}
    assert axes.get_xlabel() == "place by recall ↑"


def test_who_is_not_ranked_is_named(store):
    text = " ".join(draw("ranks", Order(store, "digits", number="nll")).get_supxlabel().split())
    assert "Controls are not ranked: gmm." in text
    assert "Biased, hence not ranked: i-resnet." in text


def test_one_seed_says_why_there_is_nothing(tmp_path):
    methods(tmp_path, {"fm-ot": {"fid": [1.0]}, "ddpm": {"fid": [2.0]}})
    with pytest.raises(FmbenchError, match="no ranks by FID on 'digits': they need two rows of two training seeds"):
        draw("ranks", Order(tmp_path, "digits"))


def test_a_number_without_a_direction_ranks_nobody(tmp_path):
    methods(tmp_path, {"fm-ot": {"nn-ratio": [1.0, 1.0]}, "ddpm": {"nn-ratio": [2.0, 2.0]}})
    with pytest.raises(FmbenchError, match="better neither high nor low"):
        draw("ranks", Order(tmp_path, "digits", number="nn-ratio"))


def test_the_same_store_gives_the_same_bytes(store, tmp_path):
    for name in ("a.svg", "b.svg"):
        style.save(draw("ranks", Order(store, "digits", number="nll")), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
