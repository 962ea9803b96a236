"""The page: what it says of a store, and that no name in it can be more than text."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from fmbench.errors import FmbenchError
from fmbench.report.page import model
from fmbench.report.page.curves import POINTS, loss_of, thinned
from fmbench.report.page.document import embedded, saved, served
from fmbench.report.page.model import gather
from fmbench.report.table import build
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan
from tests.report.made_up import fill, number
from tests.report.page_store import HOSTILE, NUMBERS, curve, learning, ordinary, renamed

VOID = {"meta", "link", "img", "input", "br"}


class Outline(HTMLParser):
    """The tags of a page, with their attributes; well nested, or it says what is not."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.data = [], [], {}
        self.feed(page)
        assert self.open == ["html"] or not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            attributes = next(attributes for tag, attributes in reversed(self.tags) if tag == "script")
            self.data[attributes.get("id")] = self.data.get(attributes.get("id"), "") + data


@pytest.fixture
def store(tmp_path):
    return ordinary(tmp_path)


def view(root, name="digits"):
    return next(one for one in gather(root) if one.name == name)


class TestModel:
    def test_rows_know_their_runs_and_values(self, store):
        digits = view(store)
        assert [row.label for row in digits.rows] == ["ddpm", "fm-ot"]
        ddpm, fm = digits.rows
        assert [digits.runs[run].seed for run in fm.runs] == [0, 1, 2]
        assert digits.families[fm.family].name == "flow matching"
        keys = {axis.name: axis.key for axis in digits.axes}
        assert fm.values[keys["fid"]].mean == pytest.approx(1.6)
        assert fm.values[keys["fid"]].interval == pytest.approx(0.248414, rel=1e-3)
        assert keys["fid"] not in ddpm.values
        assert (ddpm.status, ddpm.reasons) == ("failed", ("loss is nan at step 9",))

    def test_another_evaluation_is_another_row_of_the_same_run(self, store):
        (run,) = tiny_plan("sampler.name=heun", methods=["fm-ot"], seeds=[0])
        RunDirectory.of(store, run).add_metrics([number(run, "nfe", 40.0)])
        digits = view(store)
        heun, plain = sorted(
            (row for row in digits.rows if row.label != "ddpm"), key=lambda row: "heun" not in row.label
        )
        assert heun.runs == [plain.runs[0]]
        assert len({row.anchor for row in digits.rows}) == 3

    def test_runs_say_who_answered_and_what_was_asked(self, store):
        digits = view(store)
        run = digits.runs[digits.rows[1].runs[1]]
        assert run.folder.startswith("digits/fm-ot/")
        assert digits.asked.environments.values[run.halves["train"].environment] == {
            "device": "cpu",
            "packages.torch": "2.6",
        }
        assert run.halves["train"].own == {"seconds": 1.5, "command": ["fmbench", "run"]}
        assert digits.asked.configs.values[run.config]["method.name"] == "fm-ot"
        assert {number.name: number.value for number in run.numbers} == {"nll": 2.445, "fid": 1.6, "nfe": 123.1}
        assert len(digits.asked.configs.values) == 2
        assert run.cost["params"] == 1_234_567

    def test_training_curves_are_thinned_to_their_ends(self, store):
        loss = view(store).runs[-1].loss
        assert len(loss.step) == POINTS
        assert (loss.step[0], loss.step[-1], loss.loss[0], loss.seconds[-1]) == (1, 200, 1.0, 20.0)
        assert thinned([1, 2, 3], 60) == [1, 2, 3]

    def test_a_torn_line_and_a_loss_that_is_none_are_passed_over(self, tmp_path):
        path = tmp_path / "train.jsonl"
        path.write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "loss": null}\n{"step": 3, "lo')
        assert loss_of(path).step == [1]
        assert loss_of(tmp_path / "absent") is None

    def test_curves_of_metrics(self, store):
        (run,) = tiny_plan(methods=["fm-ot"], seeds=[0])
        RunDirectory.of(store, run).add_metrics([curve(run)])
        digits = view(store)
        (found,) = digits.runs[digits.rows[1].runs[0]].curves
        assert (found.measure, found.of, found.cost, found.value) == ("fid", "euler", [5, 10], [1.975, 0.9877])
        assert not digits.has_learning
        RunDirectory.of(store, run).add_metrics([learning(run)])
        assert view(store).has_learning
        assert 'data-plot="learning"' in saved(gather(store))

    def test_samples_of_the_first_seed(self, store):
        from io import BytesIO

        from PIL import Image

        digits = view(store)
        assert list(digits.samples.boards) == [1]
        board = digits.samples.boards[1]
        picture = Image.open(BytesIO(base64.b64decode(board.uri.partition(",")[2])))
        assert picture.size == (board.width, board.height)
        assert picture.getpixel((0, 0)) == 255  # seed 0 has nothing but zeros: no ink

    def test_points_are_kept_to_within_a_pixel(self, store):
        plane = view(store, "8gaussians")
        points, frame = plane.samples.scatters[0], plane.samples.frame
        steps = np.frombuffer(base64.b64decode(points.coordinates), "<u2").reshape(points.frames, points.count, 2)
        low, high = np.array(frame.low), np.array(frame.high)
        seen = low + (3 * (steps[0] / 65_535) - 1) * (high - low)
        inside = ((seen > low) & (seen < high)).all(1)
        true = np.random.default_rng(0).normal(size=(50, 2))
        assert inside.sum() >= 48
        np.testing.assert_allclose(seen[inside], true[inside], atol=1e-3)

    def test_flows_go_from_noise_to_data(self, store):
        plane = view(store, "8gaussians")
        (path,) = plane.motions.paths.values()
        steps = np.frombuffer(base64.b64decode(path.coordinates), "<u2").reshape(path.frames, path.count, 2)
        assert (path.frames, path.count) == (25, 8)
        x = -4 + 8 * (3 * steps[..., 0].mean(1) / 65_535 - 1)  # the window is of side 8
        np.testing.assert_allclose(x, np.linspace(0, 3, 25), atol=1e-3)
        assert plane.motions.target.count == 8
        assert view(store).motions.target is None

    def test_only_the_datasets_that_are_asked_for(self, store):
        assert [one.name for one in gather(store)] == ["8gaussians", "digits"]
        assert [one.name for one in gather(store, ["8gaussians"])] == ["8gaussians"]

    def test_a_run_that_begins_while_the_store_is_read_is_left_to_the_next_page(self, store, monkeypatch):
        late = [*tiny_plan(methods=["edm"]), *tiny_plan(methods=["fm-ot"], dataset="moons")]

        def build_later(*arguments):
            for run in late:
                fill(store, run, NUMBERS)
            return build(*arguments)

        monkeypatch.setattr(model, "build", build_later)
        assert [[row.label for row in one.rows] for one in gather(store)] == [["fm-ot"], ["ddpm", "fm-ot"]]
        assert [[row.label for row in one.rows] for one in gather(store)] == [
            ["fm-ot"],
            ["ddpm", "edm", "fm-ot"],
            ["fm-ot"],
        ]

    def test_an_empty_store_is_one_line(self, tmp_path):
        with pytest.raises(FmbenchError, match="no runs in"):
            gather(tmp_path)

    def test_damaged_samples_are_named(self, store):
        (path,) = (store / "digits").glob("fm-ot/*/seed-0/samples/dopri5*.npy")
        path.write_bytes(b"not an array")
        with pytest.raises(FmbenchError, match=r"cannot read .*dopri5.*\.npy"):
            gather(store)

    def test_a_store_of_failures_alone_has_its_page(self, tmp_path):
        (run,) = tiny_plan(methods=["ddpm"])
        fill(tmp_path, run, {}, "failed", "loss is nan at step 9")
        assert "loss is nan at step 9" in saved(gather(tmp_path))


class TestDocument:
    def test_the_same_store_gives_the_same_bytes(self, store):
        assert saved(gather(store)) == saved(gather(store))

    def test_its_table_is_there_without_scripts(self, store):
        page = saved(gather(store)).partition("<script type=")[0]
        for part in ("2.445 ± 0.248", "1.60 ± 0.25", "loss is nan at step 9", "One training seed each", "base64"):
            assert part in page

    def test_it_reaches_nothing_outside_itself(self, store):
        page = saved(gather(store))
        for tag, attributes in Outline(page).tags:
            for name in ("src", "href", "action", "srcset", "data", "poster"):
                assert not re.match(r"\s*(https?:)?//", attributes.get(name) or "", re.IGNORECASE), (tag, attributes)
        style = page[page.index("<style>") : page.index("</style>")]
        assert "url(" not in style
        assert "@import" not in style
        (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
        assert "default-src &#39;none&#39;" in policy
        assert "connect-src &#39;none&#39;" in policy
        assert "script-src &#39;sha256-" in policy

    def test_it_says_whose_plotly_it_carries(self, store):
        page = saved(gather(store))
        assert "plotly.js v" in page
        assert "Licensed under the MIT license" in page

    def test_anchors_are_unique_and_lead_to_their_rows(self, store):
        tags = Outline(saved(gather(store))).tags
        names = [attributes["id"] for _, attributes in tags if "id" in attributes]
        assert len(names) == len(set(names))
        links = [
            attributes["href"][1:] for tag, attributes in tags if tag == "a" and attributes["href"].startswith("#")
        ]
        assert {row.anchor for view in gather(store) for row in view.rows} <= set(links) & set(names)

    def test_downloads_are_the_tables(self, store):
        from fmbench.report.render import csv_table

        links = {
            attributes["download"]: attributes["href"]
            for _, attributes in Outline(saved(gather(store))).tags
            if "download" in attributes
        }
        content = base64.b64decode(links["digits.csv"].partition(",")[2]).decode()
        assert content == csv_table(build(store, ["digits"]))
        assert rb"\toprule" in base64.b64decode(links["digits.tex"].partition(",")[2])

    def test_a_page_of_nothing_says_what_to_do(self):
        page = served([], "v0")
        assert "No runs yet" in page
        assert "connect-src &#39;self&#39;" in page


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_name_becomes_markup(tmp_path, hostile):
    (run,) = tiny_plan(methods=["fm-ot"])
    plain = fill(tmp_path / "plain", run, NUMBERS, "failed", "an ordinary reason")
    directory = fill(tmp_path / "hostile", run, NUMBERS, "failed", hostile)
    directory.add_metrics([number(run, hostile, 1.0, hostile, hostile)])
    plain.add_metrics([number(run, "other", 1.0, "unit", "kind")])
    renamed(directory, hostile)
    renamed(plain, "name")
    hostile_page, plain_page = (Outline(saved(gather(tmp_path / name))) for name in ("hostile", "plain"))
    assert [tag for tag, _ in hostile_page.tags] == [tag for tag, _ in plain_page.tags]
    assert not any(name.startswith("on") for _, attributes in hostile_page.tags for name in attributes)
    data = json.loads(hostile_page.data["data-0"])
    assert data["name"] == hostile
    assert data["runs"][0]["reason"] == hostile


@pytest.mark.parametrize("hostile", HOSTILE)
def test_embedded_json_cannot_end_its_element(hostile):
    text = embedded({hostile: [hostile]})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {hostile: [hostile]}
