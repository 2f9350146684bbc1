"""The facts of a finished run from which its page and model card are made."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dynjax.evaluation.metrics import THRESHOLD
from dynjax.report.comparison import Row, has_not_converged
from dynjax.report.scan_rows import ScanRow
from dynjax.report.wording import SELECTIONS, counted, name_folds, selection_text, trained_on_text

RESEARCH = "For research only: this is not a medical device, and no result here is a diagnosis."
SYNTHETIC = "SYNTHETIC: the subjects do not exist, and these numbers say nothing about patients."


class Explanation(NamedTuple):
    """The maps of a run's scans, as the verb `explain` left them in the run's folder.

    about: explanation.json. maps: (volume, map), both [X, Y, Z] in RAS+, for each of its groups. affine: of all maps,
    voxel index to mm. errors: subject -> PNG of its map, for the largest errors among the explained subjects.
    """

    about: Mapping[str, Any]
    maps: Sequence[tuple[np.ndarray, np.ndarray]]
    affine: np.ndarray
    errors: Mapping[str, bytes]


class Facts(NamedTuple):
    """A finished run: its results, and its predictions by subject.

    name: the run's name in the style of the paper's tables. kind: a description of the images. classes: (negative,
    positive). results: results.json. settings: the flattened config. subjects, folds, labels and probabilities: [N].
    events: one per epoch. refused: (subject, session, reason). images: subject -> slices and images of its scan; None
    if they cannot be read. beside: the run itself and then others, such as baselines. repeat: which of how many repeats
    of one cross-validation the run is, None if it is not repeated. explanation: None if no scan was explained. columns:
    the scan table's age, sex and site of each subject, each [N], '' where unknown; {} if the table cannot be read.
    guarded: whether the run keeps what is usual among its training scans, by which `predict` judges others.
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
    images: Mapping[str, Sequence[ScanRow]] | None
    show_ids: bool = False
    beside: Sequence[Row] = ()
    repeat: tuple[int, int] | None = None
    explanation: Explanation | None = None
    columns: Mapping[str, Sequence[str]] = {}
    guarded: bool = False

    @property
    def synthetic(self) -> bool:
        return self.results["cohort"]["synthetic"]

    @property
    def shuffled(self) -> bool:
        return bool(self.results["cohort"].get("shuffled"))

    @property
    def external(self) -> dict[str, Any] | None:
        """Whose networks predicted these subjects, if they are those of another run."""
        return self.results.get("external")

    @property
    def trained_on(self) -> dict[str, Any]:
        """Says on whom the networks of another run were trained; {} without such a run, or if that is not recorded."""
        return (self.external or {}).get("trained_on") or {}

    @property
    def missing(self) -> list[int]:
        """The folds that are not evaluated yet."""
        return self.results.get("folds_missing") or []

    @property
    def optimistic(self) -> bool:
        return is_optimistic(self.results)

    @property
    def baseline(self) -> bool:
        return self.results["folds"][0]["epoch"] is None

    @property
    def solved(self) -> bool:
        """Whether the networks' heads were solved, in one step, on a trunk that stands still."""
        return bool(self.results["model"].get("solved"))

    @property
    def mark(self) -> str:
        """Returns the warning that must accompany every number; '' for an ordinary run on real subjects."""
        return describe_mark(self.results)

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
        notices = [SYNTHETIC] if self.synthetic else []
        if self.external:
            notices += self._external_notices(self.external)
        if self.shuffled:
            notices.append("SHUFFLED: the labels were shuffled between subjects, as a control.")
        if self.results["selection"] != "last":
            notices.append(f"{_sentence(selection_text(self.results))}.")
        if self.missing:
            notices.append(f"Incomplete: {name_folds(self.missing)} not evaluated yet.")
        if has_not_converged(self.results):
            who = "on average, the networks have" if self.external else "in at least one fold the network has"
            own = "their" if self.external else "its"
            notices.append(f"Not converged: {who} not learned {own} own training subjects.")
        return [*notices, RESEARCH]

    def _external_notices(self, external: Mapping[str, Any]) -> list[str]:
        notices = [f"EXTERNAL: {counted(external['networks'], 'network')} of another run, {trained_on_text(external)}."]
        whole = self.trained_on.get("folds", 0) * self.trained_on.get("repeats", 0)
        if external["networks"] < whole:
            notices.append(f"Incomplete: {external['networks']} of the {whole} networks of that run were finished.")
        return notices

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


def is_optimistic(results: Mapping[str, Any]) -> bool:
    """Whether epochs were selected on the very subjects that are scored."""
    return SELECTIONS[results["selection"]].startswith("OPTIMISTIC") and "external" not in results


def describe_mark(*runs: Mapping[str, Any]) -> str:
    """Returns the warning that must accompany every number of the runs, given their results, or ''."""
    cohorts = [results["cohort"] for results in runs]
    sources = [results.get("external", {}).get("trained_on") or {} for results in runs]
    marks = {
        "SYNTHETIC subjects": any(cohort["synthetic"] for cohort in cohorts),
        "EXTERNAL subjects": any("external" in results for results in runs),
        "networks trained on SYNTHETIC subjects": any(source.get("synthetic") for source in sources),
        "SHUFFLED labels": any(cohort.get("shuffled") for cohort in cohorts),
        "networks trained on SHUFFLED labels": any(source.get("shuffled") for source in sources),
        "OPTIMISTIC selection": any(map(is_optimistic, runs)),
    }
    return ", ".join(mark for mark, is_so in marks.items() if is_so)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
