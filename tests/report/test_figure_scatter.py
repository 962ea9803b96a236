"""Quality against cost: what is drawn where, and what is left out and said."""

from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from fmbench.errors import FmbenchError
from fmbench.report.figures import Order, draw, style
from fmbench.report.figures.style import GREY
from tests.helpers import tiny_plan
from tests.report.made_up import fill, methods, number

NUMBERS = {
    "fm-ot": {"fid": [1.0, 1.2], "nfe": [180.0, 184.0], "nll": [2.2, 2.3]},
    "ddpm": {"fid": [4.0, 4.4], "nfe": [350.0, 354.0], "nll": [2.4, 2.5]},
    "smld": {"fid": [5.0, 5.2], "nfe": [40.0, 40.0]},
    "glow": {"fid": [20.0, 22.0], "nfe": [1.0, 1.0], "nll": [2.1, 2.1]},
    "gmm": {"fid": [1.9, 1.9], "nfe": [0.0, 0.0], "nll": [2.6, 2.6]},
    "copycat": {"fid": [0.03, 0.03], "nfe": [0.0, 0.0]},
}


@pytest.fixture
def store(tmp_path):
    return methods(tmp_path / "results", NUMBERS)


def dots(axes):
    """Where the markers stand, by label."""
    found = [one for one in axes.containers if isinstance(one, ErrorbarContainer)]
    return {one.get_label(): tuple(float(axis[0]) for axis in one.lines[0].get_data()) for one in found}


def line(axes, label):
    (found,) = [one for one in axes.lines if one.get_label() == label]
    return found


def opacity(axes, label):
    (found,) = [one for one in axes.containers if one.get_label() == label]
    return found.lines[0].get_alpha()


def said(picture):
    """The caption on one line."""
    return " ".join(picture.get_supxlabel().split())


def only(picture):
    (axes,) = picture.axes
    return axes


