"""Exact rank pooling, in the two senses of the field: the pairwise RankSVM of the paper's equations 1 and 2, and the
pointwise support vector regression that the public codes run under the name of rank pooling.

Both depend on the frames through their inner products alone, so that they are solved in T dimensions, not in pixels.
"""

import numpy as np

GAP = 1e-9  # of the RankSVM's objective, between primal and dual, where the iteration ends
ITERATIONS = 100


def rank_svm(frames: np.ndarray, regularisation: float = 1.0) -> np.ndarray:
    """Minimises lambda/2 |d|^2 + 2/(T(T-1)) sum_{q>t} max(0, 1 - d.V_q + d.V_t) over d, V_t the mean of frames 1..t.

    Solved on the dual, a quadratic program in a box, by a primal-dual interior-point method; its Newton systems have
    rank T (the Hessian is the Gram matrix seen through the pairs' incidence), so that a step costs O(T^3).

    Args: frames [T, D]; regularisation, the paper's lambda.
    Returns: float64 [D]. Raises: ArithmeticError if the duality gap stays above 1e-6 of the objective.
    """
    means = _running_means(frames)
    count = len(means)
    if count < 2:
        return np.zeros(means.shape[1])
    first, second = np.triu_indices(count, 1)
    cap = 2 / (count * (count - 1))
    values, vectors = np.linalg.eigh(means @ means.T / regularisation)
    root = vectors * np.sqrt(np.maximum(values, 0))  # [T, T]; root @ root.T is the Gram matrix
    alpha = np.full(len(first), cap / 2)
    scores = root @ (root.T @ _per_frame(alpha, first, second, count))
    alpha /= max(1.0, np.abs(scores[second] - scores[first]).max())  # large intensities need small multipliers
    lower = upper = np.ones(len(first))  # multipliers of 0 <= alpha and of alpha <= cap
    for _ in range(ITERATIONS):
        beta = _per_frame(alpha, first, second, count)
        scores = root @ (root.T @ beta)
        margins = scores[second] - scores[first]
        energy = beta @ scores / 2
        primal = energy + cap * np.maximum(0, 1 - margins).sum()
        gap = primal - (alpha.sum() - energy)
        if gap <= GAP * primal:
            break
        room = cap - alpha
        diagonal = lower / alpha + upper / room
        target = 0.1 * (alpha @ lower + room @ upper) / (2 * len(alpha))
        residual = 1 - margins + target / alpha - target / room
        step = _newton_step(root, diagonal, residual, first, second)
        lower_step = target / alpha - lower - lower / alpha * step
        upper_step = target / room - upper + upper / room * step
        changes = zip((alpha, room, lower, upper), (step, -step, lower_step, upper_step))
        length = min(1.0, 0.995 * min(_longest(values, change) for values, change in changes))
        alpha, lower, upper = alpha + length * step, lower + length * lower_step, upper + length * upper_step
    if gap > 1e-6 * primal:
        raise ArithmeticError(f"rank pooling did not converge: duality gap {gap:.2g} of {primal:.2g}")
    return beta @ means / regularisation


def rank_svr(frames: np.ndarray, c: float = 1.0, root: bool = True) -> np.ndarray:
    """Regresses the frames' positions 1..T on their running means (VideoDarwin, Fernando et al. 2015).

    Minimises |w|^2/2 + C sum_t max(0, |w.x_t - t| - 0.1)^2, x_t being the running mean, its signed square root where
    `root`, brought to length 1.

    Args: frames [T, D]. Returns: float64 [D].
    """
    from sklearn.svm import LinearSVR  # slow to import, and few projections need it

    x = _running_means(frames)
    if root:
        x = np.sign(x) * np.sqrt(np.abs(x))
    length = np.linalg.norm(x, axis=1, keepdims=True)
    x = x / np.where(length == 0, 1, length)
    left, singular, right = np.linalg.svd(x, full_matrices=False)  # w lies in the span of the frames
    svr = LinearSVR(
        epsilon=0.1, C=c, loss="squared_epsilon_insensitive", fit_intercept=False, dual=False, tol=1e-10, max_iter=10**5
    )
    return svr.fit(left * singular, np.arange(1, len(x) + 1)).coef_ @ right


def _running_means(frames: np.ndarray) -> np.ndarray:
    frames = np.asarray(frames, np.float64)
    return frames.cumsum(0) / np.arange(1, len(frames) + 1)[:, None]


def _per_frame(values: np.ndarray, first: np.ndarray, second: np.ndarray, count: int) -> np.ndarray:
    """The transposed incidence of the pairs: what each frame gets from the pairs that it ends, less those it begins."""
    return np.bincount(second, values, count) - np.bincount(first, values, count)


def _newton_step(root, diagonal, residual, first, second) -> np.ndarray:
    """Solves (B root root' B' + diag(diagonal)) x = residual, B being the pairs' incidence, by Woodbury's identity."""
    count = len(root)
    weights = np.zeros((count, count))
    weights[first, second] = weights[second, first] = 1 / diagonal
    laplacian = np.diag(weights.sum(0)) - weights
    inner = root.T @ _per_frame(residual / diagonal, first, second, count)
    scores = root @ np.linalg.solve(np.eye(count) + root.T @ laplacian @ root, inner)
    return (residual - scores[second] + scores[first]) / diagonal


def _longest(values: np.ndarray, step: np.ndarray) -> float:
    """How far a step may go before a value reaches zero."""
    falling = step < 0
    return float(np.min(-values[falling] / step[falling], initial=np.inf))
