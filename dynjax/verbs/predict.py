"""`predict`: gives new scans the mean probability of the folds' networks, and the spread between them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.csv_table import write_csv
from dynjax.errors import InputError, UsageError
from dynjax.files import can_be_written
from dynjax.projection.store import Projection, project_scan
from dynjax.run import settings
from dynjax.run.data import scale
from dynjax.run.runtime import configure_jax
from dynjax.run.trained import Trained, load_networks
from dynjax.run.workdir import Workdir
from dynjax.volumes.nifti import content_digest
from dynjax.work.parallel import parallel_map

ANSWER_COLUMNS = ["path", "verdict", "probability", "fold_sd", "reason"]


class ProjectedScan(NamedTuple):
    """The raw image of a scan, or the volume that the network takes, and the sha256 of the scan's content."""

    image: np.ndarray
    digest: str


class Verdict(NamedTuple):
    """A line of the output; `probability` is that of the positive class, None if the scan was refused."""

    path: str
    probability: float | None = None
    fold_sd: float | None = None
    reason: str = ""


def predict(workdir: Workdir, scans: Sequence[str], out: Path | None) -> None:
    """Predicts scans, read and projected as the checkpoints' config says; prints the answers and writes `out`.

    Raises: UsageError if `out` cannot be written, InputError if there is no trained network and, once all good scans
    are predicted, if any was refused.
    """
    if out is not None and not can_be_written(out):
        raise UsageError(f"--out={out}: cannot be written; name a .csv file in a folder that can")
    configure_jax()
    networks = load_networks(workdir)
    config = networks[0].config
    projection = settings.projection_of(config)
    projected = parallel_map(lambda path: _project(path, projection), scans, "reading and projecting scans")
    images = [item.image for item in projected if isinstance(item, ProjectedScan)]
    by_network = np.empty((len(networks), len(images)))
    if images:
        scaled = scale(config, np.stack(images))
        by_network = np.stack([network.probability(scaled) for network in networks])
    columns = iter(by_network.T)
    verdicts = [
        Verdict(path, reason=str(item))
        if isinstance(item, InputError)
        else _verdict(path, next(columns), _seen_by(item.digest, networks))
        for path, item in zip(scans, projected)
    ]
    _print(verdicts, config.cohort.labels[1], len(networks))
    if out is not None:
        _write(out, verdicts)
        print(f"written: {out}")
    refused = [verdict.reason for verdict in verdicts if verdict.probability is None]
    if refused:
        raise InputError("\n".join(refused))


def _project(path: str, projection: Projection) -> ProjectedScan | InputError:
    try:
        return ProjectedScan(project_scan(Path(path), projection), content_digest(path))
    except InputError as error:
        return error


def _verdict(path: str, probabilities: np.ndarray, seen_by: int) -> Verdict:
    spread = float(probabilities.std(ddof=1)) if len(probabilities) > 1 else None
    reason = f"{seen_by} of {len(probabilities)} networks were trained on this scan: optimistic" if seen_by else ""
    return Verdict(path, float(probabilities.mean()), spread, reason)


def _seen_by(digest: str, networks: list[Trained]) -> int:
    return sum(digest in network.about["scans"]["train"] for network in networks)


def _print(verdicts: list[Verdict], positive: str, networks: int) -> None:
    print(f"probability of {positive}, mean and standard deviation over {networks} networks; for research only")
    for verdict in verdicts:
        if verdict.probability is not None:
            spread = "" if verdict.fold_sd is None else f" ± {verdict.fold_sd:.3f}"
            note = f"  ({verdict.reason})" if verdict.reason else ""
            print(f"{verdict.probability:.3f}{spread}  {verdict.path}{note}")


def _write(out: Path, verdicts: list[Verdict]) -> None:
    rows = []
    for path, probability, spread, reason in verdicts:
        numbers = ["" if number is None else f"{number:.6f}" for number in (probability, spread)]
        rows.append([path, "refused" if probability is None else "ok", *numbers, reason])
    write_csv(out.absolute(), ANSWER_COLUMNS, rows)
