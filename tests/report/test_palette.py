"""Colours of neighbours in a bar differ, also for readers who do not tell red from green."""

import itertools
import re
from importlib.resources import files

import numpy as np
import pytest

from etm_jax.report import document_map
from etm_jax.report.document_map import place_documents
from etm_jax.report.palette import SIDE_BY_SIDE, colours_apart, linear_rgb, luminance, text_on

# Full deuteranopia and protanopia on linear light: Machado, Oliveira, Fernandes 2009, table 1.
SIGHT = {
    "normal": np.eye(3),
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(light: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear sRGB, under its own white."""
    x, y, z = XYZ @ np.clip(light, 0, 1) / XYZ.sum(axis=1)
    f = [v ** (1 / 3) if v > 216 / 24389 else (24389 / 27 * v + 16) / 116 for v in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
def test_every_two_colours_can_be_told_apart(sight):
    """By a distance of 12 in L*a*b*, five times what is just noticeable."""
    seen = [lab(np.asarray(SIGHT[sight]) @ linear_rgb(colour)) for colour in SIDE_BY_SIDE]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 12


def test_the_page_has_the_same_colours():
    style = files("etm_jax.report.page").joinpath("page.css").read_text("utf-8")
    assert tuple(re.findall(r"^  --s\d: (#\w{6});$", style, re.MULTILINE)) == SIDE_BY_SIDE


def test_documents_of_a_topic_are_near_each_other_on_the_map():
    theta = np.random.default_rng(0).dirichlet((30, 0.5, 0.5), 90).astype(np.float32)
    for i in range(90):
        theta[i] = np.roll(theta[i], i % 3)
    rows, points = place_documents(theta)
    assert rows.tolist() == list(range(90))
    centres = np.stack([points[k::3].mean(axis=0) for k in range(3)])
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    assert np.mean(nearest == np.arange(90) % 3) > 0.95
    np.testing.assert_array_equal(place_documents(theta)[1], points)


def test_of_many_documents_some_are_on_the_map(monkeypatch):
    monkeypatch.setattr(document_map, "MOST_DOCUMENTS", 10)
    rows, points = place_documents(np.full((50, 2), 0.5))
    assert len(set(rows.tolist())) == len(points) == 10


def test_topics_that_touch_have_different_colours():
    rng = np.random.default_rng(1)
    bars = [rng.choice(50, 4, replace=False).tolist() for _ in range(30)]
    colour = colours_apart(bars, 50)
    assert all(colour[a] != colour[b] for bar in bars for a, b in itertools.pairwise(bar))
    assert set(colour) == set(range(len(SIDE_BY_SIDE)))
    assert colour == colours_apart(bars, 50)
    # More neighbours than colours: all are used, and nothing fails.
    assert set(colours_apart(itertools.combinations(range(4), 2), 4, num_colours=3)) == {0, 1, 2}
    assert colours_apart([], 1) == [0]


def test_text_can_be_read_on_every_colour():
    """With the contrast of 3 that WCAG asks of large text and of graphics."""
    for colour in SIDE_BY_SIDE:
        pair = sorted((luminance(colour), luminance(text_on(colour))))
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 3, colour