class TestNfe:
    def test_every_row_stands_at_its_means_on_axes_that_hold_it(self, store):
        axes = only(draw("nfe", Order(store, "digits")))
        at = dots(axes)
        assert at["fm-ot"] == pytest.approx((182, 1.1))
        assert at["ddpm"] == pytest.approx((352, 4.2))
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        for x, y in at.values():
            assert axes.get_xlim()[0] < x < axes.get_xlim()[1]
            assert axes.get_ylim()[0] < y < axes.get_ylim()[1]
        assert axes.get_ylabel() == "FID (digits-v1, n=100) ↓"
        assert {text.get_text() for text in axes.texts} == {"fm-ot", "ddpm", "smld", "glow", "gmm"}

    def test_quality_within_a_decade_is_on_a_plain_axis_and_cost_never(self, store):
        axes = only(draw("nfe", Order(store, "digits", rows=("fm-ot", "ddpm"))))
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")

    def test_bars_are_the_intervals(self, store):
        axes = only(draw("nfe", Order(store, "digits", rows=("fm-ot", "ddpm"))))
        (bars,) = [one for one in axes.containers if one.get_label() == "fm-ot"]
        (_, bottom), (_, top) = bars.lines[2][1].get_segments()[0]
        assert (bottom, top) == pytest.approx((1.1 - 12.7062 * 0.1, 1.1 + 12.7062 * 0.1), abs=1e-3)

    def test_controls_are_levels_not_points_and_those_far_off_are_told(self, store):
        picture = draw("nfe", Order(store, "digits"))
        axes = only(picture)
        assert not {"gmm", "copycat"} & set(dots(axes))
        level = line(axes, "gmm")
        assert set(level.get_ydata()) == {1.9}
        assert level.get_color() == GREY
        assert "Beyond the axis: FID of copycat 0.03." in said(picture)
        assert axes.get_ylim()[0] > 0.1

    def test_a_method_without_cost_is_left_out_and_named(self, store):
        methods(store, {"nsf": {"fid": [3.0, 3.0], "nfe": [0.0, 0.0]}})
        picture = draw("nfe", Order(store, "digits"))
        assert "nsf" not in dots(only(picture))
        assert "Left out, for their NFE is 0 or unknown: nsf." in said(picture)

    def test_the_caption_tells_the_protocol_and_the_seeds(self, store):
        text = said(draw("nfe", Order(store, "digits")))
        assert text.startswith("digits.")
        assert "Means over 2 training seeds with their 95 % intervals" in text
        one = methods(store.parent / "one", {"fm-ot": {"fid": [1.0], "nfe": [2.0]}})
        assert "One training seed each: no intervals." in said(draw("nfe", Order(one, "digits")))

    def test_points_have_their_w2(self, tmp_path):
        for run in tiny_plan(methods=["fm-ot", "ddpm"], dataset="moons"):
            fill(tmp_path, run, {"w2": (0.4, "", ""), "w2-floor": (0.39, "", ""), "nfe": (90.0, "", "")})
        axes = only(draw("nfe", Order(tmp_path, "moons")))
        assert axes.get_ylabel() == "W2 ↓"
        assert set(dots(axes).values()) == {(90.0, 0.4)}

    def test_the_curve_of_fixed_steps_is_the_mean_over_seeds(self, tmp_path):
        for value, run in zip((8.0, 10.0), tiny_plan(methods=["fm-ot"], seeds=[0, 1]), strict=True):
            curve = [{"nfe": 5.0, "value": value}, {"nfe": 10.0, "value": 4.0}]
            details = {"measure": "fid", "solver": "heun", "curve": curve}
            numbers = [number(run, "fid", 2.0, family="digits-v1"), number(run, "nfe", 100.0)]
            fill(tmp_path, run, [*numbers, number(run, "nfe-10pct", 10.0, family="digits-v1", details=details)])
        picture = draw("nfe", Order(tmp_path, "digits"))
        axes = only(picture)
        assert (
            "Lines: fixed steps (heun), the mean over 2 training seeds; large markers: the headline sampler."
            in said(picture)
        )
        assert np.asarray(line(axes, "curve of fm-ot").get_xydata()).tolist() == [[5.0, 9.0], [10.0, 4.0]]
        (link,) = [one for one in axes.lines if one.get_linestyle() == ":"]
        assert np.asarray(link.get_xydata()).tolist() == [[10.0, 4.0], [100.0, 2.0]]
        assert axes.get_xlim()[0] < 5
        assert axes.get_ylim()[1] > 9

    def test_a_curve_in_another_measure_is_not_drawn(self, tmp_path):
        (run,) = tiny_plan(methods=["fm-ot"])
        details = {"measure": "fid", "curve": [{"nfe": 5.0, "value": 9.0}]}
        numbers = [number(run, "nll", 2.0), number(run, "nfe", 100.0)]
        fill(tmp_path, run, [*numbers, number(run, "nfe-10pct", 5.0, details=details)])
        axes = only(draw("nfe", Order(tmp_path, "digits", number="nll")))
        assert not [one for one in axes.lines if one.get_label().startswith("curve of")]

    def test_numbers_of_another_protocol_are_left_out_and_named(self, store):
        (run,) = tiny_plan(methods=["nsf"])
        fill(store, run, [number(run, "fid", 3.0, family="inception"), number(run, "nfe", 1.0)])
        picture = draw("nfe", Order(store, "digits"))
        assert "nsf" not in dots(only(picture))
        assert "Left out, for their FID is of another protocol: nsf." in said(picture)

    def test_a_failed_row_is_named_with_its_state(self, store):
        (run,) = tiny_plan(methods=["nsf"])
        fill(store, run, {}, state="failed", reason="loss is nan at step 3")
        assert "Without FID: nsf (failed)." in said(draw("nfe", Order(store, "digits")))

    def test_a_method_looks_the_same_whichever_rows_are_shown(self, store):
        def colour(**more):
            axes = only(draw("nfe", Order(store, "digits", **more)))
            (found,) = [one for one in axes.containers if one.get_label() == "fm-ot"]
            return found.lines[0].get_color(), found.lines[0].get_marker()

        assert colour() == colour(rows=("fm-*",))

    def test_families_differ_in_colour_and_methods_of_one_in_marker(self, store):
        axes = only(draw("nfe", Order(store, "digits")))
        look = {one.get_label(): (one.lines[0].get_color(), one.lines[0].get_marker()) for one in axes.containers}
        assert look["ddpm"][0] == look["smld"][0] != look["fm-ot"][0] != look["glow"][0]
        assert look["ddpm"][1] != look["smld"][1]


