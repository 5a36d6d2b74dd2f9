"""Plots of a run for papers and slides, as PNG and SVG by matplotlib, of the data of `etm_jax.report.page.contents`."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.report.document_map import document_map
from etm_jax.report.page.strings import Strings
from etm_jax.report.palette import SIDE_BY_SIDE, text_on
from etm_jax.report.plot_style import FAINT, FAMILIES, GRID, INK, SOFT, tick_label
from etm_jax.report.plots_time import moving_shares, moving_words
from etm_jax.util.console import display_width, warn

CJK_FAMILIES = (
    "Noto Sans CJK SC", "Source Han Sans SC", "Noto Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "PingFang SC",
    "Heiti SC", "Microsoft YaHei", "SimHei", "Arial Unicode MS",
)  # fmt: skip
"""Font families with Chinese characters, on Debian, macOS and Windows."""

CJK_FILES = ("cjk", "wqy", "sourcehansans", "notosanssc", "pingfang", "heiti", "msyh", "simhei", "arial unicode")
"""Parts of the names of files of these fonts, in lower case."""

BARS = 12
"""Topics of a plot of bars, and of curves over time."""


def warn_without_cjk() -> None:
    """Warn where no installed font has Chinese characters."""
    if cjk_family() is None:
        warn("no font for Chinese is installed, so plots show boxes; apt install fonts-wqy-microhei, or a similar one")


def write_plots(contents: dict[str, Any], theta: np.ndarray, folder: Path) -> None:
    """Write each plot that the run has data for as NAME.png and NAME.svg. Needs matplotlib (extra: figures).

    theta: [D, K], of all documents.

    Warns where a plot has Chinese text and no installed font has Chinese characters, and names a package that has one.
    """
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    with figure_style(contents["run"]["lang"]):
        for name, figure in _plots(contents, theta):
            figure.savefig(folder / f"{name}.png", dpi=200, bbox_inches="tight", pad_inches=0.15)
            # Without the date, the same run gives the same bytes.
            figure.savefig(folder / f"{name}.svg", bbox_inches="tight", pad_inches=0.15, metadata={"Date": None})
            plt.close(figure)


@contextmanager
def figure_style(lang: str) -> Iterator[None]:
    """How plots look, with a font for Chinese where lang is zh; that there is none is said once."""
    from matplotlib import rc_context

    found = cjk_family()
    if lang == "zh":
        warn_without_cjk()
    style: Any = {
        "font.family": [*([found] if found else []), "DejaVu Sans"], "text.color": INK, "axes.edgecolor": "#c3c9d3",
        "axes.spines.top": False, "axes.spines.right": False, "xtick.color": SOFT, "ytick.color": SOFT,
        "xtick.labelsize": 9, "ytick.labelsize": 9, "axes.unicode_minus": False, "svg.hashsalt": "etm_jax",
        "figure.facecolor": "white", "text.parse_math": False,
    }  # fmt: skip
    with rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # the warning above says it once
        yield


def cjk_family() -> str | None:
    """The first of `CJK_FAMILIES` that is installed; None where none is."""
    from matplotlib import font_manager

    def installed() -> str | None:
        names = {font.name for font in font_manager.fontManager.ttflist}
        return next((name for name in CJK_FAMILIES if name in names), None)

    if installed() is None:
        # matplotlib caches its list of fonts, and misses fonts that were installed later.
        for path in font_manager.findSystemFonts():
            if any(part in Path(path).name.lower() for part in CJK_FILES):
                font_manager.fontManager.addfont(path)
    return installed()


def _plots(contents: dict[str, Any], theta: np.ndarray) -> Iterator[tuple[str, Any]]:
    """Each plot with its name."""
    yield from _topics(contents)
    yield "shares", _shares(contents)
    if len(contents["topics"]) > 1:
        yield "similarity", _similarity(contents)
    if contents["map"]:
        yield "map", _map(contents)
    if contents["time"]:
        yield "time", _time(contents)
    if contents["moving"]:
        yield from _moving(contents)
    yield from _training(contents)
    yield "documents", _documents(contents)
    if len(theta) > 1:
        yield "document_map", document_map(theta, [_label(contents, k, 2) for k in range(theta.shape[1])], INK)


def _strings(contents: dict[str, Any]) -> Strings:
    """What figures say, in the language of the page."""
    return Strings(contents["run"]["page_lang"])


def _label(contents: dict[str, Any], k: int, n: int = 3) -> str:
    """A topic's number with its name or its first n words."""
    topic = contents["topics"][k]
    return f"{k}  {topic['name'] or ' '.join(contents['words']['text'][j] for j in topic['words'][:n])}"


