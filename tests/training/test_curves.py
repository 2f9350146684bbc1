"""What a CPU runs in another form trains as the plain form does."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynjax.models.build import build_classifier
from dynjax.models.classifier import Options
from dynjax.training.examples import epoch_order
from dynjax.training.step import create_state, make_optimizer, make_train_step

EPOCHS, SIZE, EXAMPLES, BATCH = 8, 64, 16, 8


def examples():
    """Noise, and a bright corner whose place says the label in three of four."""
    rng = np.random.default_rng(0)
    labels, images = np.arange(EXAMPLES) % 2, rng.normal(size=(EXAMPLES, SIZE, SIZE, 1))
    for image, label in zip(images, labels ^ (rng.random(EXAMPLES) < 0.25)):
        image[label * 40 : label * 40 + 16, :16] += 0.5
    return jnp.asarray(images, jnp.float32), jnp.asarray(labels)


def from_last_channel_to_first(x, kernel, *args, **options):
    return jax.lax.conv_general_dilated(x[..., ::-1], kernel[..., ::-1, :], *args, **options)


def curves(network, start, orders):
    """The mean loss of every epoch, [orders, epochs], without dropout: an order changes its rounding alone."""
    optimizer, (images, labels) = make_optimizer(), examples()
    step, found = jax.jit(make_train_step(network, optimizer)), []  # the plain form is far too slow inside a loop
    for order in orders:
        state = create_state(*start, optimizer)
        for epoch in range(EPOCHS):
            for batch in epoch_order(0, 0, epoch, EXAMPLES, BATCH)[:, list(order)]:
                state, metrics = step(state, images[batch], labels[batch], jax.random.key(1), np.float32(1e-4))
                found.append(float(metrics.loss))
    return np.reshape(found, (len(orders), EPOCHS, -1)).mean(2)


@pytest.mark.slow
def test_curves_differ_as_those_of_other_summation_orders_do(monkeypatch):
    """ResNet18, whose layers take nearly every form: Winograd, strides, products, max-pooling."""

    def build():
        return build_classifier.__wrapped__("resnet18", (SIZE, SIZE), Options(dropout=0.0))

    start = jax.jit(build().init)(jax.random.key(0))
    (ours,) = curves(build(), start, [range(BATCH)])
    plain = []
    for convolution in (jax.lax.conv_general_dilated, from_last_channel_to_first):
        monkeypatch.setattr("dynjax.models.layers.convolution", convolution)
        plain += [*curves(build(), start, [range(BATCH), range(BATCH)[::-1]])]
    among_plain = [np.abs(a - b).mean() for a, b in itertools.combinations(plain, 2)]
    from_plain = [np.abs(ours - curve).mean() for curve in plain]
    assert ours[-1] < 0.5 * ours[0], "it learns"
    assert 0 < np.mean(from_plain) < 1.5 * max(among_plain), (from_plain, among_plain)
