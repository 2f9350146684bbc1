"""One linear answer to a table of features: a ridge-penalised logistic regression, solved to convergence.

Features are standardised by the training scans and divided by the root of their number, so that one grid of penalties
suits any number of them. There may be thousands of features and fewer scans: the solution lies in the span of the
scans, so it is found in as many coordinates as there are scans.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from dynjax.linear.inner import inner_folds

PENALTIES = tuple(10.0 ** (power / 2) for power in range(-6, 5))  # of half the squared length of the weights
MOST = 2000  # scans: of more, so many choose the penalty, and the weights are found by a method of first order
BLOCK = 4096  # features handled at a time in float64


class LinearAnswer(NamedTuple):
    """A linear model of features [D]: logit = intercept + sum(weights * (features - mean) * scale).

    mean, scale and weights are float64 [D]; a feature that is constant in training has scale 0. penalty: which of
    PENALTIES the inner folds chose. loss: the mean cross-entropy on the training scans.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    intercept: float
    penalty: float
    loss: float

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Returns the logits of the positive class, float64 [N], of features [N, D]."""
        direction = self.scale * self.weights
        return features @ direction + (self.intercept - self.mean @ direction)

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Returns the probabilities of both classes, float64 [N, 2]."""
        positive = expit(self.logits(features))
        return np.stack([1 - positive, positive], axis=-1)


class _Table(NamedTuple):
    """Rows of a table of features, and how they are standardised."""

    values: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def blocks(self, rows: np.ndarray):
        """Yields the standardised features of rows, float64 [R, BLOCK], with the features' places."""
        for start in range(0, self.values.shape[1], BLOCK):
            place = slice(start, start + BLOCK)
            yield place, (self.values[rows, place] - self.mean[place]) * self.scale[place]


def fit_linear(features: np.ndarray, targets: np.ndarray, subjects: Sequence[str], seed: int) -> LinearAnswer:
    """Fits features [N, D] to targets [N] of 0 and 1; the penalty is the best of PENALTIES in inner folds by subject.

    The best has the lowest mean cross-entropy over the scans of all inner folds, each answered by a model that was
    standardised and fitted without its fold. Needs scans of both targets.
    """
    penalty = choose_penalty(features, targets, np.asarray(subjects), seed)
    return solve(features, targets, penalty)


def choose_penalty(features: np.ndarray, targets: np.ndarray, subjects: np.ndarray, seed: int) -> float:
    """Returns the best of PENALTIES in inner folds of at most MOST scans."""
    if len(targets) > MOST:
        drawn = np.sort(np.random.default_rng(seed).choice(len(targets), MOST, replace=False))
        features, targets, subjects = features[drawn], targets[drawn], subjects[drawn]
    losses = np.zeros(len(PENALTIES))
    for train, test in inner_folds(targets, subjects, seed):
        answers = _answers(features, targets, train, test)  # [PENALTIES, test]
        losses += (np.logaddexp(0, answers) - targets[test] * answers).sum(1)
    return PENALTIES[int(np.argmin(losses))]


def solve(features: np.ndarray, targets: np.ndarray, penalty: float) -> LinearAnswer:
    """Fits features [N, D] to targets [N] of 0 and 1 at one penalty."""
    rows = np.arange(len(targets))
    table = _standardised(features, rows)
    if len(rows) > MOST:
        weights, intercept = _solve_large(table, rows, targets, penalty)
    else:
        _, vectors, coordinates = _coordinates(table, rows, rows[:0])
        direction, intercept = _regress(coordinates, targets, penalty)
        weights = _to_features(table, rows, vectors @ direction)
    answer = LinearAnswer(table.mean, table.scale, weights, intercept, penalty, 0.0)
    logits = answer.logits(features)
    return answer._replace(loss=float(np.mean(np.logaddexp(0, logits) - targets * logits)))


def _answers(features: np.ndarray, targets: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Returns the logits of the test rows, float64 [PENALTIES, test], fitted to the training rows at each penalty."""
    table = _standardised(features, train)
    products, vectors, coordinates = _coordinates(table, train, test)
    found = []
    for penalty in PENALTIES:
        direction, intercept = _regress(coordinates, targets[train], penalty)
        found.append(products @ (vectors @ direction) + intercept)
    return np.stack(found)


def _standardised(features: np.ndarray, rows: np.ndarray) -> _Table:
    """Standardises by the rows; the factor of all features makes a scan's squared length about 1."""
    sums, squares = np.empty(features.shape[1]), np.empty(features.shape[1])
    for start in range(0, features.shape[1], BLOCK):
        place = slice(start, start + BLOCK)
        values = features[rows, place].astype(np.float64)
        sums[place], squares[place] = values.mean(0), values.std(0)
    scale = np.divide(1 / np.sqrt(features.shape[1]), squares, out=np.zeros_like(squares), where=squares > 0)
    return _Table(features, sums, scale)


def _coordinates(table: _Table, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the products of rows, [test, train], vectors [train, R] and the training rows' coordinates [train, R].

    A direction in the coordinates is the sum of the training rows, times the vectors times the direction.
    """
    gram, products = np.zeros((len(train), len(train))), np.zeros((len(test), len(train)))
    both = np.concatenate([train, test])
    for _, values in table.blocks(both):
        known, asked = values[: len(train)], values[len(train) :]
        gram += known @ known.T
        products += asked @ known.T
    values, vectors = np.linalg.eigh(gram)
    kept = values > values[-1] * len(train) * np.finfo(float).eps
    root = np.sqrt(values[kept])
    return products, vectors[:, kept] / root, vectors[:, kept] * root


def _to_features(table: _Table, rows: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Returns the sum of the standardised rows, each times its share, float64 [D]."""
    return np.concatenate([shares @ values for _, values in table.blocks(rows)])


def _regress(coordinates: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Fits a ridge-penalised logistic regression by Newton's method: weights and intercept, which has no penalty."""
    from sklearn.linear_model import LogisticRegression  # slow to import

    model = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    model.fit(coordinates, targets)
    return model.coef_[0], float(model.intercept_[0])


def _solve_large(table: _Table, rows: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    from sklearn.linear_model import LogisticRegression

    standardised = np.empty(table.values.shape, np.float32)
    for place, values in table.blocks(rows):
        standardised[:, place] = values
    model = LogisticRegression(C=1 / penalty, solver="lbfgs", tol=1e-6, max_iter=10_000).fit(standardised, targets)
    return model.coef_[0].astype(np.float64), float(model.intercept_[0])
