"""A step of training against arithmetic done by hand, and an epoch against its steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynjax.models.build import Network, build_classifier
from dynjax.models.classifier import Options
from dynjax.training.examples import epoch_order
from dynjax.training.plan import make_mesh, make_plan
from dynjax.training.step import create_state, make_optimizer, make_train_step
from tests.drawn import draw


def linear_network():
    """logits = x w, x being an image's mean; batch_stats count the passes in training mode."""

    def apply(params, batch_stats, images, *, train, key=None):
        noise = jax.random.uniform(key, (len(images), 1)) if train else 0.0
        x = images.mean((1, 2)) + noise
        return x @ params["w"], {"passes": batch_stats["passes"] + train}

    def init(key):
        return {"w": jax.random.normal(key, (1, 2))}, {"passes": jnp.float32(0)}

    return Network(init, apply, features=lambda *_: None, shapes=lambda: jax.eval_shape(init, jax.random.key(0)))


RATE = np.float32(0.1)


def make(weight_decay=0.0):
    network, optimizer = linear_network(), make_optimizer(weight_decay)
    state = create_state(*network.init(jax.random.key(0)), optimizer)
    return make_train_step(network, optimizer), state


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_one_step_is_adam_on_cross_entropy(decay):
    train_step, state = make(decay)
    images, labels, key = jnp.arange(12.0).reshape(3, 2, 2, 1) / 12, jnp.array([0, 1, 1]), jax.random.key(7)
    after, metrics = jax.jit(train_step)(state, images, labels, key, RATE)

    x = np.asarray(images.mean((1, 2)) + jax.random.uniform(jax.random.fold_in(key, 0), (3, 1)), np.float64)
    w = np.asarray(state.params["w"], np.float64)
    logits = x @ w
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    loss = -np.log(probabilities[np.arange(3), labels]).mean()
    gradient = x.T @ (probabilities - np.eye(2)[np.asarray(labels)]) / 3 + decay * w
    assert float(metrics.loss) == pytest.approx(loss, rel=1e-5)
    assert float(metrics.accuracy) == pytest.approx((logits.argmax(1) == np.asarray(labels)).mean())
    # Adam's first step: m / (1 - 0.9) = g, v / (1 - 0.999) = g^2
    np.testing.assert_allclose(after.params["w"], w - 0.1 * gradient / (np.abs(gradient) + 1e-8), rtol=1e-4)
    assert int(after.step) == 1 and float(after.batch_stats["passes"]) == 1


def test_randomness_is_a_function_of_key_and_step():
    train_step, state = make()
    images, labels, key = jnp.ones((4, 2, 2, 1)), jnp.array([0, 1, 0, 1]), jax.random.key(1)
    step = jax.jit(train_step)
    losses = [float(step(state._replace(step=jnp.int32(n)), images, labels, key, RATE)[1].loss) for n in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_order_of_an_epoch():
    order = epoch_order(seed=1, fold=2, epoch=3, examples=10, batch_size=4)
    assert order.shape == (3, 4) and order.dtype == np.int32
    flat = order.ravel()
    assert sorted(flat[:10]) == list(range(10)) and (flat[10:] == flat[:2]).all()
    assert (order == epoch_order(1, 2, 3, 10, 4)).all()
    others = [epoch_order(*args, 10, 4) for args in ((2, 2, 3), (1, 3, 3), (1, 2, 4))]
    assert all((order != other).any() for other in others)
    tiny = epoch_order(0, 0, 0, examples=3, batch_size=8)
    assert tiny.shape == (1, 8) and (tiny[0, :6] == np.tile(tiny[0, :3], 2)).all()


@pytest.mark.slow
def test_an_epoch_gives_the_numbers_of_its_steps():
    """On a real network, with BatchNorm and dropout, at a size that compiles quickly."""
    network, optimizer = build_classifier("alexnet", (34, 34), Options(head="released")), make_optimizer()
    train_step = make_train_step(network, optimizer)
    rng = np.random.default_rng(0)
    images, labels = jnp.asarray(rng.normal(size=(5, 34, 34, 1)), jnp.float32), jnp.array([0, 1, 0, 1, 1])
    order, key, rate = epoch_order(0, 0, 0, 5, 2), jax.random.key(1), np.float32(1e-4)
    by_steps = create_state(*draw(network), optimizer)
    plan = make_plan(train_step, make_mesh(1, 2))
    placed = plan.place([np.asarray(array) for array in (images, labels, order, jax.random.key_data(key))])
    by_scan, metrics = plan.run_epoch(plan.snapshot(by_steps), *placed, rate)
    losses, step = [], jax.jit(train_step)
    for batch in order:
        by_steps, of_step = step(by_steps, images[batch], labels[batch], key, rate)
        losses.append(of_step.loss)
    np.testing.assert_allclose(metrics.loss, losses, rtol=1e-5)
    assert int(by_steps.step) == int(by_scan.step) == 3
    # Adam divides by the gradient's size, so a step moves every weight by up to the learning rate, rounding or not.
    ours, theirs = (np.concatenate([p.ravel() for p in jax.tree.leaves(s.params)]) for s in (by_steps, by_scan))
    assert np.abs(ours - theirs).mean() < 0.01 * 1e-4
