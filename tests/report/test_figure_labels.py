"""Labels stand beside their points and on nothing else, however the points crowd."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.text import Text

from fmbench.report.figures import labels, style


def boxes_of(axes):
    """What the labels cover by matplotlib's own measure, in points."""
    renderer = axes.figure.canvas.get_renderer()
    for text in axes.texts:
        text.update_positions(renderer)  # an annotation's extent includes its leader, its text's does not
    extents = [
        Text.get_window_extent(text, renderer).get_points().ravel() * 72 / axes.figure.dpi for text in axes.texts
    ]
    return axes.texts, np.array(extents)


def placed(points, obstacles=None, names=None):
    with style.figure(height=4) as picture:
        axes = picture.subplots()
        axes.set(xlim=(0, 10), ylim=(0, 10))
        labels.settle(picture)
        names = names or [f"method-{place}" for place in range(len(points))]
        labels.place(axes, [labels.Label(name, x, y) for name, (x, y) in zip(names, points, strict=True)], obstacles)
    return axes


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("spread", [0.4, 1.0, 3.0])
def test_thirty_crowded_labels_overlap_neither_each_other_nor_a_point_nor_the_frame(seed, spread):
    points = np.clip(np.random.default_rng(seed).normal(5, spread, (30, 2)), 0.3, 9.7)
    axes = placed(points)
    texts, boxes = boxes_of(axes)
    assert [one.get_text() for one in texts] == [f"method-{place}" for place in range(30)]
    assert not (labels.overlaps(boxes, boxes) & ~np.eye(30, dtype=bool)).any()
    spots = labels.in_points(axes, points)
    assert not labels.overlaps(boxes, np.concatenate([spots - 1, spots + 1], axis=1)).any()
    frame = axes.bbox.get_points() * 72 / axes.figure.dpi
    assert (boxes[:, :2] >= frame[0]).all()
    assert (boxes[:, 2:] <= frame[1]).all()


def test_a_lonely_label_stands_at_the_right_without_a_leader():
    axes = placed([(5, 5)])
    (text,), (box,) = boxes_of(axes)
    x, y = labels.in_points(axes, np.array([(5, 5)]))[0]
    assert x < box[0] < x + 8
    assert (box[1] + box[3]) / 2 == pytest.approx(y, abs=1)
    assert text.arrow_patch is None


def test_at_the_right_edge_it_stands_at_the_left():
    _, ((_, _, right, _),) = boxes_of(axes := placed([(9.9, 5)]))
    assert right < labels.in_points(axes, np.array([(9.9, 5)]))[0, 0]


def test_a_label_that_is_pushed_away_is_led_to_its_point():
    axes = placed([(5, 5)] * 12)
    texts, boxes = boxes_of(axes)
    far = labels.distances(boxes, labels.in_points(axes, np.array([(5, 5)])))[:, 0] > labels.LEADER
    led = [one.arrow_patch is not None for one in texts]
    assert any(far)
    assert all(has for has, needs in zip(led, far, strict=True) if needs)


def test_lines_are_kept_clear_of():
    with style.figure(height=4) as picture:
        axes = picture.subplots()
        axes.set(xlim=(0, 10), ylim=(0, 10))
        labels.settle(picture)
        line = labels.thin(labels.in_points(axes, np.array([(0.0, 5.0), (10.0, 5.0)])))
        labels.place(axes, [labels.Label("method", 5, 5)], line)
    _, boxes = boxes_of(axes)
    assert not labels.overlaps(boxes, line).any()


def test_a_label_is_nearer_to_its_own_point_than_to_a_neighbour():
    """Between two points at the same height a label at the right of the first could be the second's."""
    start, end = labels.in_points(placed([(4, 5)]), np.array([(4, 5), (5, 5)]))
    points = [(4, 5), (4 + 22 / (end[0] - start[0]), 5)]  # just room enough for the label
    axes = placed(points, names=["first", "second"])
    _, boxes = boxes_of(axes)
    gaps = labels.distances(boxes, labels.in_points(axes, np.array(points)))
    assert gaps[0, 0] < gaps[0, 1]
    assert gaps[1, 1] < gaps[1, 0]


def test_names_are_no_mathematics():
    axes = placed([(5, 5)], names=["$x_{$"])
    axes.figure.draw_without_rendering()
    assert axes.texts[0].get_text() == "$x_{$"
