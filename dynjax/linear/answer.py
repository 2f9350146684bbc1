"""One linear answer to a table of features: a ridge-penalised logistic regression, solved and then calibrated.

Features are standardised by the training scans and divided by the root of their number, so that one grid of penalties
suits any number of them. There may be thousands of features and fewer scans: the solution lies in the span of the
scans, so it is found in as many coordinates as there are scans.

A penalty that ranks subjects well makes logits too small. Inner folds tell by how much: a sigmoid is fitted to what
models without a scan's inner fold answer to it, as for the support vector machine among the baselines.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from dynjax.linear.inner import fit_sigmoid, inner_folds, sigmoid_loss

PENALTIES = tuple(10.0 ** (power / 2) for power in range(-1, 3))  # of half the squared length of the weights
MOST = 2000  # scans: of more, so many choose the penalty, and the weights are found by a method of first order
BLOCK = 4096  # features handled at a time in float64
ROWS = 512  # scans whose features are in float64 at a time


class LinearAnswer(NamedTuple):
    """A linear model of features [D]: logit = intercept + sum(weights * (features - mean) * scale).

    mean, scale and weights are float64 [D]; a feature that is constant in training has scale 0. penalty: that of the
    solution. loss: the mean cross-entropy on the training scans.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    intercept: float
    penalty: float
    loss: float

    def of_raw(self) -> tuple[np.ndarray, float]:
        """Returns weights [D] and an intercept for features that are not standardised."""
        direction = self.scale * self.weights
        return direction, float(self.intercept - self.mean @ direction)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Returns the logits of the positive class, float64 [N], of features [N, D]."""
        direction, intercept = self.of_raw()
        parts = [features[start : start + ROWS] @ direction for start in range(0, len(features), ROWS)]
        return np.concatenate([np.empty(0), *parts]) + intercept

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Returns the probabilities of both classes, float64 [N, 2]."""
        positive = expit(self.logits(features))
        return np.stack([1 - positive, positive], axis=-1)


class _Table(NamedTuple):
    """A table of features, and how they are standardised."""

    values: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yields the standardised features, float64 [N, BLOCK], with their places."""
        for start in range(0, self.values.shape[1], BLOCK):
            place = slice(start, start + BLOCK)
            yield place, (self.values[:, place] - self.mean[place]) * self.scale[place]


def fit_linear(
    features: np.ndarray, targets: np.ndarray, subjects: Sequence[str], seed: int, penalty: float = 0.0
) -> LinearAnswer:
    """Fits features [N, D] to targets [N] of 0 and 1, and calibrates the answer in inner folds by subject.

    Args: penalty, in units of PENALTIES; 0 takes that of PENALTIES whose calibrated answers in the inner folds have the
    lowest cross-entropy. Needs scans of both targets.
    """
    people, candidates = np.asarray(subjects), (penalty,) if penalty else PENALTIES
    drawn = np.arange(len(targets))
    if len(drawn) > MOST:
        drawn = np.sort(np.random.default_rng(seed).choice(len(drawn), MOST, replace=False))
    answers = _inner_answers(
        features[drawn], targets[drawn], inner_folds(targets[drawn], people[drawn], seed), candidates
    )
    best = int(np.argmin([sigmoid_loss(each, targets[drawn]) for each in answers]))
    slope, intercept = fit_sigmoid(answers[best], targets[drawn])
    found = solve(features, targets, candidates[best])
    calibrated = found._replace(weights=slope * found.weights, intercept=slope * found.intercept + intercept)
    logits = calibrated.logits(features)
    return calibrated._replace(loss=float(np.mean(np.logaddexp(0, logits) - targets * logits)))


def solve(features: np.ndarray, targets: np.ndarray, penalty: float) -> LinearAnswer:
    """Solves the regression of targets [N] of 0 and 1 on features [N, D] at one penalty, without calibration."""
    table = _standardised(features)
    if len(targets) > MOST:
        weights, intercept = _solve_large(table, targets, penalty)
    else:
        coordinates, vectors = _coordinates(_gram(table))
        direction, intercept = _regress(coordinates, targets, penalty)
        weights = np.concatenate([(vectors @ direction) @ values for _, values in table.blocks()])
    answer = LinearAnswer(table.mean, table.scale, weights, intercept, penalty, 0.0)
    logits = answer.logits(features)
    return answer._replace(loss=float(np.mean(np.logaddexp(0, logits) - targets * logits)))


def _inner_answers(
    features: np.ndarray, targets: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]], penalties: Sequence[float]
) -> np.ndarray:
    """Returns logits [penalties, N], each of a model that was fitted without the scan's inner fold."""
    gram = _gram(_standardised(features))
    answers = np.empty((len(penalties), len(targets)))
    for train, test in folds:
        coordinates, vectors = _coordinates(gram[np.ix_(train, train)])
        products = gram[np.ix_(test, train)] @ vectors
        for index, penalty in enumerate(penalties):
            direction, intercept = _regress(coordinates, targets[train], penalty)
            answers[index, test] = products @ direction + intercept
    return answers


def _standardised(features: np.ndarray) -> _Table:
    """Standardises each feature; the factor of all makes a scan's squared length about 1."""
    mean, spread = np.empty(features.shape[1]), np.empty(features.shape[1])
    for start in range(0, features.shape[1], BLOCK):
        place = slice(start, start + BLOCK)
        values = features[:, place].astype(np.float64)
        mean[place], spread[place] = values.mean(0), values.std(0)
    scale = np.divide(1 / np.sqrt(len(mean)), spread, out=np.zeros_like(spread), where=spread > 0)
    return _Table(features, mean, scale)


def _gram(table: _Table) -> np.ndarray:
    """Returns the scalar products of the standardised rows, float64 [N, N]."""
    gram = np.zeros((len(table.values),) * 2)
    for _, values in table.blocks():
        gram += values @ values.T
    return gram


def _coordinates(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns coordinates [N, R] of rows with these scalar products, and vectors [N, R].

    A direction in the coordinates is the sum of the rows, each times its entry of vectors @ direction.
    """
    values, vectors = np.linalg.eigh(gram)
    kept = values > max(values[-1], 0.0) * len(gram) * np.finfo(float).eps
    root = np.sqrt(values[kept])
    return vectors[:, kept] * root, vectors[:, kept] / root


def _regress(coordinates: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Fits a ridge-penalised logistic regression by Newton's method: weights and intercept, which has no penalty."""
    from sklearn.linear_model import LogisticRegression  # slow to import

    if not coordinates.shape[1]:  # all scans are alike
        share = np.clip(targets.mean(), 1e-6, 1 - 1e-6)
        return np.empty(0), float(np.log(share / (1 - share)))
    model = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    model.fit(coordinates, targets)
    return model.coef_[0], float(model.intercept_[0])


def _solve_large(table: _Table, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    from sklearn.linear_model import LogisticRegression

    standardised = np.empty(table.values.shape, np.float32)
    for place, values in table.blocks():
        standardised[:, place] = values
    model = LogisticRegression(C=1 / penalty, solver="lbfgs", tol=1e-6, max_iter=10_000).fit(standardised, targets)
    return model.coef_[0].astype(np.float64), float(model.intercept_[0])
