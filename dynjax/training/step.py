"""The state of training and one step of it: pure functions over a small tuple of arrays."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from dynjax.models.build import Network, Tree


class TrainState(NamedTuple):
    step: jax.Array  # int32, how many steps were taken
    params: Tree
    batch_stats: Tree
    opt_state: optax.OptState


class Metrics(NamedTuple):
    """Of one step, or stacked over many: mean cross-entropy and the share of the batch that was classified right."""

    loss: jax.Array
    accuracy: jax.Array


def make_optimizer(weight_decay: float = 0.0) -> optax.GradientTransformation:
    """Adam as the paper and torch have it: betas 0.9 and 0.999, epsilon 1e-8; its learning rate is given at each step.

    `weight_decay` times the parameters is added to their gradients before Adam sees them (L2, not AdamW).
    """
    adam = optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8)
    return optax.chain(optax.add_decayed_weights(weight_decay), adam) if weight_decay else adam


def create_state(params: Tree, batch_stats: Tree, optimizer: optax.GradientTransformation) -> TrainState:
    return TrainState(jnp.int32(0), params, batch_stats, optimizer.init(params))


def make_train_step(network: Network, optimizer: optax.GradientTransformation):
    """Returns train_step(state, images [B, H, W, C], labels [B], key, learning_rate) -> (state, metrics), not jitted.

    The network's logits are [B, 2], or [B, P, 2] where P parts of it answer by themselves.

    The randomness of a step is that of its key and of the number of the step, nothing else.
    """

    def train_step(state: TrainState, images: jax.Array, labels: jax.Array, key: jax.Array, learning_rate: jax.Array):
        def loss_of(params):
            dropout_key = jax.random.fold_in(key, state.step)
            logits, batch_stats = network.apply(params, state.batch_stats, images, train=True, key=dropout_key)
            answers = jnp.broadcast_to(labels.reshape(-1, *(1,) * (logits.ndim - 2)), logits.shape[:-1])
            loss = optax.softmax_cross_entropy_with_integer_labels(logits, answers).mean()
            return loss, (jnp.mean(logits.argmax(-1) == answers), batch_stats)

        (loss, (accuracy, batch_stats)), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = jax.tree.map(lambda param, update: param - learning_rate * update, state.params, updates)
        metrics = Metrics(loss, accuracy)
        return TrainState(state.step + 1, params, batch_stats, opt_state), metrics

    return train_step
