"""Training curves: what was logged, smoothed, by family."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fmbench.errors import FmbenchError
from fmbench.report.figures import Order, draw, style
from fmbench.report.figures.training import smoothed
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan
from tests.report.made_up import forget_family


def log(root, losses, **said):
    """Runs that logged these losses, a line every ten steps."""
    folders = []
    for run in tiny_plan(**said):
        folder = RunDirectory.of(root, run)
        folder.create(run)
        lines = [json.dumps({"step": 10 * (place + 1), "loss": loss}) for place, loss in enumerate(losses)]
        folder.train_log.write_text("\n".join(lines) + "\n")
        folders.append(folder)
    return folders


def curves(axes):
    """The smoothed lines by name, and the faint ones."""
    return (
        {line.get_label(): line.get_ydata().tolist() for line in axes.lines if not line.get_label().startswith("_")},
        [line.get_ydata().tolist() for line in axes.lines if line.get_label().startswith("_")],
    )


def panels(picture):
    return {axes.get_title(loc="left"): axes for axes in picture.axes if axes.axison}


def test_a_panel_a_family_with_each_seed_faint_and_their_mean_in_full(tmp_path):
    log(tmp_path, [3.0, 2.0], methods=["fm-ot"], seeds=[0])
    log(tmp_path, [5.0, 4.0], methods=["fm-ot"], seeds=[1])
    log(tmp_path, [9.0, 8.0], methods=["ddpm"])
    found = panels(draw("training", Order(tmp_path, "digits")))
    assert list(found) == ["diffusion", "flow matching"]
    assert curves(found["flow matching"]) == ({"fm-ot": [4.0, 3.0]}, [[3.0, 2.0], [5.0, 4.0]])
    assert found["flow matching"].lines[0].get_xdata().tolist() == [10, 20]
    faint, full = found["diffusion"].lines
    assert faint.get_alpha() < 0.5
    assert full.get_alpha() is None


def test_smoothing_is_centred_and_leaves_the_ends_as_they_are():
    values = np.arange(40.0)
    assert smoothed(values) == pytest.approx(values)  # a straight line stays one
    noisy = values + np.tile([3.0, -3.0], 20)
    assert np.abs(smoothed(noisy) - values)[3:-3].max() < 1
    assert smoothed(noisy)[0] == 3


@pytest.mark.parametrize(("losses", "scale"), [([10.0, 0.5], "log"), ([3.0, 0.5], "linear"), ([10.0, -0.5], "linear")])
def test_losses_that_span_a_decade_have_a_logarithmic_axis(tmp_path, losses, scale):
    log(tmp_path, losses, methods=["fm-ot"])
    assert panels(draw("training", Order(tmp_path, "digits")))["flow matching"].get_yscale() == scale


def test_methods_of_a_family_differ_in_colour_and_dashes(tmp_path):
    log(tmp_path, [3.0, 2.0], methods=["fm-ot", "fm-vp", "ddpm"])
    axes = panels(draw("training", Order(tmp_path, "digits", rows=("fm-*",))))["flow matching"]
    full = [line for line in axes.lines if not line.get_label().startswith("_")]
    assert [line.get_label() for line in full] == ["fm-ot", "fm-vp"]
    assert len({line.get_color() for line in full}) == len({str(line.get_linestyle()) for line in full}) == 2


def test_torn_lines_and_losses_that_are_no_number_are_passed_over(tmp_path):
    (folder,) = log(tmp_path, [3.0, float("nan"), 2.0], methods=["fm-ot"])
    with folder.train_log.open("a") as stream:
        stream.write('{"step": 40, "lo')
    axes = panels(draw("training", Order(tmp_path, "digits")))["flow matching"]
    assert curves(axes)[1] == [[3.0, 2.0]]


def test_seeds_that_logged_other_steps_are_averaged_where_all_did(tmp_path):
    log(tmp_path, [3.0, 2.0, 1.0], methods=["fm-ot"], seeds=[0])
    log(tmp_path, [5.0, 4.0], methods=["fm-ot"], seeds=[1])
    axes = panels(draw("training", Order(tmp_path, "digits")))["flow matching"]
    assert curves(axes)[0] == {"fm-ot": [4.0, 3.0]}


def test_a_store_too_old_to_know_families_has_one_panel(tmp_path):
    for folder in log(tmp_path, [3.0, 2.0], methods=["fm-ot", "ddpm"]):
        forget_family(folder)
    assert list(panels(draw("training", Order(tmp_path, "digits")))) == ["other"]


def test_nothing_logged_says_what_to_do(tmp_path):
    log(tmp_path, [], methods=["fm-ot"])
    with pytest.raises(FmbenchError, match=r"no run of 'digits' .* has logged its training"):
        draw("training", Order(tmp_path, "digits"))


def test_the_same_store_gives_the_same_bytes(tmp_path):
    log(tmp_path, [3.0, 2.0, 1.0], methods=["fm-ot", "ddpm"])
    for name in ("a.svg", "b.svg"):
        style.save(draw("training", Order(tmp_path, "digits")), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
