"""The page of one run: the question, who was studied, how well it was answered, and what that cannot say."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from dynjax.evaluation.resampling import RESAMPLES
from dynjax.evaluation.results import NAMES, SELECTIONS, name_folds
from dynjax.report import figures, pictures, tables
from dynjax.report.curves import precision_recall_curve, reliability, roc_curve, roc_points
from dynjax.report.facts import RESEARCH, Facts, limits
from dynjax.report.page import Block, Figure, Items, Numbers, Page, Section, Table, Text

SHOWN = ("roc_auc", "accuracy", "recall", "specificity")
EXAMPLES = 6  # of each class
WORST = 8
# The figures and tables that a page may have; others in report/ are no page's.
PARTS = (
    *("flow", "cohort", "refused", "examples_0", "examples_1", "loss", "accuracy", "roc", "precision_recall"),
    *("confusion", "probabilities", "metrics", "calibration", "bins", "subgroups", "most_wrong", "folds"),
    *("provenance", "settings"),
)
UNREADABLE = "The scans could not be read again when this page was written, so that no image is shown."


def run_page(facts: Facts) -> Page:
    negative, positive = facts.classes
    sections = {
        "The question": _question,
        "Who was studied": _cohort,
        "What the scans look like": _examples,
        "Training": _training,
        "How well they are told apart": _discrimination,
        "Every metric": lambda facts: [tables.metrics(facts)],
        "Do the probabilities mean what they say?": _calibration,
        "Subgroups": lambda facts: [tables.subgroups(facts)] if facts.results.get("subgroups") else [],
        "What it got most wrong": _most_wrong,
        "Cost": _cost,
        "Limits": lambda facts: [Items(limits(facts))],
        "Provenance": lambda facts: [tables.provenance(facts), tables.settings(facts)],
    }
    filled = [Section(title, blocks) for title, fill in sections.items() if (blocks := list(fill(facts)))]
    return Page(f"{facts.name}: {positive} against {negative}", facts.notices(), filled, RESEARCH)


def subjects_to_show(facts: Facts) -> list[str]:
    """Those whose images the page would like to have."""
    indices = [*facts.examples(0, EXAMPLES), *facts.examples(1, EXAMPLES), *facts.most_wrong(WORST)]
    return sorted({facts.subjects[index] for index in indices})


def _question(facts: Facts) -> Iterator[Block]:
    negative, positive = facts.classes
    done, count = len(facts.results["folds"]), facts.settings["train.folds"]
    how = "fitted" if facts.baseline else "trained"
    scored = "" if facts.baseline else f" What is scored: {SELECTIONS[facts.results['selection']]}."
    yield Text(
        f"Can {positive} be told from {negative} by a brain scan of a subject that was never seen before? "
        f"{facts.name} was {how} {done} times, each time without one of {count} folds, and answered for the "
        f"subjects of that fold alone. Folds are by subject and stratified by class.{scored}"
    )
    estimates = [(NAMES[name], facts.results["metrics"][name]) for name in SHOWN]
    yield Numbers([(name, tables.number(each["value"]), tables.interval(each)) for name, each in estimates])
    text = f"{_people(facts)}; {positive} is the positive class. Under each number is its 95 % interval."
    yield Text(_caption(facts, text))


def _people(facts: Facts) -> str:
    counts = [f"{(facts.labels == label).sum():,} {name}" for label, name in enumerate(facts.classes)]
    return f"{len(facts.labels):,} subjects ({', '.join(counts)})"


def _cohort(facts: Facts) -> Iterator[Block]:
    cohort, missing = facts.results["cohort"], facts.results.get("folds_missing")
    excluded = {reason: count for reason, count in cohort["excluded"].items() if count}
    used, answered = cohort["n_scans"], sum(fold["n_test"] for fold in facts.results["folds"])
    left = used - answered
    steps = [("Scans in the table", used + sum(excluded.values()))]
    steps += [(f"Left out: {reason}", count) for reason, count in excluded.items()]
    steps += [("Scans used", used), *([(f"Not evaluated yet: {name_folds(missing)}", left)] if missing else [])]
    steps += [(f"Subjects evaluated: {name}", int((facts.labels == i).sum())) for i, name in enumerate(facts.classes)]
    sides = [f"{count:,} {reason}" for reason, count in excluded.items()]
    boxes = [
        (f"{used + sum(excluded.values()):,} scans in the table", ["left out:", *sides] if sides else []),
        (f"{used:,} scans used", [f"{left:,} of {name_folds(missing)}:", "not evaluated yet"] if missing else []),
        (f"{answered:,} scans evaluated of\n" + _people(facts).replace(" (", "\n("), []),
    ]
    alt = "Flow of the cohort: " + "; ".join(f"{name}: {count}" for name, count in steps) + "."
    yield _figure(facts, "flow", pictures.flow(boxes, facts.mark), "From the scan table to the answers.", alt)
    rows = [[name, f"{count:,}"] for name, count in steps]
    numbers = (["step", "count", "mark"], [[*step, facts.mark] for step in steps])
    yield Table("cohort", _caption(facts, "The same as numbers."), ["", "count"], rows, numbers)
    if facts.show_ids and facts.refused:
        yield tables.refused(facts)


def _examples(facts: Facts) -> Iterator[Block]:
    if facts.images is None:
        yield Text(UNREADABLE)
        return
    for label, name in enumerate(facts.classes):
        if members := facts.examples(label, EXAMPLES):
            shown = [("", facts.images[facts.subjects[index]]) for index in members]
            svg = pictures.images(f"examples_{label}", shown, 3, facts.mark)
            yield _figure(facts, f"examples_{label}", svg, f"{name}.", f"Images of {len(shown)} subjects of {name}.")
    yield Text(f"{facts.kind} Each is stretched to its own range of grey; subjects were drawn by lot.")


def _training(facts: Facts) -> Iterator[Block]:
    if facts.baseline:
        yield Text("A baseline is fitted at once: it has no epochs and no learning curve.")
        return
    evaluated = [fold["fold"] for fold in facts.results["folds"]]
    events = {fold: [event for event in facts.events if event["fold"] == fold] for fold in evaluated}
    if not any(events.values()):
        yield Text("There is no events.jsonl of these folds, and so no learning curve.")
        return
    for name, title in (("loss", "Cross-entropy"), ("accuracy", "Accuracy")):
        curves = {
            fold: (np.array([line["epoch"] for line in lines]), np.array([line[name] for line in lines]))
            for fold, lines in events.items()
            if lines
        }
        ends = [f"fold {fold} from {values[0]:.2f} to {values[-1]:.2f}" for fold, (_, values) in curves.items()]
        text = f"{title} of the training subjects, with dropout; nothing of the test subjects."
        alt = f"{title} of the training subjects by epoch: {', '.join(ends)}."
        yield _figure(facts, name, figures.learning_curves(name, curves, facts.mark), text, alt)


def _discrimination(facts: Facts) -> Iterator[Block]:
    labels, probabilities, seed = facts.labels, facts.probabilities, facts.results["provenance"]["seed"]
    (tn, fp), (fn, tp) = table = facts.confusion
    metrics, mark = facts.results["metrics"], facts.mark
    if 0 < labels.sum() < len(labels):
        band = f"Band: pointwise 95 %, bootstrap over subjects stratified by class, {RESAMPLES} resamples, seed {seed}."
        recall, false_positives = tp / (tp + fn), fp / (tn + fp)
        members = {fold: facts.folds == fold for fold in np.unique(facts.folds)}
        whole = {fold: own for fold, own in members.items() if len(np.unique(labels[own])) == 2}
        of_folds = {fold: roc_points(labels[own], probabilities[own]) for fold, own in whole.items()}
        svg = figures.roc(roc_curve(labels, probabilities, seed), of_folds, (false_positives, recall), mark)
        area = f"ROC curve, area {tables.estimate_text(metrics['roc_auc'])}."
        alt = f"{area} As called: sensitivity {recall:.2f}, specificity {1 - false_positives:.2f}."
        yield _figure(facts, "roc", svg, f"{area} {band}", alt)
        precision = tp / (tp + fp) if tp + fp else None
        point = None if precision is None else (recall, precision)
        curve = precision_recall_curve(labels, probabilities, seed)
        svg = figures.precision_recall(curve, float(labels.mean()), point, mark)
        area = f"Precision and recall, average precision {tables.estimate_text(metrics['average_precision'])}."
        alt = f"{area} As called: recall {recall:.2f}, precision {tables.number(precision, 2)}."
        yield _figure(facts, "precision_recall", svg, f"{area} {band}", alt)
    else:
        yield Text("The evaluated subjects are all of one class: there is no curve.")
    names = facts.classes
    cells = [f"{names[i]} called {names[j]}: {table[i, j]}" for i in (0, 1) for j in (0, 1)]
    text = f"Subjects by true class and by the one called, {_called(facts)}; shares are of the true class."
    yield _figure(facts, "confusion", figures.confusion(table, names, mark), text, "; ".join(cells) + ".")
    svg = figures.probabilities_by_class(probabilities, labels, names, facts.thresholds, mark)
    classes = [(name, probabilities[labels == label]) for label, name in enumerate(names)]
    medians = [f"{name} {np.median(own):.2f}" for name, own in classes if own.size]
    text = f"How many subjects of each class got which probability of {names[1]}."
    yield _figure(facts, "probabilities", svg, text, f"{text} Medians: {', '.join(medians)}.")


def _called(facts: Facts) -> str:
    thresholds = np.unique(facts.thresholds)
    if len(thresholds) == 1:
        return f"{facts.classes[1]} from a probability of {thresholds[0]:.2f} on"
    return f"{facts.classes[1]} from each fold's own threshold on, {thresholds[0]:.2f} to {thresholds[-1]:.2f}"


def _calibration(facts: Facts) -> Iterator[Block]:
    bins = reliability(facts.labels, facts.probabilities)
    text = f"{len(bins.counts)} bins of equally many subjects, with Wilson's 95 % intervals; on the diagonal the "
    text += "probabilities are true."
    found = facts.results["metrics"].get("ece")
    if found and found["value"] is not None:
        text += f" Expected calibration error {tables.number(found['value'])}; it would be "
        text += f"{tables.number(found['if_calibrated']['value'])} were every probability true."
    pairs = ", ".join(f"{p:.2f} and {share:.2f}" for p, share in zip(bins.predicted, bins.observed))
    alt = f"Mean probability and share of {facts.classes[1]} by bin: {pairs}."
    svg = figures.calibration(bins, facts.classes[1], facts.mark)
    yield _figure(facts, "calibration", svg, text, alt)
    yield tables.bins(facts, bins)


def _most_wrong(facts: Facts) -> Iterator[Block]:
    chosen = facts.most_wrong(WORST)
    if not chosen:
        yield Text("No subject was called wrongly.")
        return
    if facts.images is None:
        yield Text(UNREADABLE)
    else:
        shown = [
            (f"{place}: {facts.classes[facts.labels[index]]}", facts.images[facts.subjects[index]])
            for place, index in enumerate(chosen, start=1)
        ]
        svg = pictures.images("most_wrong", shown, 4, facts.mark)
        text = f"By number and true class, the worst first. {facts.kind}"
        yield _figure(facts, "most_wrong", svg, text, f"Images of the {len(shown)} subjects of the table beside it.")
    yield tables.most_wrong(facts, chosen)


def _cost(facts: Facts) -> Iterator[Block]:
    folds, model = facts.results["folds"], facts.results["model"]
    seconds = sum(fold["train_seconds"] for fold in folds)
    device = facts.results["provenance"].get("device", "an unknown device")
    yield Text(f"{model['parameters']:,} parameters; {seconds:,.0f} s of training for {len(folds)} folds, on {device}.")
    yield tables.cost(facts)


def _figure(facts: Facts, name: str, svg: str, caption: str, alt: str) -> Figure:
    marked = partial(_caption, facts)
    return Figure(name, svg, marked(caption), marked(alt))


def _caption(facts: Facts, text: str) -> str:
    return f"{facts.mark}. {text}" if facts.mark else text
