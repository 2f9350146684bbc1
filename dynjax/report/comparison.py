"""Tabulates finished runs beside the paper's results, and the tests of each run against the first.

Tables go to the terminal, to CSV and to LaTeX.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dynjax import csv_table
from dynjax.evaluation.paired import SEED, Pairing
from dynjax.evaluation.resampling import RESAMPLES
from dynjax.report.terminal import new_table, print_table, print_text
from dynjax.report.wording import estimate_text, name_folds, with_interval

PAPER_METRICS = {
    "accuracy": "Acc",
    "roc_auc": "ROC",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "average_precision": "AP",
}

# Tables 2 to 4 of the paper, on ADNI: accuracy, ROC AUC, F1, precision, recall, average precision. Table 2 does not say
# whether its networks have attention. Its VGG11 is listed here without, because Table 3 has VGG11 with attention.
PAPER = {
    "Dyn + AlexNet + Att": (0.87, 0.90, 0.86, 0.89, 0.83, 0.82),
    "Dyn + ResNet18 + Att": (0.85, 0.84, 0.84, 0.86, 0.81, 0.79),
    "Dyn + MobileNetV2 + Att": (0.88, 0.89, 0.87, 0.89, 0.85, 0.83),
    "Dyn + VGG11": (0.91, 0.92, 0.91, 0.88, 0.93, 0.86),
    "3D-VGG": (0.80, 0.78, 0.78, 0.82, 0.75, 0.74),
    "3D-ResNet": (0.84, 0.82, 0.82, 0.86, 0.79, 0.78),
    "Max. + VGG11": (0.80, 0.77, 0.80, 0.78, 0.81, 0.73),
    "Avg. + VGG11": (0.86, 0.84, 0.86, 0.83, 0.89, 0.79),
    "Max. + VGG11 + Att": (0.82, 0.76, 0.82, 0.80, 0.83, 0.75),
    "Avg. + VGG11 + Att": (0.88, 0.89, 0.88, 0.85, 0.91, 0.82),
    "Dyn + VGG11 + Att": (0.92, 0.95, 0.91, 0.97, 0.85, 0.90),
    "3D-VGG, with skull": (0.78, 0.62, 0.77, 0.80, 0.75, 0.72),
    "Dyn + VGG11 + Att, with skull": (0.63, 0.52, 0.63, 0.62, 0.64, 0.57),
}


# A network whose mean cross-entropy in its last epoch is above this, half that of guessing, has not learned its own
# training subjects.
NOT_CONVERGED = np.log(2) / 2


def has_not_converged(results: Mapping[str, Any]) -> bool:
    """Whether a network has not learned its training subjects; one that is solved has converged at any loss."""
    losses = [fold.get("train_loss") or 0 for fold in results["folds"]]
    return max(losses) > NOT_CONVERGED and not results["model"].get("solved")


THE_PAPER = "  the paper"
OF_CALLS = "average_precision_of_calls"  # a column where the paper's figures are shown
AP_OF_CALLS = "AP of calls"
PAPER_AP = (
    f"{AP_OF_CALLS}: the average precision of the classes that subjects are called, not of their probabilities; the "
    "authors' released code computes the paper's AP so: only this one can be compared with it"
)
PAIRING_HEADINGS = ("", "subjects", "folds", "Acc", "p", "p Holm", "ROC", "p", "p Holm")
# A page has room for whole names.
IN_FULL = {"Acc": "Accuracy", "ROC": "ROC AUC", "AP": "Average precision", "s/fold": "training, s a fold"}
PAIRED_COLUMNS = [
    "paired_with", "paired_folds", "paired_subjects",
    "accuracy_difference", "accuracy_difference_low", "accuracy_difference_high", "mcnemar_p", "mcnemar_p_holm",
    "roc_auc_difference", "roc_auc_difference_low", "roc_auc_difference_high", "delong_p", "delong_p_holm",
    "not_paired_because",
]  # fmt: skip


class Row(NamedTuple):
    """A finished run: its name, folder, number of epochs and results.json.

    pairing: its tests against the first run. unpaired: why there are none. The first run itself has neither.
    of_calls: the estimate of OF_CALLS, None if it is not wanted or its predictions cannot be read. negative: the class
    that is not the positive one, '' if unknown.
    """

    name: str
    folder: str
    epochs: int
    results: dict
    pairing: Pairing | None = None
    unpaired: str = ""
    of_calls: dict | None = None
    negative: str = ""

    @property
    def notes(self) -> list[str]:
        """Lists what a reader of the run's numbers must know."""
        cohort, folds = self.results["cohort"], self.results["folds"]
        notes = ["SYNTHETIC" if cohort["synthetic"] else cohort["source"]]
        if "external" in self.results:
            source = self.results["external"].get("trained_on") or {}
            notes.append("EXTERNAL" + (", trained on SYNTHETIC subjects" if source.get("synthetic") else ""))
        if cohort.get("shuffled"):
            notes.append("SHUFFLED labels")
        if folds[0]["epoch"] is None:
            return [*notes, f"a baseline by {self.results['weights']['source']}"]
        return notes + self._training_notes()

    def _training_notes(self) -> list[str]:
        """Lists what a reader must know about how the networks were trained and selected."""
        results, notes = self.results, []
        if "repeats" in results:
            notes.append(f"{results['repeats']} repeats")
        epochs = "1 epoch" if self.epochs == 1 else f"{self.epochs} epochs"
        notes.append("solved" if results["model"].get("solved") else epochs)
        notes.append("ImageNet" if results["weights"]["pretrained"] else "random weights")
        if results.get("folds_missing"):
            notes.append(f"{name_folds([fold['fold'] for fold in results['folds']])} alone")
        if has_not_converged(results):
            notes.append("NOT CONVERGED")
        if results["selection"] == "test" and "external" not in results:
            notes.append("OPTIMISTIC")
        return notes

    @property
    def seconds(self) -> float:
        """Returns the training time per fold."""
        folds = self.results["folds"]
        return sum(fold["train_seconds"] for fold in folds) / len(folds)