class TestCost:
    def test_two_panels_share_the_time_and_rows_without_nll_are_named(self, store):
        picture = draw("cost", Order(store, "digits"))
        first, second = picture.axes
        assert dots(first)["smld"] == pytest.approx((12.34, 5.1))
        assert set(dots(second)) == {"fm-ot", "ddpm", "glow"}
        assert dots(second)["ddpm"] == pytest.approx((12.34, 2.45))
        assert first.get_xlim() == second.get_xlim()
        assert second.get_xlabel() == "training time (s) ↓"
        assert second.get_ylabel().startswith("NLL (bits/dim")
        assert "Without NLL: copycat" in said(picture)

    def test_without_any_nll_there_is_one_panel(self, store):
        assert len(draw("cost", Order(store, "digits", rows=("smld",))).axes) == 1

    def test_a_biased_likelihood_is_faint_and_does_not_stretch_the_axis(self, tmp_path):
        nll = {"fm-ot": 2.0, "ddpm": 2.5, "i-resnet": 2.1, "residual-flow": 0.1}
        values = {name: {"fid": [1.0], "nll": [value]} for name, value in nll.items()}
        methods(tmp_path, values, **{"i-resnet": "truncated", "residual-flow": "truncated"})
        picture = draw("cost", Order(tmp_path, "digits"))
        axes = picture.axes[1]
        assert opacity(axes, "i-resnet") < opacity(axes, "fm-ot") == 1
        assert axes.get_ylim()[0] > 1
        assert "Beyond the axis: NLL of residual-flow 0.1." in said(picture)
        assert "Faint, for their NLL is biased: i-resnet." in said(picture)

    def test_learning_curves_are_drawn_along_the_seconds(self, tmp_path):
        (run,) = tiny_plan(methods=["fm-ot"])
        curve = [
            {"step": 3, "seconds": 5.0, "nfe": 9, "value": 8.0},
            {"step": 6, "seconds": 9.0, "nfe": 9, "value": 4.0},
        ]
        details = {"measure": "fid", "curve": curve}
        numbers = [number(run, "fid", 2.0, family="digits-v1")]
        fill(tmp_path, run, [*numbers, number(run, "steps-10pct", 6, family="digits-v1", details=details)])
        picture = draw("cost", Order(tmp_path, "digits"))
        axes = only(picture)
        assert "Lines: quality by the weights kept during training, one training seed." in said(picture)
        assert np.asarray(line(axes, "curve of fm-ot").get_xydata()).tolist() == [[5.0, 8.0], [9.0, 4.0]]


