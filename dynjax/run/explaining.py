"""Finds the scans of a run, the networks that explain each, and what these are compared with."""

import contextlib
import difflib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dynjax.cohort.folds import read_folds
from dynjax.cohort.scan import Cohort, Scan
from dynjax.errors import InputError, UsageError
from dynjax.explanation.measures import likeness
from dynjax.explanation.reference import Means
from dynjax.files import sha256_of
from dynjax.linear.answer import LinearAnswer
from dynjax.projection.store import project_volume
from dynjax.report.terminal import print_text
from dynjax.run import settings
from dynjax.run.attribution import WITH_REFERENCE, Attribution, explain_volume
from dynjax.run.data import Data, find_cohort, load_data
from dynjax.run.guarding import mean_volumes, read_means
from dynjax.run.inputs import network_input
from dynjax.run.refused import without_refused
from dynjax.run.trained import Trained
from dynjax.run.workdir import Workdir
from dynjax.training.checkpoint import description_of
from dynjax.volumes.digests import content_digest
from dynjax.volumes.nifti import Volume, load_volume


class Chosen(NamedTuple):
    """A scan to explain, and the networks that do it; subject, session and label are '' for one that no table names."""

    path: Path
    networks: tuple[Trained, ...]
    subject: str = ""
    session: str = ""
    label: str = ""

    @property
    def folder(self) -> str:
        """The name of the folder with its maps."""
        named = "_".join(filter(None, (self.subject, self.session))) or self.path.name.partition(".")[0]
        return "".join(letter if letter.isalnum() or letter in "-_+" else "-" for letter in named)


class Explanation(NamedTuple):
    """Explains the answer to a scan: a map, float64 [X, Y, Z], the mean over the networks; the scan on the grid.

    about: what the sidecar says. seen: what each network makes of the scan, by which networks are compared.
    """

    values: np.ndarray
    volume: Volume
    about: dict[str, Any]
    seen: list[np.ndarray]


def run_scans(
    workdir: Workdir, networks: Sequence[Trained], subjects: Sequence[str] = ()
) -> tuple[list[Chosen], Cohort]:
    """Lists a run's scans, each with the networks that never saw its subject, one of each repeat.

    The scans of an external cohort have all networks of the run that answered them.
    Args: networks, those that answered the run's scans; subjects, those that are wanted, () is all.
    Raises: UsageError for a subject that the run lacks; InputError if a scan has changed.
    """
    if workdir.external.exists():
        cohort = without_refused(workdir, find_cohort(workdir.read_config()))
        everyone = [_chosen(scan, networks) for scan in cohort.scans]
        return _wanted(everyone, subjects), cohort
    of_scan: dict[Scan, list[Trained]] = {}
    for run in workdir.repeats():
        data, by_fold = data_of(run), {each.about["fold"]: each for each in of_run(networks, run)}
        for fold, trained in by_fold.items():
            data.check_trained_on(fold, trained.about, trained.path)
        for scan, fold in zip(data.cohort.scans, data.folds.tolist()):
            if fold in by_fold:
                of_scan.setdefault(scan, []).append(by_fold[fold])
    return _wanted([_chosen(scan, those) for scan, those in of_scan.items()], subjects), data.cohort


def _chosen(scan: Scan, networks: Sequence[Trained]) -> Chosen:
    return Chosen(Path(scan.path), tuple(networks), scan.subject, scan.session, scan.label)


def of_run(networks: Sequence[Trained], run: Workdir) -> list[Trained]:
    """Returns the networks that were trained in a run."""
    return [each for each in networks if each.path and run.path in each.path.parents]


def _wanted(everyone: list[Chosen], subjects: Sequence[str]) -> list[Chosen]:
    known = {scan.subject for scan in everyone}
    for subject in subjects:
        if subject not in known:
            close = difflib.get_close_matches(subject, known, 1)
            advice = f"; is {close[0]} meant?" if close else ", or not in a fold that is trained"
            raise UsageError(f"--subjects={subject}: the run has no such subject{advice}")
    return [scan for scan in everyone if not subjects or scan.subject in subjects]


