"""Explains the words of a page: its classes, its metrics with their formulas in words, and headings of its tables."""

from collections.abc import Container, Iterator, Mapping
from typing import Any, NamedTuple

from dynjax.report.wording import IF_CALIBRATED, METRIC_NAMES, OF_WHOLE_RUNS


class Term(NamedTuple):
    """A word of the page. anchor: its place in the glossary; also: other spellings that are links to it."""

    anchor: str
    title: str
    text: str
    also: tuple[str, ...] = ()


DIAGNOSES = {
    "AD": "Alzheimer's disease, diagnosed as dementia",
    "MCI": "mild cognitive impairment: memory or thinking is worse than expected at that age, daily life is not",
    "EMCI": "early mild cognitive impairment",
    "LMCI": "late mild cognitive impairment",
    "pMCI": "progressive mild cognitive impairment, which became dementia later",
    "sMCI": "stable mild cognitive impairment, which did not become dementia while it was followed",
    "FTD": "frontotemporal dementia",
    "DLB": "dementia with Lewy bodies",
    "PD": "Parkinson's disease",
}
CONTROLS = {
    "CN": "cognitively normal: memory and thinking as expected at that age",
    "NC": "normal control: a person without the disease",
    "HC": "healthy control: a person without the disease",
}
# By the name of a metric, what it is, with its formula in words.
METRICS = {
    "accuracy": "The share of all people who are called correctly: (positives called positive + negatives called "
    "negative) / all. It depends on how many people are positive.",
    "roc_auc": "Of a positive and a negative person, how often the positive one gets the higher probability: pairs "
    "in the right order, ties counted half, / all pairs. 0.5 is guessing, 1 is perfect. It is the area under the "
    "curve of sensitivity against 1 - specificity.",
    "f1": "Precision and recall in one number, their harmonic mean: 2 x precision x recall / (precision + recall).",
    "precision": "Of those who are called positive, the share who are: positives called positive / all called "
    "positive. Also called the positive predictive value. It depends on how many people are positive.",
    "recall": "Of the positives, the share who are found: positives called positive / all positives. Also called "
    "sensitivity.",
    "average_precision": "The mean of the precision over all thresholds at which a further positive is found. "
    "Guessing gives the share of positives, 1 is perfect.",
    "balanced_accuracy": "The mean of recall and specificity; it does not depend on how many people are positive. "
    "0.5 is guessing.",
    "specificity": "Of the negatives, the share who are called so: negatives called negative / all negatives.",
    "brier": "The mean of (probability - truth) squared, with the truth 1 for a positive and 0 for a negative. 0 is "
    "perfect; a probability of 0.5 for everybody gives 0.25.",
    "mcc": "Matthews' correlation coefficient, between what people are called and what they are: (positives called "
    "positive x negatives called negative - the two kinds of errors multiplied) / the square root of (all called "
    "positive x all called negative x all positives x all negatives). 0 is guessing, 1 is perfect.",
    "log_loss": "The mean of -log(the probability given to the true class). 0 is perfect; a probability of 0.5 for "
    "everybody gives 0.69. It punishes being sure and wrong.",
    "calibration_slope": "How far probabilities are to be stretched to fit what happened: the slope of the line from "
    "log odds given to log odds observed. Below 1 they are too extreme, above 1 too close to the middle.",
    "calibration_intercept": "How far log odds are to be moved so that their mean fits what happened. Below 0 the "
    "probabilities are too high on the whole, above 0 too low.",
    "ece": "Expected calibration error: people are put into groups by their probability; in each, |share of "
    "positives - mean probability|; their mean, by size of the group.",
    "sensitivity_at_90_specificity": "The recall if the threshold is set so that 90 % of the negatives are called "
    "correctly.",
}
PREDICTIVE = {
    "PPV": "The precision if {} % of the people were positive: prevalence x recall / (prevalence x recall + (1 - "
    "prevalence) x (1 - specificity)).",
    "NPV": "Of those who are called negative, the share who are, if {} % of the people were positive: (1 - "
    "prevalence) x specificity / ((1 - prevalence) x specificity + prevalence x (1 - recall)).",
}
IN_GENERAL = (
    Term("interval", "95 % interval", "The values that fit what was seen: such intervals, made anew for other people "
         "drawn in the same way, hold the true value 95 times in 100. The fewer people, the wider.", ("CI",)),
    Term("positive", "positive", "Of the class that is looked for, {positive}; negative is {negative}."),
    Term("threshold", "threshold", "The probability from which a person is called positive."),
    Term("fold", "fold", "One of the groups into which people are divided. Each group is answered by a network or fit "
         "that was made without it."),
)  # fmt: skip
# Words of tables that not every page has.
OF_TABLES = (
    Term("epoch", "epoch", "One pass of training through all training scans."),
    Term("loss", "last training loss", "How far the probabilities lay from the truth, at the end of training and for "
         "the training subjects themselves: their log loss, 0 at best."),
    Term("penalty", "penalty", "How much a fit is held back from large weights, which would follow its own training "
         "subjects too closely."),
    Term("parameters", "parameters", "The numbers in a network or baseline that were fitted to training scans."),
    Term("paired", "p", "How often chance alone would make a difference at least as large, if the two runs were "
         "equally good. Both answered the same people, and their answers are compared person by person."),
    Term("holm", "p Holm", "p, corrected for the number of tests that were made together, for one of many may look "
         "sure by chance (Holm's method)."),
    Term("gain", "gain", "How much stronger the map is in a region in one class than in the negative class: 1 is "
         "equally strong."),
)  # fmt: skip