class TestPareto:
    def test_the_front_is_a_step_line_through_those_that_nobody_beats(self, store):
        axes = only(draw("pareto", Order(store, "digits")))
        steps = np.asarray(line(axes, "front").get_xydata()).tolist()
        corners = [[1, 21], [40, 21], [40, 5.1], [182, 5.1], [182, 1.1]]
        assert steps[1:-1] == pytest.approx(np.array(corners))
        assert steps[0] == pytest.approx([1, axes.get_ylim()[1]])
        assert steps[-1] == pytest.approx([axes.get_xlim()[1], 1.1])

    def test_dominated_rows_are_faint(self, store):
        axes = only(draw("pareto", Order(store, "digits")))
        assert opacity(axes, "ddpm") < 0.5
        assert {opacity(axes, label) for label in ("fm-ot", "smld", "glow")} == {1}

    def test_where_more_is_better_the_front_rises(self, tmp_path):
        recall = {"fm-ot": 0.5, "ddpm": 0.9, "edm": 0.4}
        nfe = {"fm-ot": 100.0, "ddpm": 300.0, "edm": 200.0}
        methods(tmp_path, {name: {"recall": [recall[name]], "nfe": [nfe[name]]} for name in recall})
        axes = only(draw("pareto", Order(tmp_path, "digits", number="recall")))
        steps = np.asarray(line(axes, "front").get_xydata())
        assert steps[1:-1].tolist() == [[100, 0.5], [300, 0.5], [300, 0.9]]
        assert steps[0, 1] == axes.get_ylim()[0]

    def test_the_cost_may_be_training(self, store):
        assert set(dots(only(draw("pareto", Order(store, "digits", cost="train-seconds")))).values()) >= {(12.34, 5.1)}

    def test_a_biased_number_is_not_on_the_front(self, tmp_path):
        values = {"fm-ot": {"nll": [2.0], "nfe": [9.0]}, "i-resnet": {"nll": [1.9], "nfe": [5.0]}}
        methods(tmp_path, {**values, "ddpm": {"nll": [2.4], "nfe": [7.0]}}, **{"i-resnet": "truncated"})
        axes = only(draw("pareto", Order(tmp_path, "digits", number="nll")))
        assert 5.0 not in line(axes, "front").get_xdata()
        assert opacity(axes, "i-resnet") < 1

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ({"number": "nn-ratio"}, "'nn-ratio' is better neither high nor low"),
            ({"cost": "time"}, "unknown cost 'time'. Known: nfe, train-seconds"),
            (
                {"number": "fidd"},
                r"unknown number of digits 'fidd'. Did you mean 'fid'\? Known: fid, nfe, nll, nn-",
            ),
        ],
    )
    def test_what_makes_no_sense_says_what_does(self, store, asked, message):
        methods(store, {"nsf": {"nn-ratio": [1.0]}})
        with pytest.raises(FmbenchError, match=message):
            draw("pareto", Order(store, "digits", **asked))


class TestBadInput:
    @pytest.mark.parametrize("kind", ["nfe", "cost", "pareto", "ranks"])
    def test_an_empty_store(self, tmp_path, kind):
        with pytest.raises(FmbenchError, match=r"no runs in .* run 'fmbench run' first"):
            draw(kind, Order(tmp_path, "digits"))

    @pytest.mark.parametrize("kind", ["nfe", "cost", "pareto", "ranks"])
    def test_one_failed_run(self, tmp_path, kind):
        (run,) = tiny_plan(methods=["fm-ot"])
        fill(tmp_path, run, {}, state="failed", reason="loss is nan")
        with pytest.raises(FmbenchError, match=r"no row of 'digits' has FID or W2 \(measured: nothing\)"):
            draw(kind, Order(tmp_path, "digits"))

    def test_controls_alone_make_no_figure(self, store):
        with pytest.raises(FmbenchError, match="no row of 'digits' has both FID and NFE"):
            draw("nfe", Order(store, "digits", rows=("gmm", "copycat")))


@pytest.mark.parametrize("kind", ["nfe", "cost", "pareto"])
def test_the_same_store_gives_the_same_bytes(store, tmp_path, kind):
    for name in ("a.svg", "b.svg"):
        style.save(draw(kind, Order(store, "digits")), tmp_path / name)
    content = (tmp_path / "a.svg").read_bytes()
    assert content == (tmp_path / "b.svg").read_bytes()
    assert not re.search(rb"20\d\d-\d\d-\d\d", content)
