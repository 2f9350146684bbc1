"""Explains an answer by the cells of a network's maps: class activation maps, Grad-CAM, the attention's mask."""

import numpy as np

from dynjax.explanation.network import Explained
from dynjax.models.build import build_mask


def cam(network: Explained, inputs: np.ndarray) -> tuple[np.ndarray, float]:
    """Divides a scan's logit among the cells of its maps (Zhou et al. 2016), where the logit is linear in the maps.

    Returns: cells, float64 [V, h, w], and the intercept; together they are the logit.
    """
    maps = network.maps(inputs[None])
    _, slopes = network.slopes(maps)
    intercept, _ = network.slopes(np.zeros_like(maps))
    return (maps.astype(np.float64) * slopes).sum(-1), float(intercept[0])


def cam_of_cut_network(
    network: Explained, inputs: np.ndarray, weights: np.ndarray, intercept: float
) -> tuple[np.ndarray, float]:
    """Divides the logit of a 3D network that is cut at `early_maps` among its cells: 3D-CAM of Yang et al. 2018.

    Args: weights [C] and intercept, of a linear answer to the mean of each map.
    Returns: cells, float64 [1, x, y, z], and the intercept; together they are the logit of the cut network.
    """
    maps = network.early_maps(inputs[None]).astype(np.float64)
    return (maps @ weights) / np.prod(maps.shape[1:4]), intercept


def grad_cam(network: Explained, inputs: np.ndarray) -> np.ndarray:
    """Sums each scan's maps, each times its mean derivative (Selvaraju et al. 2017): cells, float64 [V, h, w].

    Of a 3D network it is 3D-Grad-CAM of Yang et al. 2018, [1, x, y, z]. As theirs it has both signs, without a ReLU;
    unlike theirs the network is in evaluation: without dropout, with the running batch statistics.
    """
    maps = network.maps(inputs[None])
    _, slopes = network.slopes(maps)
    weights = slopes.mean(tuple(range(1, maps.ndim - 1)), keepdims=True, dtype=np.float64)
    return (maps * weights).sum(-1)


def attention_mask(network: Explained, inputs: np.ndarray, attention: str) -> np.ndarray:
    """Returns the masks by which the attention multiplies a scan's maps, float64 [V, h, w].

    Args: attention, a key of `SOFTMAX_AXES`.
    """
    maps = network.maps(inputs[None])
    apply = build_mask(maps.shape[-1], attention).apply
    params = network.numbers.params
    if "attention" in params:
        found = apply({"attention": params["attention"]}, {}, maps, train=False)[0]
    else:  # of a joint network, whose two views have one each
        each = params["attentions"].values()
        found = np.concatenate(
            [apply({"attention": own}, {}, maps[view : view + 1], train=False)[0] for view, own in enumerate(each)]
        )
    return np.asarray(found[..., 0], np.float64)
