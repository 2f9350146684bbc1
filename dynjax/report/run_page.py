"""The page of one run, section by section, from the question to the provenance."""

from collections.abc import Iterator

import numpy as np

from dynjax.evaluation.metrics import THRESHOLD
from dynjax.evaluation.resampling import RESAMPLES
from dynjax.report import figures, pictures, sentences, tables
from dynjax.report.comparison_page import beside
from dynjax.report.curves import precision_recall_curve, reliability, roc_curve, roc_points
from dynjax.report.explanation import EXPLANATION_PARTS, explanation
from dynjax.report.facts import RESEARCH, Facts
from dynjax.report.page import Block, Figure, Items, Numbers, Page, Points, Section, Text, with_glossary
from dynjax.report.plain import heading, in_short
from dynjax.report.wording import METRIC_NAMES, POOLING, estimate_text, interval, name_folds, number, of_whole_run

SHOWN = ("roc_auc", "accuracy", "recall", "specificity")
EXAMPLES, WIDE_EXAMPLES = 6, 2  # of each class; of scans that show many images
WORST, WIDE_WORST = 8, 4
# The figures and tables that a page may have. Other files in report/ are left alone.
PARTS = (
    "flow", "cohort", "refused", "examples_0", "examples_1", "loss", "accuracy", "roc", "precision_recall",
    "confusion", "probabilities", "metrics", "beside", "beside_paired", "calibration", "bins", "subgroups",
    "most_wrong", "folds", "provenance", "settings", *EXPLANATION_PARTS,
)  # fmt: skip
UNREADABLE = "The scans could not be read when this page was written, so no image is shown."


def run_page(facts: Facts) -> Page:
    """Builds the page of a run; sections without contents are left out."""
    sections = {
        "In short": _in_short,
        "How it was evaluated": lambda facts: [Text(sentences.how_evaluated(facts))],
        "Cohort: who was tested": _cohort,
        "Example images": _examples,
        "Training": _training,
        "Discrimination: how well the classes are told apart": _discrimination,
        "All metrics": _metrics,
        "Comparison with other runs": beside,
        "Calibration: whether probabilities mean what they say": _calibration,
        "Subgroups": lambda facts: [tables.subgroups(facts)] if facts.results.get("subgroups") else [],
        "Largest errors": _most_wrong,
        "Explanation: where in the scans the answers come from": explanation,
        "Cost": _cost,
        "Limits: what the numbers do not show": lambda facts: [Items(sentences.limits(facts))],
        "Provenance: where the numbers come from": lambda facts: [tables.provenance(facts), tables.settings(facts)],
    }
    made = [Section(title, list(fill(facts))) for title, fill in sections.items()]
    filled = [section for section in made if section.blocks]
    page = Page(heading(facts), facts.notices(), filled, RESEARCH, facts.name)
    return with_glossary(page, facts.results, facts.classes)


def subjects_to_show(facts: Facts) -> list[str]:
    """Returns the subjects whose images the page shows if they can be read."""
    indices = [*facts.examples(0, EXAMPLES), *facts.examples(1, EXAMPLES), *facts.most_wrong(WORST)]
    return sorted({facts.subjects[index] for index in indices})


def _in_short(facts: Facts) -> Iterator[Block]:
    yield Points(in_short(facts))
    estimates = [(METRIC_NAMES[name], facts.results["metrics"][name]) for name in SHOWN]
    yield Numbers([(name, number(each["value"]), interval(each["ci95"])) for name, each in estimates])
    yield Text(f"{facts.people}; {facts.classes[1]} is the positive class. The 95 % interval is below each number.")


def _cohort(facts: Facts) -> Iterator[Block]:
    table = tables.cohort(facts)
    alt = f"Flow of the cohort: {'; '.join(': '.join(row) for row in table.rows)}."
    text = "From the scan table to the evaluated subjects."
    yield Figure("flow", pictures.flow(_boxes(facts), facts.mark), text, alt)
    yield table
    if notes := facts.results["cohort"].get("notes"):
        yield Text(f"How the scan table was read: {'; '.join(notes)}.")
    if facts.show_ids and facts.refused:
        yield tables.refused(facts)