def glossary(results: Mapping[str, Any], classes: tuple[str, str], heads: Container[str] = ()) -> Iterator[Term]:
    """Explains the classes, the general words, every metric that the results have, and words in `heads` of tables."""
    negative, positive = classes
    for number, label in enumerate((positive, negative)):
        yield Term(f"class-{number}", label, explain_class(label))
    for term in IN_GENERAL:
        yield term._replace(text=term.text.format(positive=positive, negative=negative))
    for name, title in METRIC_NAMES.items():
        if name in results["metrics"]:
            yield Term(name, title, _metric(name), _spellings(title))
    own, title = OF_WHOLE_RUNS["roc_auc"]
    if (results["metrics"].get(own) or {}).get("value") is not None:
        yield Term(
            own, title, "The ROC AUC within each fold, so that only answers of one network are compared; the mean."
        )
    if "ece" in results["metrics"]:
        text = "The expected calibration error if every probability were true, by simulation: how far chance raises it."
        yield Term("ece_if_calibrated", IF_CALIBRATED, text)
    yield from (term for term in OF_TABLES if term.title in heads)


def explain_class(label: str) -> str:
    """Explains a class; only the usual ones are known."""
    text = (DIAGNOSES | CONTROLS).get(label)
    return f"{text[:1].upper()}{text[1:]}." if text else "A label of the scan table, which does not explain it."


def meaning(label: str) -> str:
    """Explains a class in a sentence that begins with its name."""
    text = explain_class(label)
    begins_with_a_name = text.startswith(("Alzheimer", "Parkinson"))
    return f"{label}: {text if begins_with_a_name else text[:1].lower() + text[1:]}"


def _metric(name: str) -> str:
    if name in METRICS:
        return METRICS[name]
    value, _, percent, _ = name.split("_")
    return PREDICTIVE[value.upper()].format(percent)


def _spellings(title: str) -> tuple[str, ...]:
    """Returns the title without its remark in brackets, and the short forms in the tables that compare runs."""
    plain = title.partition(" (")[0]
    return (plain, *{"ROC AUC": ("ROC",), "Average precision": ("AP",), "Accuracy": ("Acc",)}.get(plain, ()))
