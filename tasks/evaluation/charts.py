"""The charts of an evaluation, as SVG (Matplotlib)."""

import io
from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from tasks.evaluation.calibration import Calibration

_LABELS = 100  # of more nobody looks at the bars, and drawing takes minutes
_RIGHT, _WRONG = "#3a8c5a", "#c8323c"
mpl.rcParams["svg.hashsalt"] = "image-search"  # equal figures give equal bytes

Values = npt.NDArray[np.floating]


def precision_by_label(by_label: Mapping[str, Mapping[str, float]]) -> str:
    """Draws P@1 and average precision of each label, the weakest below; of many, of those."""
    labels = sorted(by_label, key=lambda label: by_label[label]["mean_average_precision"])
    labels = labels[:_LABELS]
    figure = Figure(figsize=(8, 1 + 0.26 * len(labels)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(labels))
    for metric, offset, colour in (
        ("precision_at_1", 0.2, "#9db7d5"),
        ("mean_average_precision", -0.2, "#245cd6"),
    ):
        values = [by_label[label][metric] for label in labels]
        axes.barh(places + offset, values, 0.4, label=metric, color=colour)
    ticks = [f"{label} ({by_label[label]['queries']:.0f})" for label in labels]
    axes.set_yticks(places, ticks, parse_math=False)
    axes.set(xlim=(0, 1), ylim=(-0.6, len(labels) - 0.4))
    axes.legend(loc="lower right")
    return _svg(figure)


def score_distributions(scores: Values, right: npt.NDArray[np.bool_]) -> str:
    """Draws how the scores of right and of wrong first hits are spread."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    # In float32 there may be fewer numbers between the scores than bins.
    edges = np.histogram_bin_edges(scores.astype(np.float64), 30).tolist()
    axes.hist(scores[right], edges, alpha=0.7, label="right", color=_RIGHT)
    axes.hist(scores[~right], edges, alpha=0.7, label="wrong", color=_WRONG)
    axes.set(xlabel="score of the first hit", ylabel="queries")
    axes.legend()
    return _svg(figure)


def calibration(scores: Values, right: npt.NDArray[np.bool_], fitted: Calibration) -> str:
    """Draws how often first hits of a score are right: by tenths of the queries, and as fitted."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    if len(scores):
        order = np.argsort(scores)
        for part in np.array_split(order, min(10, len(order))):
            axes.plot(scores[part].mean(), right[part].mean(), "o", color="#245cd6")
        begins = [*fitted.scores, float(scores.max())]
        axes.step(begins, [*fitted.probabilities, fitted.probabilities[-1]], where="post")
    if fitted.usually_wrong_below is not None:
        axes.axvspan(float(scores.min()), fitted.usually_wrong_below, color=_WRONG, alpha=0.15)
    axes.set(xlabel="score of the first hit", ylabel="share that is right", ylim=(-0.03, 1.03))
    return _svg(figure)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