def _boxes(facts: Facts) -> list[tuple[str, list[str]]]:
    """Returns the boxes of the flow diagram: the scans at each step, and those that leave after it."""
    cohort, missing = facts.results["cohort"], facts.results.get("folds_missing")
    used, answered = cohort["n_scans"], tables.answered(facts.results)
    out = [f"{count:,} {reason}" for reason, count in cohort["excluded"].items() if count]
    left = [f"{used - answered:,} of {name_folds(missing)}:", "not evaluated yet"] if missing else []
    return [
        (f"{used + sum(cohort['excluded'].values()):,} scans in the table", ["left out:", *out] if out else []),
        (f"{used:,} scans used", left),
        (f"{answered:,} scans evaluated of\n" + facts.people.replace(" (", "\n("), []),
    ]


def _examples(facts: Facts) -> Iterator[Block]:
    if facts.images is None:
        yield Text(UNREADABLE)
        return
    for label, name in enumerate(facts.classes):
        members = facts.examples(label, EXAMPLES)
        if members:
            shown = [("", facts.images[facts.subjects[index]]) for index in members]
            columns = pictures.scan_columns(shown[0][1])
            shown = shown if columns > 1 else shown[:WIDE_EXAMPLES]
            svg = pictures.scans(f"examples_{label}", shown, columns, facts.mark)
            alt = f"Scans of {len(shown)} subjects of {name}. {facts.kind}"
            yield Figure(f"examples_{label}", svg, f"{name}.", alt)
    yield Text(f"{facts.kind} Each image has its own grey scale; subjects were drawn at random.")


def _training(facts: Facts) -> Iterator[Block]:
    evaluated = [fold["fold"] for fold in facts.results["folds"]]
    events = {fold: [event for event in facts.events if event["fold"] == fold] for fold in evaluated}
    if facts.baseline or facts.external or not any(events.values()):
        yield Text(sentences.learning_curves_lack(facts))
    else:
        yield _learning(facts, events, "loss", "Cross-entropy")
        yield _learning(facts, events, "accuracy", "Accuracy")


def _learning(facts: Facts, events: dict[int, list[dict]], name: str, title: str) -> Figure:
    """Draws the training curve of the metric `name`."""
    curves = {
        fold: (np.array([line["epoch"] for line in lines]), np.array([line[name] for line in lines]))
        for fold, lines in events.items()
        if lines
    }
    ends = [f"fold {fold} from {values[0]:.2f} to {values[-1]:.2f}" for fold, (_, values) in curves.items()]
    text = f"{title} on the training subjects during training; test subjects are not included."
    svg = figures.learning_curves(name, curves, facts.mark)
    return Figure(name, svg, text, f"{title} on the training subjects by epoch: {', '.join(ends)}.")


def _discrimination(facts: Facts) -> Iterator[Block]:
    if 0 < facts.labels.sum() < len(facts.labels):
        seed = facts.results["provenance"]["seed"]
        band = f"Band: pointwise 95 %, bootstrap over subjects stratified by class, {RESAMPLES} resamples, seed {seed}."
        yield _roc(facts, band, seed)
        yield _precision_recall(facts, band, seed)
    else:
        yield Text("The evaluated subjects are all of one class, so there is no curve.")
    yield _confusion(facts)
    yield _probabilities(facts)


def _roc(facts: Facts, band: str, seed: int) -> Figure:
    labels, probabilities = facts.labels, facts.probabilities
    (tn, fp), (fn, tp) = facts.confusion
    recall, false_positives = tp / (tp + fn), fp / (tn + fp)
    members = {fold: facts.folds == fold for fold in np.unique(facts.folds)}
    whole = {fold: own for fold, own in members.items() if len(np.unique(labels[own])) == 2 and len(members) > 1}
    of_folds = {fold: roc_points(labels[own], probabilities[own]) for fold, own in whole.items()}
    svg = figures.roc(roc_curve(labels, probabilities, seed), of_folds, (false_positives, recall), facts.mark)
    area = f"ROC curve, area {estimate_text(facts.results['metrics']['roc_auc'])}."
    alt = f"{area} Operating point: sensitivity {recall:.2f}, specificity {1 - false_positives:.2f}."
    return Figure("roc", svg, f"{area} {band}", alt)


