"""What is known of a finished run when its page is written, and what follows from it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dynjax.evaluation.metrics import THRESHOLD
from dynjax.report.comparison import NOT_CONVERGED, Row
from dynjax.report.wording import SELECTIONS, name_folds

RESEARCH = "Research only: this is not a medical device, and no result here is a diagnosis."
SYNTHETIC = "SYNTHETIC: the subjects do not exist, and these numbers say nothing about patients."


class Facts(NamedTuple):
    """A run's results, and its answers with an entry a subject.

    name: as the tables of the paper would call it. kind: what an image shows. classes: (negative, positive). results:
    results.json. settings: the config, flat. subjects, folds, labels and probabilities: [N]. events: a line an epoch.
    refused: (subject, session, reason). images: subject -> [X, Y] or [X, Y, 3], None where none can be read. beside:
    the run itself and then others, such as baselines.
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
        """What has to stand beside every number; '' for a plain run of real subjects."""
        return ", ".join(self.synthetic * ["SYNTHETIC subjects"] + self.optimistic * ["OPTIMISTIC selection"])

    def marked(self, text: str) -> str:
        """A caption with the mark before it."""
        return f"{self.mark}. {text}" if self.mark else text

    @property
    def people(self) -> str:
        """'100 subjects (51 CN, 49 AD)'."""
        counts = [f"{(self.labels == label).sum():,} {name}" for label, name in enumerate(self.classes)]
        return f"{len(self.labels):,} subjects ({', '.join(counts)})"

    @property
    def thresholds(self) -> np.ndarray:
        """From which probability on each subject is called positive, [N]."""
        of_fold = {fold["fold"]: fold.get("threshold", THRESHOLD) for fold in self.results["folds"]}
        return np.array([of_fold[fold] for fold in self.folds])

    @property
    def confusion(self) -> np.ndarray:
        """int [2, 2]: the true class, the class called."""
        called = (self.probabilities >= self.thresholds).astype(int)
        return np.bincount(2 * self.labels + called, minlength=4).reshape(2, 2)

    def notices(self) -> list[str]:
        """The sentences that stand before all numbers."""
        missing = self.results.get("folds_missing")
        notices = [SYNTHETIC] if self.synthetic else []
        if self.results["selection"] != "last":
            notices.append(f"{_sentence(SELECTIONS[self.results['selection']])}.")
        notices += [f"Incomplete: {name_folds(missing)} not evaluated yet."] if missing else []
        if max(fold.get("train_loss") or 0 for fold in self.results["folds"]) > NOT_CONVERGED:
            notices.append("Not converged: some fold's network has not learned its own training subjects.")
        return [*notices, RESEARCH]

    def most_wrong(self, count: int) -> list[int]:
        """Of the subjects that are called wrongly, those whose probability lies farthest beyond the threshold."""
        beyond = (self.probabilities - self.thresholds) * np.where(self.labels == 1, -1, 1)
        wrong = (self.probabilities >= self.thresholds) != (self.labels == 1)
        return [int(index) for index in np.argsort(-beyond, kind="stable") if wrong[index]][:count]

    def examples(self, label: int, count: int) -> list[int]:
        """Subjects of a class that are drawn by the run's seed, not chosen, in their order."""
        members = np.flatnonzero(self.labels == label)
        rng = np.random.default_rng([self.results["provenance"]["seed"], label])
        return sorted(rng.choice(members, min(count, len(members)), replace=False).tolist())


def limits(facts: Facts) -> list[str]:
    """What the numbers cannot say."""
    results, (negative, positive) = facts.results, facts.classes
    share = facts.labels.mean()
    lines = ["The subjects do not exist: nothing follows for patients."] if facts.synthetic else []
    lines += [
        f"One cohort, cross-validated within: {len(facts.labels)} subjects. Scans of another site, scanner or "
        "protocol were not tried, and scores there are often lower.",
        f"{share:.0%} of the subjects are {positive}. Accuracy, precision and F1 hold for that share alone.",
        f"{negative} and {positive} are what the scan table says; nobody else was asked, no other disease seen.",
        "Intervals are for other test subjects. They leave out what other initial values and folds would change, and "
        "the values of single folds share training subjects.",
        "Whether a subject, or a copy of a scan, lies on both sides of a fold is not said here; dynjax's audit looks "
        "for it, and for what goes with the label, such as age or scanner.",
    ]
    if not results.get("subgroups"):
        lines.append("Whether it does as well for women and men, for old and young, was not looked at here.")
    if facts.optimistic:
        lines.append("Epochs were selected on the test subjects: expect lower scores on any others.")
    return lines


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
