"""Points on their way from noise to data, several methods side by side, as a GIF or an MP4; from the store alone."""

from __future__ import annotations

import shutil
import subprocess
import textwrap
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from fmbench.errors import FmbenchError
from fmbench.progress import Progress
from fmbench.report.figures.flow import LETTERS, frame, note
from fmbench.report.figures.kinds import Order
from fmbench.report.figures.style import COLOURS, SMALL, figure
from fmbench.report.portraits import Portrait, portraits_of
from fmbench.store.files import write_atomically, write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from PIL.Image import Image

RATE = 20  # pictures a second
BETWEEN = 3  # pictures from one recorded frame to the next
STILL = 30  # pictures for which the end stands
ACROSS = 4  # methods in a row
SIDE = 2.2  # inches of a panel
DPI = 100
STRAY = 0.1  # share of points outside the window from which on a panel tells it
PALETTE = 64  # colours of a GIF


def animate(order: Order, output: Path, progress: Progress) -> None:
    """Write the flow of the methods asked for.

    Args:
        order: whose; every row must be a flow. Without rows, all flows that have a portrait.
        output: a .gif or .mp4 file; the same store gives the same bytes of a GIF.
        progress: told of progress.

    Raises:
        FmbenchError: the suffix is another, there is no ffmpeg for an MP4, nothing to show, or no way to write.
    """
    write = writer_of(output)
    shown = flows_of(order)
    count = (min(len(ways_of(portrait)) for portrait in shown) - 1) * BETWEEN + 1
    with figure(*size(len(shown))) as picture:
        scene = Scene(picture, shown, order.dataset)
        progress.stage("animate", count)
        images = []
        for index in range(count):
            images.append(scene.at(index / (count - 1)))
            progress.update(index + 1)
    write(images, output)


def writer_of(output: Path) -> Writer:
    """What writes a file of that suffix.

    Raises:
        FmbenchError: nothing here does.
    """
    suffix = output.suffix.lower()
    if suffix not in WRITERS:
        raise FmbenchError(f"--output {str(output)!r}: end it in {' or '.join(WRITERS)}")
    if suffix == ".mp4" and shutil.which("ffmpeg") is None:
        raise FmbenchError(f"--output {str(output)!r}: ffmpeg, which writes MP4, is not installed; end it in .gif")
    return WRITERS[suffix]


def flows_of(order: Order) -> list[Portrait]:
    """The portraits with a way from noise to data.

    Raises:
        FmbenchError: there are none, or a method asked for has none.
    """
    found = portraits_of(order)
    still = [portrait.name for portrait in found if not portrait.flows]
    if still and (order.rows or len(still) == len(found)):
        raise FmbenchError(f"{', '.join(still)}: no way from noise to data was recorded; ask for flows by --methods")
    return [portrait for portrait in found if portrait.flows]


