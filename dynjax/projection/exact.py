"""Exact rank pooling, in both senses of the term.

`rank_svm` is the pairwise RankSVM of the paper's equations 1 and 2. `rank_svr` is the pointwise support vector
regression that public code calls rank pooling. Both depend only on the inner products of the T frames, so they are
solved in T dimensions instead of one per pixel.
"""

import numpy as np

GAP = 1e-9  # the duality gap, relative to the primal objective, at which the RankSVM's iteration ends
ITERATIONS = 100


class NotConverged(ArithmeticError):
    """A solver has not come close enough to the optimum."""


def rank_svm(frames: np.ndarray, regularisation: float = 1.0) -> np.ndarray:
    """Minimises lambda/2 |d|^2 + 2/(T(T-1)) sum_{q>t} max(0, 1 - d.V_q + d.V_t) over d, V_t the mean of frames 1..t.

    A primal-dual interior-point method solves the dual, a quadratic program with box constraints. The Hessian is
    B G B', with G the Gram matrix [T, T] and B the incidence of pairs and frames, so a Newton step costs O(T^3).

    Args: frames [T, D]; regularisation, the paper's lambda.
    Returns: float64 [D]; zeros for a single frame.
    Raises: NotConverged if the duality gap stays above 1e-6 of the objective.
    """
    means = _running_means(frames)
    count = len(means)
    if count < 2:
        return np.zeros(means.shape[1])
    first, second = np.triu_indices(count, 1)  # the frames t < q of each of P pairs, [P]
    cap = 2 / (count * (count - 1))  # the upper bound of the dual variables
    values, vectors = np.linalg.eigh(means @ means.T / regularisation)
    root = vectors * np.sqrt(np.maximum(values, 0))  # [T, T]; root @ root.T is the Gram matrix
    alpha = np.full(len(first), cap / 2)  # [P], the dual variables
    scores = root @ (root.T @ _per_frame(alpha, first, second, count))
    alpha /= max(1.0, np.abs(scores[second] - scores[first]).max())  # large intensities need small alpha
    lower = upper = np.ones(len(first))  # [P], the multipliers of 0 <= alpha and of alpha <= cap
    for _ in range(ITERATIONS):
        beta = _per_frame(alpha, first, second, count)  # [T]; d = beta @ means / lambda
        scores = root @ (root.T @ beta)  # [T], d.V_t
        margins = scores[second] - scores[first]  # [P]
        energy = beta @ scores / 2
        primal = energy + cap * np.maximum(0, 1 - margins).sum()
        gap = primal - (alpha.sum() - energy)
        if gap <= GAP * primal:
            break
        room = cap - alpha
        # A Newton step towards complementarity products of a tenth of their present mean, `target`.
        diagonal = lower / alpha + upper / room
        target = 0.1 * (alpha @ lower + room @ upper) / (2 * len(alpha))
        residual = 1 - margins + target / alpha - target / room
        step = _newton_step(root, diagonal, residual, first, second)
        lower_step = target / alpha - lower - lower / alpha * step
        upper_step = target / room - upper + upper / room * step
        changes = zip((alpha, room, lower, upper), (step, -step, lower_step, upper_step))
        # Stop short of the boundary, so that all four stay positive.
        length = min(1.0, 0.995 * min(_longest(values, change) for values, change in changes))
        alpha, lower, upper = alpha + length * step, lower + length * lower_step, upper + length * upper_step
    if gap > 1e-6 * primal:
        raise NotConverged(f"rank pooling did not converge: duality gap {gap:.2g} of {primal:.2g}")
    return beta @ means / regularisation


def rank_svr(frames: np.ndarray, c: float = 1.0, root: bool = True) -> np.ndarray:
    """Regresses the frames' positions 1..T on their running means (VideoDarwin, Fernando et al. 2015).

    Minimises |w|^2/2 + C sum_t max(0, |w.x_t - t| - 0.1)^2, where x_t is the running mean, or with `root` its signed
    square root, scaled to length 1.

    Args: frames [T, D]; c, the C above; root, whether to take signed square roots. Returns: float64 [D].
    """
    from sklearn.svm import LinearSVR  # imported here because it is slow and few projections need it

    x = _running_means(frames)
    if root:
        x = np.sign(x) * np.sqrt(np.abs(x))
    length = np.linalg.norm(x, axis=1, keepdims=True)
    x = x / np.where(length == 0, 1, length)
    # w is in the span of the frames: solve in the T coordinates left * singular, then rotate back.
    left, singular, right = np.linalg.svd(x, full_matrices=False)  # [T, T], [T], [T, D]
    svr = LinearSVR(
        epsilon=0.1, C=c, loss="squared_epsilon_insensitive", fit_intercept=False, dual=False, tol=1e-10, max_iter=10**5
    )
    return svr.fit(left * singular, np.arange(1, len(x) + 1)).coef_ @ right


def _running_means(frames: np.ndarray) -> np.ndarray:
    """Returns the means V_t of frames 1..t, float64 [T, D]."""
    frames = np.asarray(frames, np.float64)
    return frames.cumsum(0) / np.arange(1, len(frames) + 1)[:, None]


def _per_frame(values: np.ndarray, first: np.ndarray, second: np.ndarray, count: int) -> np.ndarray:
    """Returns B' values, [T]: for each frame, the sum over the pairs it is second in less those it is first in."""
    return np.bincount(second, values, count) - np.bincount(first, values, count)


def _newton_step(root, diagonal, residual, first, second) -> np.ndarray:
    """Solves (B root root' B' + diag(diagonal)) x = residual, [P], by Woodbury's identity; B is the incidence."""
    count = len(root)
    weights = np.zeros((count, count))  # of the graph whose edges are the pairs; its Laplacian is B' diag(..)^-1 B
    weights[first, second] = weights[second, first] = 1 / diagonal
    laplacian = np.diag(weights.sum(0)) - weights
    inner = root.T @ _per_frame(residual / diagonal, first, second, count)
    scores = root @ np.linalg.solve(np.eye(count) + root.T @ laplacian @ root, inner)
    return (residual - scores[second] + scores[first]) / diagonal


def _longest(values: np.ndarray, step: np.ndarray) -> float:
    """Returns how many times the step may be added before a value reaches zero."""
    falling = step < 0
    return float(np.min(-values[falling] / step[falling], initial=np.inf))
