"""Fits the baselines with scikit-learn; scaling and calibration, too, are fitted on training subjects only."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KernelCenterer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from dynjax.baselines.embedding import EMBEDDING
from dynjax.baselines.features import KERNELS
from dynjax.linear.answer import fit_linear
from dynjax.linear.inner import fit_sigmoid, inner_folds

LEAST_SPREAD = 1e-12  # of scans in a kernel; less is rounding between scans that are all alike


class CrossValidated(NamedTuple):
    """Probabilities of the positive class, float [N], each from the model fitted without the scan's fold.

    seconds: the fitting time of each fold. penalties: the penalty that each fold chose, None where nothing is chosen.
    """

    probabilities: np.ndarray
    seconds: dict[int, float]
    penalties: dict[int, float | None]


def cross_validate(
    name: str,
    values: np.ndarray,
    targets: np.ndarray,
    folds: np.ndarray,
    subjects: Sequence[str],
    seed: int,
    penalty: float = 0.0,
) -> CrossValidated:
    """Fits the baseline `name` without each fold in turn and predicts the scans of that fold.

    Args: values from `dynjax.baselines.features` or the vectors of an embedding; targets [N] of 0 and 1; folds [N];
    subjects [N]; the seed of the inner folds, which calibrate or choose a penalty; penalty, as `fit_linear` takes it.
    """
    probabilities = np.empty(len(targets))  # [N]
    seconds, penalties = {}, {}
    people = np.asarray(subjects)
    for fold in sorted(set(folds.tolist())):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        start = time.perf_counter()
        model = fit(name, _select(name, values, train, train), targets[train], people[train], seed, penalty)
        seconds[fold], penalties[fold] = time.perf_counter() - start, getattr(model, "penalty", None)
        probabilities[test] = model.predict_proba(_select(name, values, test, train))[:, 1]
    return CrossValidated(probabilities, seconds, penalties)


def fit(
    name: str, values: np.ndarray, targets: np.ndarray, subjects: np.ndarray, seed: int, penalty: float = 0.0
) -> Any:
    """Fits the baseline `name` to training scans; returns a classifier with scikit-learn's `predict_proba`."""
    if name == EMBEDDING:
        return fit_linear(values, targets, subjects.tolist(), seed, penalty)
    if name in KERNELS:
        return _calibrated_svm(values, targets, inner_folds(targets, subjects, seed))
    if name == "age_sex":
        scaled = make_column_transformer((StandardScaler(), [0]), (OneHotEncoder(handle_unknown="ignore"), [1]))
        model = make_pipeline(scaled, LogisticRegression())
    else:
        model = make_pipeline(StandardScaler(), LogisticRegression())
    return model.fit(values, targets)


class KernelScaler(TransformerMixin, BaseEstimator):
    """Divides a centred kernel by its mean diagonal, so that C = 1 means the same at any intensity scale."""

    def fit(self, kernel: np.ndarray, targets: np.ndarray | None = None) -> "KernelScaler":
        self.scale_ = max(np.trace(kernel) / len(kernel), LEAST_SPREAD)
        return self

    def transform(self, kernel: np.ndarray) -> np.ndarray:
        return kernel / self.scale_


class CalibratedSVM(NamedTuple):
    """A support vector machine with probability = sigmoid(slope * decision value + intercept)."""

    svm: Pipeline
    slope: float
    intercept: float

    def predict_proba(self, kernel: np.ndarray) -> np.ndarray:
        """Returns the probabilities of both classes, [N, 2], from the products with the training scans, [N, T]."""
        positive = expit(self.slope * self.svm.decision_function(kernel) + self.intercept)
        return np.stack([1 - positive, positive], axis=-1)


def _calibrated_svm(kernel: np.ndarray, targets: np.ndarray, inner: list[tuple[np.ndarray, np.ndarray]]):
    """Fits the SVM to a kernel [T, T], and its sigmoid to the decision values of the inner folds."""
    svm = make_pipeline(KernelCenterer(), KernelScaler(), SVC(kernel="precomputed"))
    decisions = cross_val_predict(svm, kernel, targets, cv=inner, method="decision_function")
    return CalibratedSVM(svm.fit(kernel, targets), *fit_sigmoid(decisions, targets))


def _select(name: str, values: np.ndarray, rows: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Selects the features of the scans `rows`; for a kernel, their products with the training scans."""
    return values[np.ix_(rows, train)] if name in KERNELS else values[rows]
