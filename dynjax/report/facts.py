"""The facts of a finished run from which its page and model card are made."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dynjax.evaluation.metrics import THRESHOLD
from dynjax.report.comparison import NOT_CONVERGED, Row
from dynjax.report.wording import SELECTIONS, name_folds

RESEARCH = "For research only: this is not a medical device, and no result here is a diagnosis."
SYNTHETIC = "SYNTHETIC: the subjects do not exist, and these numbers say nothing about patients."


class Facts(NamedTuple):
    """A finished run: its results, and its predictions by subject.

    name: the run's name in the style of the paper's tables. kind: a description of the images. classes: (negative,
    positive). results: results.json. settings: the flattened config. subjects, folds, labels and probabilities: [N].
    events: one per epoch. refused: (subject, session, reason). images: subject -> [X, Y] or [X, Y, 3]; None if they
    cannot be read. beside: the run itself and then others, such as baselines.
    """

    name: str
    kind: str
    classes: tuple[str, str]
    results: dict[str, Any]
    settings: Mapping[str, Any]
    subjects: Sequence[str]
    folds: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    events: Sequence[dict[str, Any]]
    refused: Sequence[tuple[str, str, str]]
    images: Mapping[str, np.ndarray] | None
    show_ids: bool = False
    beside: Sequence[Row] = ()

    @property
    def synthetic(self) -> bool:
        return self.results["cohort"]["synthetic"]

    @property
    def optimistic(self) -> bool:
        return SELECTIONS[self.results["selection"]].startswith("OPTIMISTIC")

    @property
    def baseline(self) -> bool:
        return self.results["folds"][0]["epoch"] is None

    @property
    def mark(self) -> str:
        """Returns the warning that must accompany every number; '' for an ordinary run on real subjects."""
        return describe_mark(self.synthetic, self.optimistic)

    def marked(self, text: str) -> str:
        """Puts the mark before a caption."""
        return f"{self.mark}. {text}" if self.mark else text

    @property
    def people(self) -> str:
        """Describes the evaluated subjects, such as '100 subjects (51 CN, 49 AD)'."""
        counts = [f"{(self.labels == label).sum():,} {name}" for label, name in enumerate(self.classes)]
        return f"{len(self.labels):,} subjects ({', '.join(counts)})"

    @property
    def thresholds(self) -> np.ndarray:
        """Returns the probability from which each subject is called positive, [N]."""
        of_fold = {fold["fold"]: fold.get("threshold", THRESHOLD) for fold in self.results["folds"]}
        return np.array([of_fold[fold] for fold in self.folds])

    @property
    def confusion(self) -> np.ndarray:
        """Counts subjects by true class (rows) and predicted class (columns), int [2, 2]."""
        called = (self.probabilities >= self.thresholds).astype(int)  # [N]
        cells = 2 * self.labels + called  # the position of each subject's cell in the flattened matrix
        return np.bincount(cells, minlength=4).reshape(2, 2)

    def notices(self) -> list[str]:
        """Returns the sentences that precede all numbers."""
        missing = self.results.get("folds_missing")
        notices = [SYNTHETIC] if self.synthetic else []
        if self.results["selection"] != "last":
            notices.append(f"{_sentence(SELECTIONS[self.results['selection']])}.")
        if missing:
            notices.append(f"Incomplete: {name_folds(missing)} not evaluated yet.")
        if max(fold.get("train_loss") or 0 for fold in self.results["folds"]) > NOT_CONVERGED:
            notices.append("Not converged: in at least one fold the network has not learned its own training subjects.")
        return [*notices, RESEARCH]

    def most_wrong(self, count: int) -> list[int]:
        """Returns the misclassified subjects, ordered by how far the probability is beyond the threshold."""
        beyond = (self.probabilities - self.thresholds) * np.where(self.labels == 1, -1, 1)  # on the wrong side, [N]
        wrong = (self.probabilities >= self.thresholds) != (self.labels == 1)
        return [int(index) for index in np.argsort(-beyond, kind="stable") if wrong[index]][:count]

    def examples(self, label: int, count: int) -> list[int]:
        """Draws subjects of a class at random, by the run's seed, and returns them in their order."""
        members = np.flatnonzero(self.labels == label)
        rng = np.random.default_rng([self.results["provenance"]["seed"], label])
        return sorted(rng.choice(members, min(count, len(members)), replace=False).tolist())


def describe_mark(synthetic: bool, optimistic: bool) -> str:
    """Returns the warning that must accompany every number, or ''."""
    marks = ["SYNTHETIC subjects"] if synthetic else []
    if optimistic:
        marks.append("OPTIMISTIC selection")
    return ", ".join(marks)


def limits(facts: Facts) -> list[str]:
    """Lists what the numbers do not show."""
    results, (negative, positive) = facts.results, facts.classes
    share = facts.labels.mean()
    lines = ["The subjects do not exist, so the results say nothing about patients."] if facts.synthetic else []
    lines += [
        f"The results come from cross-validation within one cohort of {len(facts.labels)} subjects. Scans from another "
        "site, scanner or protocol were not tested; scores on those are often lower.",
        f"{share:.0%} of the subjects are {positive}. Accuracy, precision and F1 apply only at this prevalence.",
        f"The labels {negative} and {positive} were taken from the scan table and not verified. Subjects with other "
        "diseases were not included.",
        "The intervals account for the choice of test subjects, not for other initial weights or other folds. The "
        "values of the folds are not independent, because folds share training subjects.",
        "These results do not show whether a subject, or a copy of a scan, is in both training and test data. "
        "`python main.py audit` checks that, and whether the label is associated with age, sex, site or scanner.",
    ]
    if not results.get("subgroups"):
        lines.append("Subgroups, such as women and men or old and young, were not evaluated separately.")
    if facts.optimistic:
        lines.append("Epochs were selected on the test subjects: expect lower scores on other subjects.")
    return lines


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