def _colour(contents: dict[str, Any], k: int) -> str:
    """The colour of a topic's family."""
    return FAMILIES[contents["topics"][k]["family"]]


def _by_share(contents: dict[str, Any]) -> list[int]:
    """The topics by falling share."""
    return sorted(range(len(contents["topics"])), key=lambda k: -contents["topics"][k]["share"])


def _topics(contents: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Bars of the ten most probable words of each topic, `BARS` topics a plot."""
    from matplotlib import pyplot as plt
    from matplotlib.ticker import MaxNLocator

    say, order = _strings(contents), _by_share(contents)
    for start in range(0, len(order), BARS):
        some = order[start : start + BARS]
        rows = -(-len(some) // 4)
        figure, axes = plt.subplots(rows, 4, figsize=(13, 3.1 * rows), layout="constrained", squeeze=False)
        for axis in axes.ravel()[len(some) :]:
            axis.set_visible(False)
        for axis, k in zip(axes.ravel(), some, strict=False):
            topic = contents["topics"][k]
            axis.barh(range(10), topic["p"][9::-1], color=_colour(contents, k), height=0.72)
            axis.set_yticks(range(10), [contents["words"]["text"][j] for j in topic["words"][9::-1]], color=INK)
            axis.set_title(topic["name"] or say("topics.topic", k=k), loc="left", fontsize=11, color=INK)
            axis.set_title(f"{topic['share']:.1%}   NPMI {topic['npmi']:.2f}", loc="right", fontsize=9, color=SOFT)
            axis.xaxis.set_major_locator(MaxNLocator(3))
            axis.xaxis.set_major_formatter(tick_label)
            axis.tick_params(left=False)
        yield f"topics_{start // BARS + 1}", figure


def _shares(contents: dict[str, Any]) -> Any:
    """Bars of the topics' shares."""
    from matplotlib import pyplot as plt

    order = _by_share(contents)
    figure, axis = plt.subplots(figsize=(8, 0.23 * len(order) + 0.9))
    axis.barh(
        range(len(order)),
        [contents["topics"][k]["share"] for k in order],
        color=[_colour(contents, k) for k in order],
        height=0.72,
    )
    axis.set_yticks(range(len(order)), [_label(contents, k, 5) for k in order], color=INK, fontsize=8.5)
    axis.invert_yaxis()
    axis.margins(y=0.01)
    axis.xaxis.set_major_formatter(tick_label)
    axis.set_xlabel(_strings(contents)("figure.share"), color=SOFT)
    axis.tick_params(left=False)
    return figure


def _similarity(contents: dict[str, Any]) -> Any:
    """The tree of topics, and the matrix of their overlaps."""
    from matplotlib import pyplot as plt
    from matplotlib.colors import LinearSegmentedColormap

    similarity = contents["similarity"]
    order, joints = similarity["order"], similarity["joints"]
    size = len(order)
    overlap = np.array(similarity["overlap"], float)
    np.fill_diagonal(overlap, np.nan)
    colours = LinearSegmentedColormap.from_list("overlap", ["#f4f2ec", "#8fa9cd", "#14427f"])
    side = max(4.0, 0.19 * size)
    figure, (tree, squares) = plt.subplots(
        1, 2, figsize=(side + 4.5, side), width_ratios=(1.6, side), layout="constrained", sharey=True
    )
    for joint in joints:
        tree.plot(joint[4:], joint[:4], color=FAINT, linewidth=0.9)
    tree.invert_xaxis()
    tree.set_axis_off()
    image = squares.imshow(overlap, cmap=colours.with_extremes(bad=GRID), aspect="auto", interpolation="nearest")
    squares.set_ylim(size - 0.5, -0.5)
    squares.set_yticks(range(size), [_label(contents, k) for k in order], fontsize=8.5)
    squares.yaxis.tick_right()
    squares.tick_params(left=False, right=False, labelleft=False, labelright=True)
    for tick, k in zip(squares.get_yticklabels(), order, strict=True):
        tick.set_color(_colour(contents, k))
    squares.set_xticks([])
    squares.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=squares, location="bottom", shrink=0.5, aspect=30, pad=0.02)
    bar.set_label(_strings(contents)("similarity.bar"), color=SOFT, fontsize=9)
    bar.outline.set_visible(False)
    return figure


