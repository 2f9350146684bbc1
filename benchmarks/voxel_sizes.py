"""Shows what a cohort of two voxel sizes does to a classifier: python -m benchmarks.voxel_sizes (`make voxel-sizes`).

Each phantom is stored as it is, at 2 mm, and rendered again at 1 mm: the same head, with the noise of voxels an eighth
as large. Recipe 1 of `volume.recipe` takes every second voxel of the latter along each axis, recipe 2 smooths first. A
logistic regression on features of a MobileNetV2 from ImageNet, which is fitted in a second, then shows in five folds
what a network can learn.
"""

import functools
from collections.abc import Callable
from unittest import mock

import jax.numpy as jnp
import numpy as np
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dynjax import dynamic_image, feature_extractor, scale_images
from dynjax.cohort.phantom import subject as phantoms
from dynjax.cohort.phantom.anatomy import AFFINE, SHAPE, load_anatomy
from dynjax.volumes.grid import Grid
from dynjax.volumes.resampling import resample, resample_smoothly
from dynjax.work.parallel import parallel_map

SEEDS, COUNT, FOLDS, DRAWS = (100, 101), 100, 5, 20
NOISE = 22.0  # standard deviation at 2 mm, as in the phantoms
FINE = np.array(SHAPE) * 2 - 1  # voxels of 1 mm; every second one lies on one of 2 mm
AGREEING = 0.8  # share of the subjects whose voxel size goes with their label, where it is a confounder
RECIPES = (1, 2)


def render(person: phantoms.Subject, seed: int) -> list[np.ndarray]:
    """Returns the dynamic images [110, 110] of one phantom: of 2 mm, and of 1 mm as recipes 1 and 2 read it."""
    coarse = phantoms.render_scan(person, 0, seed, load_anatomy()).astype(np.float32)
    rng = np.random.default_rng([seed, person.number])
    noise, ideal = NOISE * np.sqrt(8), _without_noise(person, seed)
    for axis in range(3):
        places = np.vstack([np.arange(FINE[axis]) / 2])
        spline = np.stack([ndimage.map_coordinates(one, places, mode="nearest") for one in np.eye(SHAPE[axis])], 1)
        ideal = np.moveaxis(np.tensordot(spline.astype(np.float32), ideal, (1, axis)), 0, axis)
    inside = np.kron(coarse > 0, np.ones((2, 2, 2), bool))[: FINE[0], : FINE[1], : FINE[2]]
    real, imaginary = (rng.standard_normal(FINE, np.float32) * np.float32(noise) for _ in range(2))
    fine = np.asfortranarray(np.where(inside, np.rint(np.hypot(ideal + real, imaginary)), 0).astype(np.float32))
    affine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    read = [np.asfortranarray(coarse), *(sample(fine, affine, Grid()) for sample in (resample, resample_smoothly))]
    return [np.asarray(dynamic_image(volume)) for volume in read]


def _without_noise(person: phantoms.Subject, seed: int) -> np.ndarray:
    with mock.patch.object(phantoms, "_rician", lambda image, deviation, rng: image):
        return phantoms.render_scan(person, 0, seed, load_anatomy()).astype(np.float32)


def features_of(images: np.ndarray, size: int = 20) -> np.ndarray:
    """Returns the mean of each of a MobileNetV2's last feature maps, [N, C], for raw images [N, H, W]."""
    extract = feature_extractor("mobilenet_v2")
    scaled = scale_images(images, "imagenet")
    parts = [extract(jnp.asarray(scaled[start : start + size])).mean((1, 2)) for start in range(0, len(images), size)]
    return np.concatenate(parts)


def auc(train: np.ndarray, test: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Returns the mean AUC over folds of a classifier of features `train` [N, C], each tested on those of `test`."""
    found = []
    for one, other in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(train, labels):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000)).fit(train[one], labels[one])
        found.append(roc_auc_score(labels[other], model.decision_function(test[other])))
    return float(np.mean(found))


def figures(coarse: np.ndarray, fine: np.ndarray, labels: np.ndarray, draw: int) -> dict[str, float]:
    """Returns the AUCs of one draw of the subjects that are stored at 1 mm, given all features [N, C] of both sizes."""
    rng = np.random.default_rng(draw)
    half = rng.permutation(len(labels)) % 2 == 0
    goes_with = np.where(rng.random(len(labels)) < AGREEING, labels == 1, labels == 0)

    def stored(is_fine: np.ndarray) -> np.ndarray:
        return np.where(is_fine[:, None], fine, coarse)

    confounded, reversed_ = stored(goes_with), stored(~goes_with)
    return {
        "all at 2 mm": auc(coarse, coarse, labels, draw),
        "half at 1 mm": auc(stored(half), stored(half), labels, draw),
        "goes with the label": auc(confounded, confounded, labels, draw),
        "tested on the reverse": auc(confounded, reversed_, labels, draw),
        "the voxel size itself": auc(stored(half), stored(half), half.astype(int), draw),
    }


def main(count: int = COUNT, draws: int = DRAWS, show: Callable[[str], None] = print) -> None:
    show(f"AUC of SYNTHETIC subjects: mean and standard deviation over {draws} draws of who is stored at 1 mm")
    for seed in SEEDS:
        people = phantoms.draw_subjects(count, seed)
        images = np.array(parallel_map(functools.partial(render, seed=seed), people, f"rendering seed {seed}"))
        coarse, *fine = (features_of(images[:, kind]) for kind in range(3))
        labels = np.array([int(person.label == "AD") for person in people])
        for recipe, read in zip(RECIPES, fine):
            found = [figures(coarse, read, labels, draw) for draw in range(draws)]
            cells = [(name, [each[name] for each in found]) for name in found[0]]
            line = ", ".join(f"{name} {np.mean(values):.3f} ± {np.std(values):.3f}" for name, values in cells)
            show(f"seed {seed}, recipe {recipe}: {line}")


if __name__ == "__main__":
    main()
