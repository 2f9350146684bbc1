"""Networks whose parameters NumPy draws: to compile `init` takes as long as to compile a training step."""

import jax
import jax.numpy as jnp
import numpy as np

from dynjax.models.build import Network


def draw(network: Network, seed: int = 0):
    """Returns (params, batch_stats): kernels as wide as `init` makes them, biases not 0, scales 1, statistics new."""
    rng, key = np.random.default_rng(seed), jax.random.key(0)
    params, _ = jax.eval_shape(network.init, key)

    def value(path, leaf):
        name = path[-1].key
        if name == "scale":
            return jnp.ones(leaf.shape, leaf.dtype)
        width = np.sqrt(2 * leaf.shape[-1] / leaf.size) if name == "kernel" else 0.1
        return jnp.asarray(width * rng.standard_normal(leaf.shape, np.float32), leaf.dtype)

    return jax.tree_util.tree_map_with_path(value, params), jax.jit(lambda key: network.init(key)[1])(key)