def size(panels: int) -> tuple[float, float]:
    """Height and width in inches, an even number of pixels each, as MP4 wants it."""
    height = -(-panels // ACROSS) * (SIDE + 0.25) + 0.4
    width = min(panels, ACROSS) * SIDE
    return 2 * round(height * DPI / 2) / DPI, 2 * round(width * DPI / 2) / DPI


class Scene:
    """A panel a method, over the true density where it is known, and a bar of time below.

    Args:
        picture: an empty figure.
        shown: flows.
        dataset: their data's name.
    """

    def __init__(self, picture: Figure, shown: Sequence[Portrait], dataset: str) -> None:
        self.picture, self.shown, self.dataset = picture, shown, dataset
        width, height = picture.get_size_inches() * DPI
        self.pixels = round(width), round(height)
        across = min(ACROSS, len(shown))
        down = -(-len(shown) // across)
        grid = picture.add_gridspec(down + 1, across, height_ratios=[*([1.0] * down), 0.03])
        axes = [picture.add_subplot(grid[index // across, index % across]) for index in range(len(shown))]
        self.points = [stage(axis, portrait) for axis, portrait in zip(axes, shown, strict=True)]
        self.notes = [note(axis, "") for axis in axes]
        self.clock = picture.add_subplot(grid[-1, :])
        self.clock.set(xlim=(0, 1), xticks=[], yticks=[])
        self.clock.grid(visible=False)
        self.clock.spines[:].set_visible(False)
        (self.bar,) = self.clock.barh([0], [0], color=COLOURS[1])
        self.at(0)
        picture.set_layout_engine("none")  # where things are has been found: no picture moves them

    def at(self, share: float) -> Image:
        """The picture at a share of the time."""
        from PIL import Image

        for portrait, points, remark in zip(self.shown, self.points, self.notes, strict=True):
            now = between(ways_of(portrait), share)
            points.set_offsets(now)
            outside = 1 - portrait.inside(now)
            remark.set_text(f"{outside:.0%} outside" if outside > STRAY else "")
        self.bar.set_width(share)
        self.clock.set_xlabel(f"{self.dataset}, t = {share:.2f}", fontsize=SMALL)
        content = BytesIO()
        self.picture.savefig(content, format="rgba", dpi=DPI)
        return Image.frombytes("RGBA", self.pixels, content.getvalue()).convert("RGB")


def stage(axis: Axes, portrait: Portrait) -> PathCollection:
    """A method's panel with the place that its points go to; the points themselves."""
    frame(axis, portrait)
    axis.set_title(textwrap.fill(portrait.name, LETTERS), fontsize=SMALL + 1, pad=3, parse_math=False)
    if portrait.truth is None:
        axis.scatter(portrait.data[:, 0], portrait.data[:, 1], s=2, color="#d8d8d8", linewidths=0)
    else:
        root = np.exp((portrait.truth - portrait.truth.max()) / 2)
        axis.imshow(
            root, origin="lower", extent=portrait.extent, vmin=0, vmax=2.5, cmap="Greys", interpolation="bilinear"
        )
    return axis.scatter([], [], s=5, color=COLOURS[0], linewidths=0)


def ways_of(portrait: Portrait) -> np.ndarray:
    """The points of a flow, (frames, n, 2)."""
    if portrait.points is None:
        raise TypeError(f"{portrait.name} has no points: see flows_of")
    return portrait.points


def between(ways: np.ndarray, share: float) -> np.ndarray:
    """Points (frames, n, 2) at a share of the time, on straight lines between recorded frames; (n, 2)."""
    place = share * (len(ways) - 1)
    before = min(int(place), len(ways) - 2)
    rest = place - before
    points: np.ndarray = (1 - rest) * ways[before] + rest * ways[before + 1]
    return points


def write_gif(images: Sequence[Image], output: Path) -> None:
    """An endless GIF, all of its pictures in the colours of the last."""
    from PIL.Image import Dither, Quantize

    palette = images[-1].quantize(PALETTE, Quantize.FASTOCTREE)
    first, *others = [image.quantize(palette=palette, dither=Dither.NONE) for image in images]
    times = [*([1000 // RATE] * len(others)), 1000 * STILL // RATE]

    def write(stream: BinaryIO) -> None:
        first.save(stream, format="GIF", save_all=True, append_images=others, duration=times, loop=0)

    write_atomically(output, write)


def write_mp4(images: Sequence[Image], output: Path) -> None:
    """An MP4 that every browser plays, by ffmpeg.

    Raises:
        FmbenchError: ffmpeg fails, or the file system refuses.
    """
    width, height = images[0].size
    content = b"".join(image.tobytes() for image in [*images, *[images[-1]] * STILL])
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(RATE), "-i", "-"]
    coded = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-fflags", "+bitexact", "-f", "mp4"]
    with TemporaryDirectory() as folder:
        film = Path(folder, "film.mp4")
        call = ["ffmpeg", "-v", "error", *raw, *coded, str(film)]
        done = subprocess.run(call, input=content, capture_output=True, check=False)
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise FmbenchError(f"ffmpeg cannot write {output}: {last or done.returncode}; end --output in .gif")
        write_bytes(output, film.read_bytes())


Writer = Callable[[Sequence["Image"], Path], None]
WRITERS: Mapping[str, Writer] = {".gif": write_gif, ".mp4": write_mp4}
