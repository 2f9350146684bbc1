"""Says what a run's answers are worth: on whom it was trained, how well it did in cross-validation, when."""

from typing import Any, NamedTuple

from dynjax.report.wording import estimate_text
from dynjax.run.results import read_results
from dynjax.run.workdir import Workdir

CHANCE = 0.5  # ROC AUC
AT_CHANCE = "the run is at chance level"
EVEN = (0.8, 1.25)  # calibration slopes between which probabilities are about right


class Standing(NamedTuple):
    """The facts of a run that belong beside each of its answers; `results` is {} for a run that is not evaluated."""

    run: str
    networks: int
    labels: tuple[str, str]
    results: dict[str, Any]

    @property
    def at_chance(self) -> str:
        """Says that the run is at chance level, or ''."""
        area = self.results.get("metrics", {}).get("roc_auc")
        if not area or area["ci95"] is None or area["ci95"][0] is None or area["ci95"][0] > CHANCE:
            return ""
        return f"{AT_CHANCE}: its ROC AUC is {estimate_text(area)}"

    @property
    def synthetic(self) -> str:
        """Says that the run was trained on synthetic subjects, or ''."""
        is_synthetic = bool(self.results) and self.results["cohort"]["synthetic"]
        return "SYNTHETIC: trained on subjects that do not exist." if is_synthetic else ""

    def lines(self) -> list[str]:
        """Returns what is printed above the answers, first that the subjects were synthetic if they were."""
        if not self.results:
            return ["the run is not evaluated, so nothing is known of how good its answers are; run evaluate on it"]
        cohort, metrics = self.results["cohort"], self.results["metrics"]
        mark, unreal = ("SYNTHETIC: ", ", none of whom exists") if self.synthetic else ("", "")
        people = f"{self.results['n_subjects']} subjects ({' and '.join(self.labels)})"
        people += " with SHUFFLED labels" if cohort.get("shuffled") else ""
        slope = metrics.get("calibration_slope", {}).get("value")
        finished = str(self.results["provenance"].get("finished", ""))[:10]
        chosen = (
            "" if self.results["selection"] != "test" else ", OPTIMISTIC: its epochs were selected on test subjects"
        )
        return [
            f"{mark}trained on {people} of {cohort['source']}{unreal}, finished {finished or 'at an unknown time'}",
            f"in cross-validation: ROC AUC {estimate_text(metrics['roc_auc'])}{chosen}; {describe_slope(slope)}",
        ]

    def to_json(self) -> dict[str, Any]:
        """Returns the facts for a file beside the answers."""
        about: dict[str, Any] = {"run": self.run, "networks": self.networks, "labels": list(self.labels)}
        if not self.results:
            return about | {"evaluated": False}
        cohort, metrics = self.results["cohort"], self.results["metrics"]
        slope = metrics.get("calibration_slope", {}).get("value")
        return about | {
            "evaluated": True,
            "synthetic": cohort["synthetic"],
            "shuffled": bool(cohort.get("shuffled")),
            "trained_on": cohort["source"],
            "n_subjects": self.results["n_subjects"],
            "selection": self.results["selection"],
            "roc_auc": metrics["roc_auc"],
            "at_chance": bool(self.at_chance),
            "calibration": describe_slope(slope),
            "finished": self.results["provenance"].get("finished"),
        }


def read_standing(workdir: Workdir, networks: int, labels: tuple[str, str]) -> Standing:
    """Reads the standing of a run. Raises: InputError if its results.json is damaged."""
    results = read_results(workdir.results) if workdir.results.exists() else {}
    return Standing(str(workdir), networks, labels, results)


def describe_slope(slope: float | None) -> str:
    """Says in words what a calibration slope means for a probability."""
    if slope is None:
        return "whether its probabilities are calibrated is not known"
    low, high = EVEN
    if slope < low:
        return f"its probabilities are too extreme (calibration slope {slope:.2f})"
    if slope > high:
        return f"its probabilities are too moderate (calibration slope {slope:.2f})"
    return f"its probabilities are about right (calibration slope {slope:.2f})"
