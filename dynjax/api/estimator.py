"""A scikit-learn classifier of volumes: the method of configs/best.py, without files and folders."""

from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, check_memory, column_or_1d

from dynjax.files import expanded
from dynjax.frozen.trunk import trunk_program
from dynjax.linear.answer import fit_linear
from dynjax.models.build import build_trunk
from dynjax.pretrained.source import find_weights
from dynjax.pretrained.weights import Weights, digest_of, read_weights
from dynjax.projection.dynamic import AXES
from dynjax.projection.project import PROJECTIONS, project
from dynjax.projection.scale import scale_images, scale_views

TRUNK = "mobilenet_v2"
REMEDY = "dynjax.load_volume(path, grid, nan='zero') reads NaN outside the brain as 0"
FEWEST = 2  # volumes, or groups, of each class: inner folds calibrate the answer


class DynamicImageClassifier(ClassifierMixin, BaseEstimator):
    """Classifies 3D brain MRI by images of it, a frozen ImageNet network's features of these, and a linear answer.

    Every volume is projected to images of slabs in three planes; MobileNetV2, whose weights stand still, turns them
    into features; a ridge-penalised logistic regression answers, calibrated in inner folds of the training volumes.
    The defaults are those of configs/best.py, and so are the answers.

    Volumes are an array [N, X, Y, Z] in RAS+, all on one grid, as `dynjax.load_volume(path, grid)` reads them.

    Parameters
    ----------
    penalty : float, default=3.0
        Of half the squared length of the weights of standardised features. 0 chooses one by inner folds.
    projection : str, default='mean'
        What an image shows of a slab: 'mean', 'dynamic' or 'max' along the axis; several joined by '+'.
    axis : str, default='axial+coronal+sagittal'
        The planes, joined by '+'.
    slabs : int, default=6
        Into how many slabs each axis is cut.
    weights : 'imagenet', 'random' or path, default='imagenet'
        Of the network. 'imagenet' takes torchvision's, converted once; a path is of a file that
        weights/convert_torchvision.py made; 'random' is for trying things out.
    random_state : int, default=0
        Seed of the inner folds, and of random weights.
    memory : None, str or joblib.Memory, default=None
        Where to keep each volume's features, so that further folds and penalties need not compute them again.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The labels, sorted; probabilities have this order.
    grid_ : tuple of int
        The shape of the volumes in `fit`, which every other volume must have.
    answer_ : LinearAnswer
        The linear model of the features.
    trunk_ : Weights
        The network's weights: a pickled classifier needs no other file.

    Examples
    --------
    >>> import numpy
    >>> from dynjax import DynamicImageClassifier
    >>> X, y = numpy.random.default_rng(0).random((8, 16, 16, 16)), ["AD", "CN"] * 4
    >>> DynamicImageClassifier(weights="random").fit(X, y).predict_proba(X).shape
    (8, 2)
    """

    def __init__(
        self,
        penalty: float = 3.0,
        *,
        projection: str = "mean",
        axis: str = "axial+coronal+sagittal",
        slabs: int = 6,
        weights: str | Path = "imagenet",
        random_state: int = 0,
        memory: Any = None,
    ):
        self.penalty = penalty
        self.projection = projection
        self.axis = axis
        self.slabs = slabs
        self.weights = weights
        self.random_state = random_state
        self.memory = memory

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | None = None) -> "DynamicImageClassifier":
        """Fits volumes X [N, X, Y, Z] to labels y [N] of two classes.

        Args: groups, the subject of each volume: volumes of one subject are never parted by inner folds. By default
        every volume is of another subject.
        Raises: ValueError for volumes of another shape, NaN, or too few volumes or other than two classes; InputError
        if the network's weights cannot be had.
        """
        self._check_parameters()
        volumes = self._check_volumes(X)
        labels = column_or_1d(y, warn=True)
        check_consistent_length(volumes, labels)
        check_classification_targets(labels)
        classes, targets = np.unique(labels, return_inverse=True)
        subjects = np.arange(len(labels)) if groups is None else column_or_1d(groups)
        check_consistent_length(volumes, subjects)
        _check_classes(classes, targets, subjects)
        self.trunk_ = _trunk(self.weights, self.random_state)
        self.classes_, self.grid_ = classes, volumes.shape[1:]
        self.answer_ = fit_linear(
            self._features(volumes), targets, [str(each) for each in subjects], self.random_state, self.penalty
        )
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Returns the logit of classes_[1], float64 [N]. Args and Raises: as `predict_proba`."""
        features = self._checked_features(X)
        return self.answer_.logits(features)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Returns the calibrated probabilities of both classes, float64 [N, 2], in the order of classes_.

        Args: X, volumes [N, X, Y, Z] on the grid of those in `fit`. Raises: ValueError for any other, or for NaN.
        """
        features = self._checked_features(X)
        return self.answer_.predict_proba(features)

    def predict(self, X: Any) -> np.ndarray:
        """Returns the likelier class of each volume [N]. Args and Raises: as `predict_proba`."""
        logits = self.decision_function(X)
        return self.classes_[(logits > 0).astype(int)]

    def _checked_features(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        volumes = self._check_volumes(X)
        if volumes.shape[1:] != self.grid_:
            raise ValueError(
                f"X has volumes of {_sizes(volumes.shape[1:])} voxels, but those in fit had {_sizes(self.grid_)}"
            )
        return self._features(volumes)

    def _check_parameters(self) -> None:
        """Raises ValueError for a parameter that means nothing."""
        for name, known in (("projection", PROJECTIONS), ("axis", AXES)):
            if unknown := [each for each in str(getattr(self, name)).split("+") if each not in known]:
                raise ValueError(f"{name}={getattr(self, name)!r}: {unknown[0]!r} is none of {', '.join(known)}")
        if not isinstance(self.slabs, Integral) or self.slabs < 1:
            raise ValueError(f"slabs={self.slabs!r}: must be a whole number, 1 or more")
        if not isinstance(self.penalty, Real) or not 0 <= self.penalty < np.inf:
            raise ValueError(f"penalty={self.penalty!r}: must be a number, 0 or more")

    def _check_volumes(self, X: Any) -> np.ndarray:
        """Returns volumes as float32 [N, X, Y, Z]. Raises: ValueError for another shape, NaN or infinite numbers."""
        volumes = check_array(
            X, allow_nd=True, ensure_2d=False, dtype=np.float32, ensure_all_finite=False, estimator=self
        )
        if volumes.ndim != 4:
            raise ValueError(f"X must be volumes [N, X, Y, Z]; an array with {volumes.ndim} dimensions was given")
        if bad := [place for place, volume in enumerate(volumes) if not np.isfinite(volume).all()]:
            names = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
            raise ValueError(f"X contains NaN or infinite numbers, in volume {names}; {REMEDY}")
        return volumes

    def _features(self, volumes: np.ndarray) -> np.ndarray:
        """Returns what the network makes of volumes, float32 [N, D], from the memory where it is known."""
        trunk = {"trunk": self.trunk_.params}, {"trunk": self.trunk_.batch_stats}
        numbers = jax.tree.map(jnp.asarray, trunk)
        memory = str(expanded(self.memory)) if isinstance(self.memory, str) else self.memory
        of_one = check_memory(memory).cache(_features_of, ignore=["numbers"])
        digest = digest_of(self.trunk_)
        return np.stack([of_one(each, self.projection, self.axis, self.slabs, digest, numbers) for each in volumes])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.two_d_array = False
        return tags


def _features_of(volume: np.ndarray, projection: str, axis: str, slabs: int, digest: str, numbers: Any) -> np.ndarray:
    """Returns the features of a volume [X, Y, Z], float32 [D]: the mean over the network's map of each image.

    Args: digest, of the network's weights `numbers`, by which the memory knows them.
    """
    images = project(volume, projection, axis, slabs=slabs)
    scaled = scale_images(images[None]) if images.ndim == 2 else scale_views(images[None], slabs)[0]
    return np.asarray(trunk_program(TRUNK)(*numbers, scaled)).mean((1, 2)).ravel()


def _trunk(weights: str | Path, seed: int) -> Weights:
    """Returns the network's weights. Raises: InputError if they cannot be had."""
    if weights == "random":
        return _random_weights(seed)
    found = find_weights(TRUNK, "required") if weights == "imagenet" else read_weights(expanded(weights), TRUNK)
    assert found is not None
    return found


def _random_weights(seed: int) -> Weights:
    """Returns weights that know nothing: normal kernels as of He et al. 2015, and norms that change nothing.

    NumPy draws them in no time; the network's own initialiser would be compiled first.
    """
    rng = np.random.default_rng(seed)

    def draw(path: tuple, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        name = path[-1].key
        if name == "kernel":
            return rng.normal(0, np.sqrt(2 / np.prod(leaf.shape[:-1])), leaf.shape).astype(np.float32)
        return np.full(leaf.shape, name in ("scale", "var"), np.float32)

    shapes = jax.eval_shape(lambda: build_trunk(TRUNK).init(jax.random.key(0)))
    params, batch_stats = jax.tree_util.tree_map_with_path(draw, shapes)
    return Weights(params["trunk"], batch_stats["trunk"], "random", "")


def _check_classes(classes: np.ndarray, targets: np.ndarray, subjects: np.ndarray) -> None:
    """Raises ValueError unless there are two classes, each of at least FEWEST subjects."""
    if len(classes) > 2:
        raise ValueError(
            f"Only binary classification is supported, but y has {len(classes)} classes: {_names(classes)}"
        )
    if len(classes) < 2:
        raise ValueError(f"y has one class, {_names(classes)}; two are needed")
    for place, name in enumerate(classes):
        count = len(np.unique(subjects[targets == place]))
        if count < FEWEST:
            raise ValueError(f"class {name} has {count} subject; inner folds need {FEWEST} of each class")


def _names(classes: np.ndarray) -> str:
    return ", ".join(map(str, classes[:5].tolist())) + (", ..." if len(classes) > 5 else "")


def _sizes(grid: Sequence[int]) -> str:
    return " x ".join(map(str, grid))