def print_rows(rows: list[Row], with_paper: bool) -> None:
    """Prints the table of runs."""
    table = new_table(headings(with_paper), left=("", "notes"))
    for line in row_lines(rows, with_paper):
        table.add_row(*line)
    print_table(table)
    if with_paper:
        print_text(PAPER_AP)


def print_pairings(rows: list[Row]) -> None:
    """Prints the tests of each run against the first, or why it has none; prints nothing for a single run."""
    pairings = [(row.name, row.pairing) for row in rows if row.pairing]
    if pairings:
        table = new_table(PAIRING_HEADINGS)
        for name, pairing in pairings:
            table.add_row(name, *pairing_cells(pairing))
        print_text(f"Paired by subject: each run minus {rows[0].name} ({rows[0].folder})")
        print_table(table)
        print_text(method(len(pairings)))
    for row in rows:
        if row.unpaired:
            print_text(f"not paired: {row.name} ({row.folder}): {row.unpaired}")


def headings(with_paper: bool) -> list[str]:
    """Returns the titles of the columns of `row_lines`."""
    return ["", *_metric_titles(with_paper), "parameters", "s/fold", "notes"]


def in_full(titles: Sequence[str]) -> list[str]:
    """Returns titles of columns without their short forms, for a page."""
    return [IN_FULL.get(title, title) for title in titles]


def row_lines(rows: list[Row], with_paper: bool) -> Iterator[list[str]]:
    """Yields the cells under `headings` of each run, followed by the paper's if wanted."""
    for row in rows:
        estimates = [estimate_text(estimate) for estimate in _estimates(row, with_paper)]
        yield [row.name, *estimates, f"{_parameters(row):,}", f"{row.seconds:.0f}", ", ".join(row.notes)]
        if with_paper and row.name in PAPER:
            yield [THE_PAPER, *_paper_cells(row), "", "", "ADNI"]


def _metric_titles(with_paper: bool) -> list[str]:
    return [*PAPER_METRICS.values(), *([AP_OF_CALLS] if with_paper else [])]


def _estimates(row: Row, with_paper: bool) -> list[dict]:
    """Returns a run's estimates in the order of `_metric_titles`."""
    estimates = [row.results["metrics"][name] for name in PAPER_METRICS]
    return estimates + [row.of_calls or {"value": None, "ci95": None}] if with_paper else estimates


def _paper_cells(row: Row) -> list[str]:
    """Returns the paper's values in the order of `_metric_titles`: its AP is that of calls, and there is no other."""
    *values, of_calls = PAPER[row.name]
    return [*(f"{value:.2f}" for value in values), "", f"{of_calls:.2f}"]


