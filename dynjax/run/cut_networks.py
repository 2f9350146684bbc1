"""Cuts 3D networks after an early stage and fits a linear answer to what is left, for their class activation maps.

Yang et al. 2018 (3D-CAM) train the cut network anew. Here the trained network's own stages stand still, and only the
dense layer over the mean of each map is fitted, on the training scans of the network's fold.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from dynjax.linear.answer import LinearAnswer, fit_linear
from dynjax.run.data import Data
from dynjax.run.explaining import data_of, lost_cohort, of_run
from dynjax.run.sight import VOLUMES_TOGETHER, whole_network
from dynjax.run.trained import Trained
from dynjax.run.workdir import Workdir
from dynjax.work.progress import progress_bar

PENALTY = 1.0  # in units of dynjax.linear.answer.PENALTIES


def fit_cut_networks(workdir: Workdir, networks: Sequence[Trained]) -> Callable[[Trained], LinearAnswer]:
    """Returns a function that gives the linear answer to a network's early maps, which is fitted when first asked for.

    Raises: InputError if the run's cohort can no longer be read.
    """
    found: dict[Path | None, Data] = {}
    for run in workdir.repeats():
        advice = "its scans are needed for a class activation map; choose --method=gradcam"
        with lost_cohort(f"{run}: its cohort can no longer be read, and {advice}"):
            if own := of_run(networks, run):
                found |= dict.fromkeys([each.path for each in own], data_of(run))
    fitted: dict[Path | None, LinearAnswer] = {}

    def answer_of(trained: Trained) -> LinearAnswer:
        if trained.path not in fitted:
            fitted[trained.path] = _fit(trained, found[trained.path])
        return fitted[trained.path]

    return answer_of


def _fit(trained: Trained, data: Data) -> LinearAnswer:
    """Fits the answer on the scans outside the network's fold. Raises: InputError if they have changed."""
    fold = trained.about["fold"]
    data.check_trained_on(fold, trained.about, trained.path)
    chosen = data.folds != fold
    network, volumes = whole_network(trained), data.images(chosen)
    means = []
    with progress_bar(f"fitting the cut network of fold {fold}", len(volumes)) as advance:
        for start in range(0, len(volumes), VOLUMES_TOGETHER):
            part = np.stack([volumes[index] for index in range(start, min(start + VOLUMES_TOGETHER, len(volumes)))])
            filled = part[np.arange(VOLUMES_TOGETHER) % len(part)]  # one size of batch, so that one program is compiled
            means.append(network.early_maps(filled)[: len(part)].mean((1, 2, 3), dtype=np.float64))
            advance(len(part))
    people = [scan.subject for scan, is_chosen in zip(data.cohort.scans, chosen) if is_chosen]
    return fit_linear(np.concatenate(means), data.targets[chosen], people, data.config.seed, PENALTY)
