"""What a page of a large store costs: python benchmarks/report_page.py [--runs N].

Makes the store of benchmarks/store.py with a log of training and samples beside the numbers, and prints the seconds
that `fmbench report` takes in a process of its own, the processor's among them, the size of its file, and when Chromium
paints it first and has drawn a plot: the median of three.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import statistics
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright
from store import cost, fill, requests

from fmbench.store.run import RunDirectory

SIDES = {"digits": 8, "fashion-mnist": 28}
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def enrich(run: RunDirectory, chance: np.random.Generator) -> None:
    """A log of training and a hundred images, blobs that compress as badly as scanned ones."""
    side = SIDES[run.path.parts[-4]]
    steps = range(10, 2401, 10)
    lines = [{"loss": float(chance.uniform(0.1, 1)), "seconds": step / 30, "step": step} for step in steps]
    run.train_log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    grid = np.linspace(-1, 1, side)
    middle = chance.uniform(-0.3, 0.3, (2, 100, 1, 1, 1))
    distance = (grid[:, None] - middle[0]) ** 2 + (grid - middle[1]) ** 2
    images = 255 * np.exp(-4 * distance) * chance.uniform(0.5, 1, (100, 1, side, side))
    run.samples.mkdir()
    np.save(run.samples / "dopri5.npy", images.astype(np.uint8))


def painted(browser: Browser, address: str) -> tuple[float, float]:
    """Seconds to the first paint, and to the first plot once it is scrolled to."""
    page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page.goto(address)
    first = page.evaluate(PAINT) / 1000
    before = page.evaluate("performance.now()")
    figure = page.locator("figure[data-plot=cost]:visible")
    figure.scroll_into_view_if_needed()
    figure.locator(".canvas[data-drawn]").wait_for()
    drawn = (page.evaluate("performance.now()") - before) / 1000
    page.close()
    return first, drawn


def main() -> None:
    """Make the store and its page, and look at it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    count, chance = parser.parse_args().runs, random.Random(0)
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        root, page = Path(folder) / "results", Path(folder) / "report.html"
        for run in itertools.islice(requests(), count):
            fill(root, run, chance)
            enrich(RunDirectory.of(root, run), generator)
        costs = [cost(["report", "--results-dir", str(root), "--output", str(page)]) for _ in range(3)]
        seconds, busy, memory = (statistics.median(each) for each in zip(*costs, strict=True))
        size = page.stat().st_size / 1e6
        print(f"{count} runs, fmbench report: {seconds:.2f} s ({busy:.2f} busy), {memory:.0f} MiB, {size:.1f} MB")
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        times = [painted(browser, page.as_uri()) for _ in range(3)]
        first, drawn = (statistics.median(each) for each in zip(*times, strict=True))
        print(f"Chromium: first paint after {first:.2f} s; a plot {drawn:.2f} s after it is wanted")
        browser.close()


if __name__ == "__main__":
    main()
