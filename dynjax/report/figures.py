"""The figures of a run as SVG, drawn from arrays. `mark` labels each with a warning: SYNTHETIC, OPTIMISTIC."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator

from dynjax.percent import percent
from dynjax.report.canvas import COLOURS, FULL, INK, NEGATIVE, POSITIVE, STYLES, draw
from dynjax.report.curves import GRID, Bins, Curve

BINS = 10  # of the histogram
BAND = 0.3  # opacity
Points = tuple[np.ndarray, np.ndarray]


def learning_curves(name: str, folds: Mapping[int, Points], mark: str) -> str:
    """Draws a training curve per fold. name: 'loss' or 'accuracy'; folds: fold -> (epochs, values)."""

    def drawing(figure: FigureBase) -> None:
        axes = figure.subplots()
        for index, (fold, (epochs, values)) in enumerate(folds.items()):
            colour, line = _look(index)
            marker = "." if len(epochs) < 3 else ""  # a line through one point is invisible
            axes.plot(epochs, values, color=colour, linestyle=line, marker=marker, label=f"fold {fold}")
        axes.set(xlabel="epoch", ylabel=f"training {name}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(*((0, None) if name == "loss" else (None, 1.02)))
        _legend_below(figure, axes, columns=3)

    return draw(name, (FULL, 3.6), mark, drawing)


def roc(curve: Curve, folds: Mapping[int, Points], point: tuple[float, float], mark: str) -> str:
    """Draws the ROC curve with its band, and each fold's curve.

    point: 1 - specificity and sensitivity at the operating threshold.
    """

    def drawing(figure: FigureBase) -> None:
        axes = figure.subplots()
        _diagonal(axes)
        for index, xy in enumerate(folds.values()):
            axes.plot(*xy, color=INK, alpha=0.35, linewidth=0.8, label=None if index else "each fold")
        axes.fill_between(GRID, curve.low, curve.high, color=COLOURS[0], alpha=BAND, linewidth=0, label="95 % band")
        axes.plot(curve.x, curve.y, color=COLOURS[0], linewidth=2, label="all subjects")
        axes.plot(*point, "o", color=COLOURS[1], markersize=7, label="operating point")
        _unit_square(axes, "1 - specificity", "sensitivity (recall)")
        _legend_below(figure, axes, columns=2)

    return draw("roc", (FULL, 5.0), mark, drawing)


def precision_recall(curve: Curve, prevalence: float, point: tuple[float, float] | None, mark: str) -> str:
    """Draws the precision-recall curve with its band.

    point: recall and precision at the operating threshold; None if no subject is called positive.
    """

    def drawing(figure: FigureBase) -> None:
        axes = figure.subplots()
        axes.axhline(prevalence, color=INK, linestyle=":", linewidth=1, label="chance (prevalence)")
        axes.fill_between(GRID, curve.low, curve.high, color=COLOURS[0], alpha=BAND, linewidth=0, label="95 % band")
        axes.step(curve.x, curve.y, where="pre", color=COLOURS[0], linewidth=2, label="all subjects")
        if point is not None:
            axes.plot(*point, "o", color=COLOURS[1], markersize=7, label="operating point")
        _unit_square(axes, "recall (sensitivity)", "precision")
        _legend_below(figure, axes, columns=2)

    return draw("precision_recall", (FULL, 5.0), mark, drawing)


def confusion(counts: np.ndarray, names: tuple[str, str], mark: str) -> str:
    """Draws the confusion matrix.

    counts: int [2, 2], true class by row and predicted class by column. names: (negative, positive).
    """

    def drawing(figure: FigureBase) -> None:
        axes = figure.subplots()
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        for row, column in np.ndindex(2, 2):
            colour = COLOURS[0] if row == column else COLOURS[1]
            axes.fill_between([column, column + 1], row, row + 1, color=colour, alpha=0.6 * shares[row, column], lw=0)
            text = f"{counts[row, column]}\n{percent(shares[row, column])}"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=14)
        axes.set(xlim=(0, 2), ylim=(2, 0), aspect="equal", xlabel="predicted class", ylabel="true class")
        axes.set_xticks([0.5, 1.5], names)
        axes.set_yticks([0.5, 1.5], names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    return draw("confusion", (FULL, 3.8), mark, drawing)


def probabilities_by_class(
    probabilities: np.ndarray, labels: np.ndarray, names: tuple[str, str], thresholds: np.ndarray, mark: str
) -> str:
    """Draws a histogram of the probability in each class, with the thresholds; all arrays are [N]."""

    def drawing(figure: FigureBase) -> None:
        axes = figure.subplots()
        both = [probabilities[labels == label] for label in (0, 1)]
        axes.hist(both, bins=BINS, range=(0, 1), color=[NEGATIVE, POSITIVE], label=list(names))
        for index, threshold in enumerate(np.unique(thresholds)):
            label = None if index else "threshold"  # one legend entry for all
            axes.axvline(threshold, color=INK, linestyle=":", linewidth=1, label=label)
        axes.set(xlim=(-0.02, 1.02), xlabel=f"probability of {names[1]}", ylabel="subjects")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        _legend_below(figure, axes, columns=3)

    return draw("probabilities", (FULL, 3.8), mark, drawing)


def calibration(bins: Bins, positive: str, mark: str) -> str:
    """Draws the observed share of positives against the mean probability in each bin."""

    def drawing(figure: FigureBase) -> None:
        axes = figure.subplots()
        _diagonal(axes)
        # [2, B]; clipped, because rounding can put an end of the interval on the wrong side
        error = np.clip([bins.observed - bins.low, bins.high - bins.observed], 0, None)
        axes.errorbar(bins.predicted, bins.observed, error, fmt="o-", color=COLOURS[0], linewidth=1.2, capsize=2)
        _unit_square(axes, f"mean probability of {positive}", f"observed share of {positive}")

    return draw("calibration", (FULL, 4.6), mark, drawing)


def overlaid_roc(curves: Mapping[str, Points], mark: str) -> str:
    """Draws the ROC curves of several runs, labelled with their names."""

    def drawing(figure: FigureBase) -> None:
        axes = figure.subplots()
        _diagonal(axes)
        for index, (name, xy) in enumerate(curves.items()):
            colour, line = _look(index)
            axes.plot(*xy, color=colour, linestyle=line, linewidth=1.8, label=name)
        _unit_square(axes, "1 - specificity", "sensitivity (recall)")
        _legend_below(figure, axes, columns=1)

    return draw("roc", (FULL, 4.4 + 0.22 * len(curves)), mark, drawing)


def _look(index: int) -> tuple[str, str]:
    """Returns a colour and a line style, which differ from those of the next indices."""
    return COLOURS[index % len(COLOURS)], STYLES[index % len(STYLES)]


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=INK, linestyle=":", linewidth=1)


def _unit_square(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel=x, ylabel=y)


def _legend_below(figure: FigureBase, axes: Axes, columns: int) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=columns, fontsize=9)
