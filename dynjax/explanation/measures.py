"""How true a map is, where the truth is known: measures against interventions and against the voxels that changed."""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage, stats
from sklearn.metrics import roc_auc_score

SMOOTH = 1.0  # voxels, the width of the Gaussian that smooths a map before its voxels are ranked
HELD = 0.9  # share of the absolute change that the smallest set of voxels holds which is called changed


class Agreement(NamedTuple):
    """How what a map claims, sums over structures, agrees with what interventions change."""

    spearman: float
    pearson: float
    slope: float  # of the change on the claim; 1 is right


def agreement(claimed: Sequence[float], changed: Sequence[float]) -> Agreement:
    """Compares the sums of a map over voxels with how the logit changes when what is there is undone."""
    claims, changes = np.asarray(claimed, np.float64), np.asarray(changed, np.float64)
    if np.ptp(claims) == 0 or np.ptp(changes) == 0:
        return Agreement(np.nan, np.nan, np.nan)
    fit = stats.linregress(claims, changes)
    return Agreement(float(stats.spearmanr(claims, changes)[0]), float(fit.rvalue), float(fit.slope))


def changed_voxels(change: np.ndarray) -> np.ndarray:
    """Returns the smallest set of voxels that holds HELD of the absolute change, bool [X, Y, Z]."""
    sizes = np.sort(np.abs(change).ravel())[::-1]
    threshold = sizes[np.searchsorted(np.cumsum(sizes), HELD * sizes.sum())]
    return np.abs(change) >= max(threshold, np.finfo(np.float64).tiny)


def localisation_auc(values: np.ndarray, changed: np.ndarray, brain: np.ndarray) -> float:
    """Returns the ROC AUC with which the smoothed magnitude of a map tells changed voxels from others of the brain."""
    scores = ndimage.gaussian_filter(np.abs(values), SMOOTH)
    return float(roc_auc_score(changed[brain], scores[brain]))


def rank_accuracy(values: np.ndarray, changed: np.ndarray) -> float:
    """Returns the share of changed voxels among as many of the strongest of a map (Arras et al. 2022)."""
    strongest = np.argpartition(np.abs(values).ravel(), -int(changed.sum()))[-int(changed.sum()) :]
    return float(changed.ravel()[strongest].mean())


def mass_accuracy(values: np.ndarray, changed: np.ndarray) -> float:
    """Returns the share of a map's magnitude that lies on changed voxels (Arras et al. 2022)."""
    magnitude = np.abs(values)
    return float(magnitude[changed].sum() / magnitude.sum()) if magnitude.any() else np.nan


def sign_agreement(values: np.ndarray, expected: np.ndarray, changed: np.ndarray) -> float:
    """Returns the share of changed voxels, of those where a map is not 0, at which it has the sign of `expected`."""
    told = changed & (values != 0)
    return float((np.sign(values[told]) == np.sign(expected[told])).mean()) if told.any() else np.nan


def likeness(maps: Sequence[np.ndarray]) -> float | None:
    """Returns the mean Spearman correlation of all pairs of maps; None for fewer than two, or one without contrast."""
    if len(maps) < 2 or any(np.ptp(each) == 0 for each in maps):
        return None
    ranks = [stats.rankdata(each) for each in maps]
    pairs = [np.corrcoef(one, other)[0, 1] for one, other in itertools.combinations(ranks, 2)]
    return float(np.mean(pairs))


def deletion(
    answer: Callable[[np.ndarray], np.ndarray], volume: np.ndarray, reference: np.ndarray, order: np.ndarray, steps: int
) -> float:
    """Returns the mean logit while voxels are replaced by the reference, in an order, in equal steps.

    Args: answer, volumes [N, X, Y, Z] -> logits [N]; order, indices of voxels in the flattened volume, the first ones
    are replaced first.
    """
    deleted, found = np.array(volume, order="C").reshape(-1), []
    for part in np.array_split(order, steps):
        deleted[part] = reference.reshape(-1)[part]
        found.append(float(answer(deleted.reshape(1, *volume.shape))[0]))
    return float(np.mean(found))