def _map(contents: dict[str, Any]) -> Any:
    """The map of topics and words. A label is left out where it would cover a disc or another label."""
    from matplotlib import pyplot as plt

    size = np.array([936.0, 648.0])  # in points
    topics, words = contents["map"]["topics"], contents["map"]["words"]
    points = np.array([*topics, *(word[2:] for word in words)])
    points = 30 + (size - 60) * (points - points.min(axis=0)) / np.maximum(np.ptp(points, axis=0), 1e-9)
    figure, axis = plt.subplots(figsize=tuple(size / 72))
    axis.set(position=(0, 0, 1, 1), xlim=(0, size[0]), ylim=(size[1], 0))
    axis.set_axis_off()
    shares = np.array([topic["share"] for topic in contents["topics"]])
    radius = 5 + 10 * np.sqrt(shares / shares.max())
    taken = [(x - r, y - r, x + r, y + r) for (x, y), r in zip(points, radius, strict=False)]

    def write(text: str, x: float, y: float, height: float, colour: str, off: float) -> None:
        wide = display_width(text) * height / 2
        for dx, dy in ((0, -off - height / 2), (0, off + height / 2), (off + wide / 2, 0), (-off - wide / 2, 0)):
            box = (x + dx - wide / 2, y + dy - height / 2, x + dx + wide / 2, y + dy + height / 2)
            if all(box[2] < o[0] or box[0] > o[2] or box[3] < o[1] or box[1] > o[3] for o in taken):
                taken.append(box)
                axis.text(x + dx, y + dy, text, fontsize=height, color=colour, ha="center", va="center_baseline")
                return

    for k in _by_share(contents):
        x, y = points[k]
        axis.scatter(x, y, s=(2 * radius[k]) ** 2, color=_colour(contents, k), alpha=0.87, linewidths=0, zorder=3)
        axis.text(x, y, str(k), fontsize=8, color="white", ha="center", va="center", zorder=4)
        write(_label(contents, k, 2).partition("  ")[2], x, y, 10.5, INK, radius[k] + 2)
    for (j, k, *_), (x, y) in zip(words, points[len(topics) :], strict=True):
        axis.scatter(x, y, s=6, color=_colour(contents, k), alpha=0.6, linewidths=0)
        write(contents["words"]["text"][j], x, y, 8, SOFT, 3)
    return figure