def _precision_recall(facts: Facts, band: str, seed: int) -> Figure:
    (_, fp), (fn, tp) = facts.confusion
    recall, precision = tp / (tp + fn), tp / (tp + fp) if tp + fp else None
    point = None if precision is None else (recall, precision)
    curve = precision_recall_curve(facts.labels, facts.probabilities, seed)
    svg = figures.precision_recall(curve, float(facts.labels.mean()), point, facts.mark)
    average = estimate_text(facts.results["metrics"]["average_precision"])
    area = f"Precision-recall curve, average precision {average}."
    alt = f"{area} Operating point: recall {recall:.2f}, precision {number(precision, 2)}."
    return Figure("precision_recall", svg, f"{area} {band}", alt)


def _confusion(facts: Facts) -> Figure:
    names, table = facts.classes, facts.confusion
    cells = [f"{names[row]} predicted as {names[column]}: {table[row, column]}" for row, column in np.ndindex(2, 2)]
    text = f"Subjects by true and predicted class: {_called(facts)}. Percentages are of the true class."
    svg = figures.confusion(table, names, facts.mark)
    return Figure("confusion", svg, text, f"{'; '.join(cells)}.")


def _probabilities(facts: Facts) -> Figure:
    names, labels, probabilities = facts.classes, facts.labels, facts.probabilities
    svg = figures.probabilities_by_class(probabilities, labels, names, facts.thresholds, facts.mark)
    classes = [(name, probabilities[labels == label]) for label, name in enumerate(names)]
    medians = [f"{name} {np.median(own):.2f}" for name, own in classes if own.size]
    text = f"Distribution of the probability of {names[1]} in each class."
    return Figure("probabilities", svg, text, f"{text} Medians: {', '.join(medians)}.")


def _metrics(facts: Facts) -> Iterator[Block]:
    yield tables.metrics(facts)
    if of_whole_run("roc_auc", facts.results):
        yield Text(f"{POOLING}.")


def _called(facts: Facts) -> str:
    """States the probability from which a subject is called positive."""
    thresholds = np.unique(facts.thresholds)
    if len(thresholds) == 1:
        mean = ", the mean of the networks' thresholds" if facts.external and thresholds[0] != THRESHOLD else ""
        return f"{facts.classes[1]} from a probability of {thresholds[0]:.2f}{mean}"
    return f"{facts.classes[1]} from each fold's own threshold, {thresholds[0]:.2f} to {thresholds[-1]:.2f}"


def _calibration(facts: Facts) -> Iterator[Block]:
    bins = reliability(facts.labels, facts.probabilities)
    text = f"{len(bins.counts)} bins of equal numbers of subjects, with Wilson's 95 % intervals. "
    text += "Calibrated probabilities lie on the diagonal."
    found = facts.results["metrics"].get("ece")
    if found and found["value"] is not None:
        text += f" Expected calibration error: {number(found['value'])}; a calibrated model would have "
        text += f"{number(found['if_calibrated']['value'])} on average."
    pairs = ", ".join(f"{p:.2f} and {share:.2f}" for p, share in zip(bins.predicted, bins.observed))
    alt = f"Mean probability and share of {facts.classes[1]} by bin: {pairs}."
    svg = figures.calibration(bins, facts.classes[1], facts.mark)
    yield Figure("calibration", svg, text, alt)
    yield tables.bins(facts, bins)


def _most_wrong(facts: Facts) -> Iterator[Block]:
    chosen = facts.most_wrong(WORST)
    if not chosen:
        yield Text("No subject was misclassified.")
        return
    if facts.images is None:
        yield Text(UNREADABLE)
    else:
        shown = [
            (f"{place}: {facts.classes[facts.labels[index]]}", facts.images[facts.subjects[index]])
            for place, index in enumerate(chosen, start=1)
        ]
        columns = pictures.scan_columns(shown[0][1])
        shown = shown if columns > 1 else shown[:WIDE_WORST]
        svg = pictures.scans("most_wrong", shown, columns, facts.mark)
        text = f"Numbered as in the table, with the true class, worst first. {facts.kind}"
        alt = f"Scans of the {len(shown)} largest errors, the first of the table beside them."
        yield Figure("most_wrong", svg, text, alt)
    yield tables.most_wrong(facts, chosen)


def _cost(facts: Facts) -> Iterator[Block]:
    yield Text(sentences.cost(facts))
    if not facts.external:  # whose numbers are means of the networks'
        yield tables.cost(facts)
