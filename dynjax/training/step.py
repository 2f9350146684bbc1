"""Defines the state of training and one step, as pure functions over a small tuple of arrays."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from dynjax.models.build import Network, Tree


class TrainState(NamedTuple):
    """Everything that a training step changes."""

    step: jax.Array  # int32, the number of steps taken
    params: Tree
    batch_stats: Tree
    opt_state: optax.OptState


class Metrics(NamedTuple):
    """The mean cross-entropy and the accuracy of the batch, for one step or stacked over many."""

    loss: jax.Array
    accuracy: jax.Array


def make_optimizer(weight_decay: float = 0.0) -> optax.GradientTransformation:
    """Returns Adam as in the paper and torch, with betas 0.9 and 0.999 and epsilon 1e-8, without a learning rate.

    `weight_decay` times the parameters is added to their gradients before Adam sees them (L2, not AdamW).
    """
    adam = optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8)
    return optax.chain(optax.add_decayed_weights(weight_decay), adam) if weight_decay else adam


def create_state(params: Tree, batch_stats: Tree, optimizer: optax.GradientTransformation) -> TrainState:
    """Returns the state before the first step."""
    return TrainState(jnp.int32(0), params, batch_stats, optimizer.init(params))


def make_train_step(network: Network, optimizer: optax.GradientTransformation):
    """Returns train_step(state, images [B, H, W, C], labels [B], key, learning_rate) -> (state, metrics), not jitted.

    The network's logits are [B, 2], or [B, P, 2] if each of P parts gives its own; the loss is the mean over all. The
    randomness of a step depends only on the key and on the number of the step.
    """

    def train_step(state: TrainState, images: jax.Array, labels: jax.Array, key: jax.Array, learning_rate: jax.Array):
        def loss_of(params):
            dropout_key = jax.random.fold_in(key, state.step)
            logits, batch_stats = network.apply(params, state.batch_stats, images, train=True, key=dropout_key)
            trailing = (1,) * (logits.ndim - 2)
            targets = jnp.broadcast_to(labels.reshape(-1, *trailing), logits.shape[:-1])  # [B] or [B, P]
            loss = optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()
            return loss, (jnp.mean(logits.argmax(-1) == targets), batch_stats)

        (loss, (accuracy, batch_stats)), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = jax.tree.map(lambda param, update: param - learning_rate * update, state.params, updates)
        metrics = Metrics(loss, accuracy)
        return TrainState(state.step + 1, params, batch_stats, opt_state), metrics

    return train_step
