"""The forms for a GPU, calculated here: against XLA's own in float64, and what is left of them for CUDA to run."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from dynjax.models.build import build_classifier
from dynjax.models.classifier import Options
from dynjax.models.operations.batch_norm import normalise
from dynjax.models.operations.per_channel import add_bias
from tests.drawn import draw
from tests.models.test_operations import error_of_convolution, largest_error

SMALLEST = {"vgg3d": 100, "resnet3d": 49, "vgg11": 64, "mobilenet_v2": 64}


def choose(monkeypatch, platform):
    """'cuda' or 'default', whatever the platform is."""
    monkeypatch.setattr(
        lax, "platform_dependent", lambda *operands, **forms: forms.get(platform, forms["default"])(*operands)
    )


@pytest.fixture
def on_gpu(monkeypatch):
    choose(monkeypatch, "cuda")


# (extent, channels in, channels out, stride, padding)
CONVOLUTIONS = [
    ((7, 6, 8), 3, 4, 1, 0),
    ((7, 6, 8), 3, 4, 1, 1),
    ((6, 6, 6), 1, 2, 1, 1),
    ((7, 6, 8), 3, 4, 2, 1),
    ((3, 4, 5), 2, 2, 1, 0),
    ((5, 4, 9), 8, 24, 1, 1),
    ((5, 4, 3), 2, 64, 1, 1),
]


@pytest.mark.parametrize(("extent", "wide_in", "wide", "stride", "padding"), CONVOLUTIONS)
def test_convolutions_of_volumes_equal_the_plain_ones(on_gpu, extent, wide_in, wide, stride, padding):
    assert error_of_convolution(extent, wide_in, wide, 3, stride, padding, 1) < 1e-5


@pytest.mark.parametrize("shape", [(4, 5, 6, 3), (2, 3, 4, 5, 6)])
def test_batch_normalisation_equals_the_plain_one(shape, monkeypatch):
    rng = np.random.default_rng(0)
    x, (scale, bias), weight = rng.normal(3, 2, shape), rng.normal(size=(2, shape[-1])), rng.normal(size=shape)

    def all_of(x, scale, bias):
        def normalised(*arrays):
            return normalise(*arrays, 1e-5)[0]

        gradients = jax.grad(lambda *arrays: (normalised(*arrays) * weight).sum(), (0, 1, 2))(x, scale, bias)
        return normalise(x, scale, bias, 1e-5), gradients

    plain = all_of(*(jnp.asarray(array, jnp.float32) for array in (x, scale, bias)))
    choose(monkeypatch, "cuda")
    ours = all_of(*(jnp.asarray(array, jnp.float32) for array in (x, scale, bias)))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4), ours, plain)
    np.testing.assert_allclose(ours[0][1], x.mean(tuple(range(len(shape) - 1))), rtol=1e-5)


def test_a_bias_equals_the_plain_one(on_gpu):
    x, bias = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6)), np.arange(6.0)
    assert largest_error(add_bias, lambda x, bias: x + bias.reshape(1, 1, 1, 1, 6), x, bias) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_a_networks_gradients_are_the_plain_ones(name, monkeypatch):
    network, inputs, _ = small(name, "float32")
    params, batch_stats = draw(network)
    inputs = jax.random.normal(jax.random.key(1), inputs.shape)

    def loss_and_more(params):
        logits, after = network.apply(params, batch_stats, inputs, train=True, key=jax.random.key(2))
        return (logits * jnp.array([[1.0, -0.5]])).sum(), after

    def all_of(platform):
        choose(monkeypatch, platform)
        found = jax.jit(jax.value_and_grad(loss_and_more, has_aux=True))(params)
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(found)])

    ours, plain = all_of("cuda"), all_of("default")
    assert np.linalg.norm(ours - plain) < 3e-3 * np.linalg.norm(plain)


@pytest.mark.parametrize("name", [*(pytest.param(n, marks=pytest.mark.slow) for n in ("vgg3d", "resnet3d")), "vgg11"])
def test_cuda_gets_neither_grouped_nor_3d_convolutions_nor_xlas_pools(name):
    """Lowers the networks with volumes or max-pools for CUDA; depthwise convolutions are grouped by nature."""
    network, inputs, variables = small(name, "bfloat16")

    def loss(params, batch_stats, inputs):
        return network.apply(params, batch_stats, inputs, train=True, key=jax.random.key(2))[0].sum()

    text = jax.jit(jax.grad(loss)).trace(*variables, inputs).lower(lowering_platforms=("cuda",)).as_text()
    convolutions = re.findall(r"stablehlo\.convolution.*", text)
    assert convolutions
    groups = {int(number) for line in convolutions for number in re.findall(r"_group_count = (\d+)", line)}
    assert groups == {1}
    assert not any(re.search(r"\[b, 0, 1, 2, f\]", line) for line in convolutions)
    assert "select_and_scatter" not in text or name == "resnet3d"  # its last pool, of 7 x 7 x 7


def small(name, dtype):
    """A network, a batch of two and the shapes of its variables."""
    volumetric = name.endswith("3d")
    size = (SMALLEST[name],) * (3 if volumetric else 2)
    network = build_classifier(name, size, Options(dtype=dtype))
    inputs = jax.ShapeDtypeStruct((2, *size, 1 if volumetric else 3), jnp.dtype(dtype))
    return network, inputs, jax.eval_shape(network.init, jax.random.key(0))