def _time(contents: dict[str, Any]) -> Any:
    """The topics whose shares change most, each in a panel of its own."""
    from matplotlib import pyplot as plt

    time = contents["time"]
    order = sorted(range(len(time["shares"])), key=lambda k: -float(np.ptp(time["shares"][k])))[:BARS]
    rows = -(-len(order) // 4)
    figure, axes = plt.subplots(rows, 4, figsize=(13, 2.3 * rows), layout="constrained", squeeze=False)
    for axis in axes.ravel()[len(order) :]:
        axis.set_visible(False)
    for axis, k in zip(axes.ravel(), order, strict=False):
        axis.plot(time["shares"][k], color=_colour(contents, k), linewidth=1.8)
        axis.set_ylim(0)
        axis.set_title(_label(contents, k), loc="left", fontsize=10, color=INK)
        axis.yaxis.set_major_formatter(tick_label)
        last = len(time["bins"]) - 1
        axis.set_xticks([0, last], [time["bins"][0], time["bins"][last]])
        axis.get_xticklabels()[0].set_ha("left")
        axis.get_xticklabels()[1].set_ha("right")
        axis.grid(axis="y", color=GRID, linewidth=0.8)
    return figure


def _moving(contents: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Of topics that move: their words and their shares by period."""
    topics = range(len(contents["topics"]))
    labels, colours = [_label(contents, k) for k in topics], [_colour(contents, k) for k in topics]
    moving, say = contents["moving"], _strings(contents)
    yield "moving_words", moving_words(moving, contents["words"]["text"], labels, say)
    yield "moving_shares", moving_shares(moving, labels, colours, say)


CURVES = {
    "loss": ("nelbo", "recon", "kl"),
    "quality": ("c_v", "npmi", "diversity"),
}
"""Curves by epoch, a panel each, as in Figures 4 and 6 of the report."""


def _curve_titles(contents: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The title and the unit of every curve."""
    say = _strings(contents)
    return {
        "nelbo": (say("training.loss"), say("training.nelbo")),
        "recon": (say("training.reconstruction"), say("training.nats")),
        "kl": (say("training.kl"), say("training.nats")),
        "c_v": (say("training.coherence"), "C_V"),
        "npmi": (say("training.coherence"), "NPMI"),
        "diversity": (say("training.diversity"), say("training.diversity_of")),
    }


def _training(contents: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Curves of training by epoch, as far as the run logged them."""
    from matplotlib import pyplot as plt
    from matplotlib.ticker import MaxNLocator

    values, say, titles = contents["training"], _strings(contents), _curve_titles(contents)
    for name, wanted in CURVES.items():
        panels = [panel for panel in wanted if any(x is not None for x in values[panel])]
        if not panels:
            continue
        figure, axes = plt.subplots(
            1, len(panels), figsize=(4.3 * len(panels), 3.2), layout="constrained", squeeze=False
        )
        for axis, curve in zip(axes[0], panels, strict=True):
            title, unit = titles[curve]
            for key, which, line in (
                (curve, say("training.training"), "-"),
                (f"valid_{curve}", say("training.validation"), "--"),
            ):
                points = [(e, y) for e, y in zip(values["epoch"], values.get(key) or [], strict=False) if y is not None]
                if points:
                    axis.plot(*zip(*points, strict=True), line, label=which, linewidth=1.9, marker="o", markersize=3,
                              color=FAMILIES[line == "--"])  # fmt: skip
            axis.set_title(title, loc="left", fontsize=11, color=INK)
            axis.set_title(unit, loc="right", fontsize=9, color=SOFT)
            axis.set_xlabel(say("training.epoch"), color=SOFT)
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.grid(axis="y", color=GRID, linewidth=0.8)
            if len(axis.lines) > 1:
                axis.legend(frameon=False, fontsize=9)
        yield name, figure


def _documents(contents: dict[str, Any]) -> Any:
    """The first documents with their topics, as in Figure 5 of the report."""
    from matplotlib import pyplot as plt

    documents = contents["first"]
    figure, axis = plt.subplots(figsize=(11, 0.62 * len(documents) + 0.6))
    for row, document in enumerate(documents):
        left = 0.0
        for k, percent in zip(document["topics"][::2], document["topics"][1::2], strict=True):
            colour = SIDE_BY_SIDE[contents["topics"][k]["beside"]]
            axis.barh(row, percent, left=left, color=colour, height=0.5, edgecolor="white")
            if percent >= 12:
                axis.text(left + percent / 2, row, _label(contents, k, 2), ha="center", va="center", fontsize=8,
                          color=text_on(colour))  # fmt: skip
            left += percent
        text = document["text"]
        axis.text(0, row - 0.36, text if len(text) <= 60 else text[:60] + "…", fontsize=8.5, color=INK, va="bottom")
    axis.set_ylim(len(documents) - 0.5, -0.8)
    axis.set_xlim(0, 100)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.xaxis.set_major_formatter(lambda x, _: f"{x:.0f}%")
    axis.set_xlabel(_strings(contents)("figure.document_share"), color=SOFT)
    return figure