def to_csv(rows: list[Row], with_paper: bool) -> str:
    """Formats the runs as CSV, one line each, with the ends of intervals in columns of their own.

    The paper's values, if wanted, are in the `paper_` columns. The tests against the first run are in PAIRED_COLUMNS.
    """
    names = [*PAPER_METRICS, *([OF_CALLS] if with_paper else [])]
    metrics = [column for name in names for column in (name, f"{name}_low", f"{name}_high")]
    paper = [f"paper_{name}" for name in PAPER_METRICS] if with_paper else []
    header = ["run", "folder", *metrics, "parameters", "seconds_per_fold", "notes", *paper, *PAIRED_COLUMNS]
    lines = []
    for row in rows:
        ours = []
        for estimate in _estimates(row, with_paper):
            low, high = estimate["ci95"] or (None, None)
            ours += [_decimals(estimate["value"]), _decimals(low), _decimals(high)]
        theirs = [_decimals(value) for value in PAPER.get(row.name, [None] * len(PAPER_METRICS))] if with_paper else []
        about = [_parameters(row), f"{row.seconds:.1f}", "; ".join(row.notes)]
        lines.append([row.name, row.folder, *ours, *about, *theirs, *_paired_cells(row, rows[0])])
    return csv_table.to_csv(header, lines)


def to_latex(rows: list[Row], with_paper: bool) -> str:
    """Formats the runs as a booktabs tabular."""
    titles = _metric_titles(with_paper)
    lines = [r"\begin{tabular}{l" + "c" * len(titles) + "rrl}", r"\toprule"]
    lines += [_latex_line(["", *titles, "Parameters", "s/fold", "Notes"]), r"\midrule"]
    for row in rows:
        estimates = [_latex(estimate) for estimate in _estimates(row, with_paper)]
        parameters = f"{_parameters(row):,}".replace(",", r"\,")
        notes = _escaped(", ".join(row.notes))
        lines.append(_latex_line([row.name, *estimates, parameters, f"{row.seconds:.0f}", notes]))
        if with_paper and row.name in PAPER:
            lines.append(_latex_line([r"\quad the paper", *_paper_cells(row), "", "", "ADNI"]))
    lines += [r"\bottomrule", r"\end{tabular}", *([f"% {PAPER_AP}"] if with_paper else [])]
    return "\n".join(lines) + "\n"


def method(runs: int) -> str:
    """Describes how `runs` runs were tested against the first."""
    return (
        "Accuracy: exact McNemar; ROC AUC: DeLong; "
        f"intervals: BCa, {RESAMPLES} resamples of the subjects, seed {SEED}; "
        f"p Holm: corrected for all {2 * runs} tests here"
    )


def pairing_cells(pairing: Pairing) -> list[str]:
    """Returns the cells under PAIRING_HEADINGS, except the name."""
    cells = [str(pairing.n_subjects), ",".join(map(str, pairing.folds))]
    for test in (pairing.accuracy, pairing.roc_auc):
        cells += [with_interval(test.difference, test.ci95, sign="+"), p_text(test.p), p_text(test.p_holm)]
    return cells


def p_text(value: float | None) -> str:
    """Formats a p value, or '-' if there is none."""
    if value is None:
        return "-"
    return f"{value:.3f}" if value >= 0.001 else "<0.001"


def _paired_cells(row: Row, first: Row) -> list[str]:
    """Returns the cells under PAIRED_COLUMNS."""
    if row.pairing is None:
        return [""] * (len(PAIRED_COLUMNS) - 1) + [row.unpaired]
    cells = [first.folder, ",".join(map(str, row.pairing.folds)), str(row.pairing.n_subjects)]
    for test in (row.pairing.accuracy, row.pairing.roc_auc):
        numbers = (test.difference, *(test.ci95 or (None, None)), test.p, test.p_holm)
        cells += ["" if number is None else f"{number:.4g}" for number in numbers]
    return [*cells, ""]


def _decimals(number: float | None) -> str:
    return "" if number is None else f"{number:.4f}"


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex(estimate: dict) -> str:
    if estimate["value"] is None:
        return "--"
    if estimate["ci95"] is None:
        return f"{estimate['value']:.2f}"
    low, high = estimate["ci95"]
    return f"{estimate['value']:.2f} {{\\footnotesize({low:.2f}--{high:.2f})}}"


def _escaped(text: str) -> str:
    for character in "_%&#$":
        text = text.replace(character, "\\" + character)
    return text


def _parameters(row: Row) -> int:
    return row.results["model"]["parameters"]
