"""Flows of points in the plane, from what metric portrait kept."""

from __future__ import annotations

import numpy as np
import pytest

from fmbench.errors import FmbenchError
from fmbench.report.figures import Order, draw, style
from fmbench.report.figures.flow import HEADS
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan
from tests.report.made_up import drawn

COLUMNS = len(HEADS)


def plan(*methods, seeds=(0,)):
    return tiny_plan(methods=list(methods), seeds=list(seeds), dataset="8gaussians", metrics=["nfe"])


@pytest.fixture
def order(tmp_path):
    return lambda *rows: Order(tmp_path, "8gaussians", rows)


def rows_of(picture):
    axes = picture.axes
    return [axes[start : start + COLUMNS] for start in range(0, len(axes), COLUMNS)]


def words(axis):
    return [text.get_text() for text in axis.texts if text.get_text()]


def offsets(axis):
    return axis.collections[0].get_offsets()


def test_a_row_a_method_in_the_order_asked_below_the_data(tmp_path, order):
    for run in plan("fm-ot", "ddpm", "ot-cfm"):
        drawn(tmp_path, run)
    rows = rows_of(draw("flow", order("ot-*", "fm-ot")))
    assert [row[0].get_ylabel() for row in rows] == ["data", "ot-cfm", "fm-ot"]
    assert [axis.get_title() for axis in rows[0]] == list(HEADS)


def test_points_stand_at_the_thirds_of_the_way(tmp_path, order):
    (run,) = plan("fm-ot")
    drawn(tmp_path, run)
    data, row = rows_of(draw("flow", order()))
    for place, axis in enumerate(row[1:5]):
        np.testing.assert_allclose(offsets(axis)[:, 0], place)
        assert axis.get_xlim() == (-4, 4)
    np.testing.assert_allclose(offsets(data[4])[:, 0], 3)
    assert len(row[5].lines) == 8
    np.testing.assert_allclose(row[5].lines[0].get_xdata()[[0, -1]], [0, 3])


def test_arrows_of_a_method_are_on_one_scale(tmp_path, order):
    (run,) = plan("fm-ot")
    drawn(tmp_path, run)  # the field at t = 1/3 is half as fast as at 2/3
    first, second = (axis.collections[0] for axis in rows_of(draw("flow", order()))[1][6:])
    np.testing.assert_allclose(first.U, 0.5)
    np.testing.assert_allclose(second.U, 1)


def test_densities_are_on_the_scale_of_the_true_one(tmp_path, order):
    (run,) = plan("fm-ot")
    drawn(tmp_path, run)
    data, row = rows_of(draw("flow", order()))
    (truth,), (learned,) = data[0].images, row[0].images
    assert truth.get_clim() == learned.get_clim()
    assert truth.get_clim()[1] == pytest.approx(truth.get_array().max())
    np.testing.assert_allclose(learned.get_array() ** 2, 2 * truth.get_array() ** 2)  # the made-up one is twice as high


def test_a_source_wider_than_the_window_has_a_scale_of_its_own_which_the_panel_says(tmp_path, order):
    (run,) = plan("ve-sde")
    way = np.linspace(100, 0, 25)[:, None, None] * np.array([[1.0, 1.0], [-1.0, -1.0]])
    drawn(tmp_path, run, points=way)
    row = rows_of(draw("flow", order()))[1]
    assert row[1].get_xlim()[1] == pytest.approx(100)
    assert words(row[1]) == ["25 × wider"]
    assert words(row[4]) == []
    assert row[4].get_xlim() == (-4, 4)


def test_what_a_method_has_not_is_named(tmp_path, order):
    flow, spline, score = plan("anode", "nsf", "smld")
    drawn(tmp_path, flow, density=None, field=None)
    drawn(tmp_path, spline, frames=1, field=None)
    drawn(tmp_path, score, points=None, density=None, field=None)
    rows = rows_of(draw("flow", order()))[1:]
    said = {row[0].get_ylabel(): [*(word for axis in row for word in words(axis))] for row in rows}
    assert said == {
        "anode": ["no density", "no field", "no field"],
        "nsf": ["no flow"],
        "smld": ["no density", "not solved", "no flow"],
    }
    np.testing.assert_allclose(offsets(rows[1][4])[:, 0], 3)


def test_the_first_seed_and_the_default_evaluation_are_shown(tmp_path, order):
    first, second = plan("fm-ot", seeds=[0, 1])
    drawn(tmp_path, first, "portrait-samples=100", points=None)
    drawn(tmp_path, first)
    drawn(tmp_path, second, points=None)
    assert words(rows_of(draw("flow", order()))[1][4]) == []
    (RunDirectory.of(tmp_path, first).pictures / "portrait.npz").unlink()
    assert words(rows_of(draw("flow", order()))[1][4]) == ["not solved"]


def test_densities_side_by_side(tmp_path, order):
    for run in plan("fm-ot", "nsf", "ddpm"):
        drawn(tmp_path, run)
    (run,) = plan("smld")
    drawn(tmp_path, run, density=None)
    axes = draw("density", order()).axes
    assert [axis.get_title() for axis in axes] == ["data", "true density", "ddpm", "fm-ot", "nsf"]
    assert len({axis.images[0].get_clim() for axis in axes[1:]}) == 1


def test_a_law_that_is_not_known_has_no_true_density(tmp_path, order):
    (run,) = plan("fm-ot")
    drawn(tmp_path, run, truth=None)
    assert [axis.get_title() for axis in draw("density", order()).axes] == ["data", "fm-ot"]
    assert not rows_of(draw("flow", order()))[0][0].images
    (run,) = plan("fm-ot")
    drawn(tmp_path, run, density=None)
    with pytest.raises(FmbenchError, match=r"no density of these methods on '8gaussians': 'fmbench plot samples'"):
        draw("density", order())


@pytest.mark.parametrize("kind", ["flow", "density"])
@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_store_gives_the_same_bytes(tmp_path, order, kind, suffix):
    for run in plan("fm-ot", "nsf"):
        drawn(tmp_path, run)
    for name in ("a", "b"):
        style.save(draw(kind, order()), tmp_path / f"{name}.{suffix}")
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_runs_without_a_portrait_name_the_command_that_takes_it(tmp_path, order):
    flow, other = plan("fm-ot", "ddpm")
    drawn(tmp_path, flow)
    directory = RunDirectory.of(tmp_path, other)
    directory.create(other)
    assert len(rows_of(draw("flow", order()))) == 2  # unasked, it is left out
    command = r"run 'fmbench eval --dataset 8gaussians --metrics portrait' first"
    with pytest.raises(FmbenchError, match=rf"no portrait of ddpm on '8gaussians' in .*: {command}"):
        draw("flow", order("fm-ot", "ddpm"))
    with pytest.raises(FmbenchError, match="no portrait of ddpm"):
        draw("flow", order("ddpm"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": None},
        {"points": np.zeros((25, 8, 3))},
        {"truth": np.full((4, 4), np.nan)},
        {"data": np.zeros((0, 2))},
    ],
)
def test_what_is_no_portrait_is_one_line(tmp_path, order, wrong):
    (run,) = plan("fm-ot")
    drawn(tmp_path, run, **wrong)
    with pytest.raises(FmbenchError, match=r"portrait.npz is no portrait: remove it"):
        draw("flow", order())


def test_a_store_without_any_does_not_list_all_its_methods(tmp_path, order):
    for run in plan("fm-ot", "ddpm"):
        RunDirectory.of(tmp_path, run).create(run)
    with pytest.raises(FmbenchError, match="no portrait of any method on '8gaussians' in"):
        draw("flow", order())
