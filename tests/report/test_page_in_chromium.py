"""The page in a real browser: it sorts, filters, draws, answers to keys, fits a phone, and follows a growing store."""

from __future__ import annotations

import math
import shutil
from threading import Thread

import pytest

from fmbench.report.page.document import saved
from fmbench.report.page.live import Site
from fmbench.report.page.model import gather
from fmbench.report.page.server import PageServer
from fmbench.store.locks import run_lock
from fmbench.store.records import StatusRecord
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan
from tests.report.made_up import fill
from tests.report.page_store import HOSTILE, NUMBERS, curve, learning, logged, ordinary, renamed

CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
# So low that no plot is seen, and plotly started, before a test scrolls to it: that is most of what a page costs.
VIEW = {"width": 1200, "height": 240}
ROWS = "table.results:visible tbody:not([hidden]) tr[data-row]:visible"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        playwright.expect.set_options(timeout=60_000)
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page of ordinary names."""
    root = ordinary(tmp_path_factory.mktemp("store"))
    for method, by in (("i-cfm", 1.0), ("gaussian", 2.0)):
        (run,) = tiny_plan(methods=[method])
        values = {name: (value + by, *rest) for name, (value, *rest) in NUMBERS.items()}
        logged(fill(root, run, values), run).add_metrics([curve(run), learning(run)])
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(saved(gather(root)), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def tab(browser):
    """An empty tab, in which nothing may go wrong unseen."""
    context = browser.new_context(viewport=VIEW, color_scheme="light", reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(60_000)
    faults = []
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    yield page
    context.close()
    assert faults == []


def opened(tab, address, state="d=digits"):
    tab.goto(f"{address}#{state}")
    return tab


def names(tab):
    return tab.locator(f"{ROWS} th").all_inner_texts()


def draw(tab, which):
    figure = tab.locator(f"figure[data-plot={which}]:visible")
    figure.scroll_into_view_if_needed()
    figure.locator(".canvas[data-drawn]").wait_for()
    return figure


def test_heads_sort_by_value_and_say_so(tab, address):
    opened(tab, address)
    assert names(tab) == ["ddpm", "fm-ot", "i-cfm", "gaussian"]  # by family, controls last
    head = tab.locator("table.results:visible thead th", has_text="FID").first
    seen = []
    for _ in range(3):
        head.locator("button").click()
        seen.append((head.get_attribute("aria-sort"), [name.split()[0] for name in names(tab)]))
    assert seen == [
        ("ascending", ["fm-ot", "i-cfm", "gaussian", "ddpm"]),  # what has no number stands last
        ("descending", ["gaussian", "i-cfm", "fm-ot", "ddpm"]),
        (None, ["ddpm", "fm-ot", "i-cfm", "gaussian"]),
    ]


def test_filters_by_text_family_and_state(tab, address):
    opened(tab, address)
    tab.get_by_placeholder("Filter").locator("visible=true").fill("flow")
    assert names(tab) == ["fm-ot", "i-cfm"]
    assert tab.locator(".count:visible").inner_text() == "2 of 4 rows"
    assert tab.locator(".gallery:visible figure:visible").count() == 2
    tab.get_by_placeholder("Filter").locator("visible=true").fill("")
    tab.get_by_role("button", name="flow matching", exact=True).click()
    assert names(tab) == ["ddpm", "gaussian"]
    tab.get_by_role("button", name="failed", exact=True).click()
    assert names(tab) == ["gaussian"]
    assert tab.locator("tr.family:visible").count() == 1


def test_the_address_keeps_tab_sort_and_filter(tab, address):
    opened(tab, address, "d=8gaussians")
    assert tab.get_by_role("heading", level=1).inner_text() == "8gaussians"
    tab.get_by_role("link", name="digits").click()
    tab.locator("table.results:visible thead th", has_text="FID").first.locator("button").click()
    tab.get_by_role("button", name="diffusion").click()
    before = names(tab)
    tab.reload()
    assert tab.get_by_role("heading", level=1).inner_text() == "digits"
    assert names(tab) == before == ["fm-ot", "i-cfm", "gaussian"]
    assert tab.locator("th[aria-sort=ascending]:visible").count() == 1


def test_every_plot_draws_what_is_shown(tab, address):
    opened(tab, address)
    assert tab.evaluate("window.Plotly") is None  # not before it is wanted
    cost, loss = draw(tab, "cost"), draw(tab, "loss")
    assert cost.locator(".points path.point").count() == 3 + 2 * 2  # rows, and the two points of two curves
    assert "Curves: fixed steps (euler) of the first seed." in cost.locator(".caption").inner_text()
    assert loss.locator("path.js-line").count() == 5
    assert draw(tab, "learning").locator(".points path.point").count() == 2 * 3
    tab.get_by_role("button", name="control", exact=True).click()
    playwright.expect(loss.locator("path.js-line")).to_have_count(4)
    cost.locator("[data-axis=x]").select_option(label="training (s)")
    cost.locator(".xtitle", has_text="training (s)").wait_for()


def test_intervals_are_not_cut_off(tab, address):
    opened(tab, address)
    cost = draw(tab, "cost")
    cost.locator("[data-axis=y]").select_option(label=cost.locator("option", has_text="NLL").first.inner_text())
    cost.locator(".ytitle", has_text="NLL").wait_for()
    assert "Curves" not in cost.locator(".caption").inner_text()
    low = cost.locator(".canvas").evaluate("one => one.layout.yaxis.range[0]")
    assert cost.locator(".canvas").evaluate("one => one.layout.yaxis.type") == "linear"
    assert low < 2.445 - 4.3027 * 0.1 / math.sqrt(3)  # the interval of fm-ot, whose mean is the least
    assert low > 1.8


def test_a_hidden_datasets_plots_and_points_draw_when_it_is_shown(tab, address):
    opened(tab, address)
    tab.get_by_role("link", name="8gaussians").click()
    tab.locator("canvas[data-scatter]:visible").scroll_into_view_if_needed()
    canvas = tab.locator("canvas[data-points]:visible")
    inked = (
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(value => value)"
    )
    assert canvas.evaluate(inked)
    assert draw(tab, "cost").locator(".points path.point").count() == 1


def test_points_go_from_noise_to_data_at_a_time_or_all_the_way(tab, address):
    opened(tab, address, "d=8gaussians")
    part = tab.locator(".motion:visible")
    part.scroll_into_view_if_needed()
    canvas = part.locator("canvas[data-time]")
    assert canvas.get_attribute("data-time") == "1"
    slider = part.get_by_role("slider")
    slider.press("Home")
    assert canvas.get_attribute("data-time") == "0"
    play = part.locator("button")
    play.press("Enter")
    playwright.expect(play).to_have_attribute("aria-pressed", "true")
    playwright.expect(canvas).to_have_attribute("data-time", "1")
    playwright.expect(play).to_have_attribute("aria-pressed", "false")


def test_a_row_opens_its_provenance_by_keyboard_alone(tab, address):
    opened(tab, address)
    tab.locator("table.results:visible").get_by_role("link", name="fm-ot").focus()
    tab.keyboard.press("Enter")
    window = tab.get_by_role("dialog")
    for part in ("digits/fm-ot/", "seed 2", "bits/dim", "torch 2.6", "1 234 567"):
        assert part.replace(" ", "\u202f" if part[0] == "1" else " ") in window.inner_text()
    window.get_by_role("button", name="seed 2").press("Enter")
    assert "seed-2" in window.inner_text()
    assert "row=digits-fm-ot-" in tab.url
    tab.keyboard.press("Escape")
    assert not window.is_visible()
    tab.wait_for_function("!location.hash.includes('row=')")  # the event of closing comes after the keyboard


def test_the_page_is_usable_by_keyboard(tab, address):
    opened(tab, address)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"
    tab.locator("table.results:visible thead button").nth(1).press("Enter")
    assert tab.locator("th[aria-sort]:visible").count() == 1
    chip = tab.get_by_role("button", name="diffusion")
    chip.press("Space")
    assert chip.get_attribute("aria-pressed") == "false"
    assert chip.evaluate("chip => getComputedStyle(chip).outlineStyle") == "solid"  # focus can be seen


def test_two_runs_are_compared_key_by_key(tab, address):
    opened(tab, address)
    part = tab.locator(".compare:visible")
    part.scroll_into_view_if_needed()
    part.locator("tbody tr").first.wait_for()
    for which, name in (("a", "fm-ot, seed 0"), ("b", "fm-ot, seed 2")):
        option = part.locator(f"[data-run={which}] option", has_text=name)
        part.locator(f"[data-run={which}]").select_option(option.get_attribute("value"))
    assert "Asked: 1 differ" in part.inner_text()
    assert part.locator("tbody tr", has_text="seed").first.locator("td").all_inner_texts() == ["seed", "0", "2"]


def test_colours_follow_the_system_and_the_button(tab, address):
    opened(tab, address)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(ground)
    tab.emulate_media(color_scheme="dark")
    dark = tab.evaluate(ground)
    assert light == "rgb(255, 255, 255)" != dark
    tab.get_by_role("button", name="Colours").click()
    assert tab.evaluate(ground) == light
    tab.reload()
    assert tab.evaluate(ground) == light


def test_a_phone_scrolls_the_table_and_not_the_page(tab, address):
    tab.set_viewport_size({"width": 380, "height": 800})
    for name in ("digits", "8gaussians"):
        opened(tab, address, f"d={name}&all=1")
        draw(tab, "cost")
        tab.locator("table.results:visible tbody a").first.click()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 380
        assert tab.evaluate("document.querySelector('dialog').scrollWidth") <= 380
    scroll = tab.locator(".scroll:visible").first
    scroll.evaluate("element => element.scrollLeft = 200")
    assert tab.locator("tbody th[scope=row]:visible").first.bounding_box()["x"] >= 0  # the names stay


def test_names_stay_names(tab, tmp_path):
    for place, name in enumerate(HOSTILE):
        (run,) = tiny_plan(methods=["fm-ot"], seeds=[place])
        directory = logged(fill(tmp_path / "store", run, NUMBERS, "failed", name), run)
        directory.add_metrics([curve(run)])
        renamed(directory, name)
    file = tmp_path / "page.html"
    file.write_text(saved(gather(tmp_path / "store")), encoding="utf-8")
    opened(tab, file.as_uri(), "")
    assert sorted(tab.locator(".tabs a").all_text_contents()) == sorted(HOSTILE)
    for link in tab.locator(".tabs a").all():
        name = link.text_content()
        link.click()
        figure = draw(tab, "cost")
        assert name in figure.locator("svg").first.text_content()
        draw(tab, "loss")
        tab.locator("table.results:visible tbody a").first.click()
        assert name in tab.get_by_role("dialog").text_content()
        tab.keyboard.press("Escape")
    assert tab.locator("img[src=x], main script, dialog script, svg a").count() == 0


@pytest.fixture
def served(tmp_path):
    root = tmp_path / "results"
    with PageServer(Site(root), "127.0.0.1", 0) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield root, server.address
        server.shutdown()
        thread.join()


def test_a_served_page_follows_the_store(tab, served):
    root, address = served
    tab.goto(address)
    assert tab.get_by_role("heading", level=1).inner_text() == "No runs yet"
    first, second = tiny_plan(methods=["fm-ot"], seeds=[0, 1])
    fill(root, first, NUMBERS)
    tab.locator("tbody tr[data-row]").wait_for()
    tab.get_by_role("button", name="Colours").click()
    directory = RunDirectory.of(root, second)
    directory.create(second)
    directory.set_status(StatusRecord(state="running", doing="train", done=3, total=12, left=65.0, note="loss 0.5"))
    with run_lock(directory.path / "run.json"):
        tab.locator("#progress li", has_text="fm-ot on digits, seed 1").wait_for()
        said = tab.locator("#progress").inner_text()
    for part in ("1 of 2 runs done", "1 running", "train", "3 of 12", "1 min 5 s left", "loss 0.5"):
        assert part in said
    assert "theme=light" in tab.url  # what the reader chose outlives the new page