def find_means(workdir: Workdir, networks: Sequence[Trained]) -> Callable[[Trained], Means]:
    """Returns a function that gives the class means of a network's training scans.

    They are those that the run keeps or, of a run that keeps none, made of its cohort.
    Raises: InputError if there are none and the cohort can no longer be read.
    """
    found: dict[Path, Means] = {}
    for run in workdir.repeats():
        own = of_run(networks, run)
        kept = read_means(run) or (_means_anew(run, own) if own else {})
        for each in own:
            if each.about["fold"] not in kept:
                raise InputError(f"{run}: keeps no class means of fold {each.about['fold']}; run evaluate on it")
            assert each.path is not None
            found[each.path] = Means(*kept[each.about["fold"]])
    return lambda trained: found[trained.path]  # type: ignore[index]


def _means_anew(run: Workdir, networks: Sequence[Trained]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    with lost_cohort(f"{run}: keeps no class means to compare a scan with, and its cohort can no longer be read"):
        data = data_of(run)
        print_text("the run keeps no class means of its training scans; making them of its cohort")
        return mean_volumes(data, [each.about["fold"] for each in networks])


def data_of(run: Workdir) -> Data:
    """Reads a run's own cohort in its folds. Raises: InputError if that can no longer be done."""
    config = run.read_config()
    cohort = without_refused(run, find_cohort(config))
    return load_data(config, cohort, read_folds(run.folds, cohort, config.train.folds))


@contextlib.contextmanager
def lost_cohort(text: str) -> Iterator[None]:
    """Puts what is lost with a run's cohort before the reason why that cannot be read."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{text}: {error}") from None


def explain_scan(
    scan: Chosen,
    method: str,
    reference: str,
    means: Callable[[Trained], Means] | None,
    cut: Callable[[Trained], LinearAnswer] | None = None,
) -> Explanation:
    """Explains a scan by its networks, and averages their maps and the parts of their logits.

    Args: means, as `find_means` gives it, for a method with a reference; cut, as `fit_cut_networks` gives it, for cam
    of a 3D network.
    Raises: InputError for a scan that is refused or has no reference.
    """
    config, trunk = scan.networks[0].config, scan.networks[0].trunk
    projection = settings.projection_of(config)
    volume = volume_of(scan)
    inputs = network_input(config, trunk, project_volume(scan.path, volume, projection))
    probabilities = np.array([float(trained.probability(inputs[None])[0]) for trained in scan.networks])
    found: list[Attribution] = []
    for trained in scan.networks:
        own, answer = means(trained) if means else None, cut(trained) if cut else None
        found.append(explain_volume(scan.path, volume.data, trained, own, method, reference, answer))
    values = np.mean([each.values for each in found], axis=0)
    logits = np.array([each.logit for each in found])
    described = {
        **identity_of(scan, method, reference),
        "probability": float(probabilities.mean()),
        "probability_sd": _spread(probabilities),
        "logit": float(logits.mean()),
        "logit_sd": _spread(logits),
        "parts": _mean_parts([each.parts for each in found]),
        "networks": [
            {"fold": trained.about["fold"], "probability": probability, "logit": each.logit, "parts": each.parts}
            for trained, probability, each in zip(scan.networks, probabilities.tolist(), found)
        ],
        "sum": float(values.sum()),
        "agreement": likeness([each.seen for each in found]),
    }
    return Explanation(values, volume, described, [each.seen for each in found])


def _spread(values: np.ndarray) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


def volume_of(scan: Chosen) -> Volume:
    """Reads a scan as its networks' config says. Raises: InputError for a scan that is refused."""
    return load_volume(scan.path, *settings.projection_of(scan.networks[0].config).reading)


def identity_of(scan: Chosen, method: str, reference: str) -> dict[str, Any]:
    """Says what a map is made of; the same gives the same map."""
    return {
        "schema": 1,
        "method": method,
        "reference": reference if method in WITH_REFERENCE else None,
        "scan_sha256": content_digest(scan.path),
        "checkpoints_sha256": [sha256_of(description_of(each.path)) for each in scan.networks if each.path],
    }


def _mean_parts(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Averages the parts of several networks' logits; of steps the most, and whether all have converged."""
    joined = {key: [each[key] for each in parts] for key in parts[0]}
    means = {key: float(np.mean(values)) for key, values in joined.items() if key not in ("steps", "converged")}
    return means | {key: combine(joined[key]) for key, combine in (("steps", max), ("converged", all)) if key in joined}
