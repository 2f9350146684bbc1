"""What a CPU runs in another form, against XLA's own in float64: outputs and gradients; and who takes which."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dynjax.models.build import build_trunk
from dynjax.models.operations.convolution import convolution
from dynjax.models.operations.max_pool import max_pool

enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64  # the latter before jax 0.8
NUMBERS = {4: ("NHWC", "HWIO", "NHWC"), 5: ("NDHWC", "DHWIO", "NDHWC")}


def largest_error(ours, plain, x, kernel):
    """Of the outputs and both gradients of ours in float32 from plain's in float64, relative to the largest value."""

    def all_of(function, x, kernel):
        y = function(x, kernel)
        weight = jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)
        return y, *jax.grad(lambda *a: (function(*a) * weight).sum(), (0, 1))(x, kernel)

    with enable_x64(True):
        expected = jax.jit(functools.partial(all_of, plain))(jnp.asarray(x), jnp.asarray(kernel))
    found = jax.jit(functools.partial(all_of, ours))(*(jnp.asarray(a, jnp.float32) for a in (x, kernel)))
    return max(np.abs(f - np.asarray(e)).max() / np.abs(e).max() for f, e in zip(found, expected))


# (extent, channels in, channels out, size, stride, padding, groups)
CONVOLUTIONS = [
    ((9, 12), 3, 8, 3, 1, 1, 1),
    ((9, 12), 3, 8, 3, 2, 1, 1),
    ((10, 10), 4, 6, 3, 1, 0, 1),
    ((9, 8), 4, 6, 5, 1, 2, 1),
    ((21, 22), 3, 6, 7, 2, 3, 1),
    ((34, 31), 3, 6, 11, 4, 2, 1),
    ((9, 8), 5, 6, 1, 1, 0, 1),
    ((9, 8), 5, 6, 1, 2, 0, 1),
    ((70, 65), 3, 4, 3, 1, 1, 1),
    ((8, 8), 5, 5, 3, 1, 1, 5),
    ((7, 10), 5, 5, 3, 1, 1, 5),
    ((8, 8), 5, 5, 3, 2, 1, 5),
    ((7, 10), 5, 5, 3, 2, 1, 5),
    ((7, 6, 8), 3, 4, 3, 1, 0, 1),
    ((7, 6, 8), 3, 4, 3, 1, 1, 1),
    ((6, 6, 6), 1, 2, 3, 1, 1, 1),
    ((7, 6, 8), 3, 4, 3, 2, 1, 1),
    ((3, 4, 5), 2, 2, 3, 1, 0, 1),
]


@pytest.mark.parametrize(("extent", "wide_in", "wide", "size", "stride", "padding", "groups"), CONVOLUTIONS)
def test_convolutions_equal_the_plain_ones(extent, wide_in, wide, size, stride, padding, groups):
    assert error_of_convolution(extent, wide_in, wide, size, stride, padding, groups) < 1e-5


@pytest.mark.parametrize("extent", [(24, 24), (23, 27), (22, 41), (7, 8), (6, 9, 10)])
def test_winograd_equals_the_plain_convolution(extent):
    assert error_of_convolution(extent, 64, 80, 3, 1, 1, 1) < 1e-4


@pytest.mark.slow
def test_bfloat16_is_float32_rounded():
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.normal(size=s), jnp.bfloat16) for s in ((2, 9, 8, 64), (3, 3, 64, 64)))
    arguments = (1, 1), ((1, 1), (1, 1))
    options = {"dimension_numbers": NUMBERS[4], "feature_group_count": 1}
    ours = convolution(x, kernel, *arguments, **options)
    exact = jax.lax.conv_general_dilated(*(a.astype(jnp.float32) for a in (x, kernel)), *arguments, **options)
    assert ours.dtype == jnp.bfloat16
    np.testing.assert_allclose(ours.astype(jnp.float32), exact, rtol=2**-8, atol=1e-3)


@pytest.mark.parametrize("extent", [(12, 12), (7, 10), (11, 9)])
def test_winograd_with_larger_kernels_equals_the_plain_convolution(extent):
    assert error_of_convolution(extent, 64, 80, 5, 1, 2, 1) < 1e-4


def error_of_convolution(extent, wide_in, wide, size, stride, padding, groups):
    rng, spatial = np.random.default_rng(0), len(extent)
    x = rng.normal(size=(2, *extent, wide_in))
    kernel = rng.normal(size=(*(size,) * spatial, wide_in // groups, wide))
    options = {
        "lhs_dilation": (1,) * spatial,
        "rhs_dilation": (1,) * spatial,
        "dimension_numbers": NUMBERS[x.ndim],
        "feature_group_count": groups,
        "precision": None,
    }
    arguments = (stride,) * spatial, ((padding, padding),) * spatial

    def plain(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, *arguments, **options)

    return largest_error(lambda x, k: convolution(x, k, *arguments, **options), plain, x, kernel)


@pytest.mark.parametrize(
    ("extent", "size", "stride"), [((7, 8), 2, 2), ((9, 7), 3, 2), ((5, 6, 7), 2, 2), ((18, 17), 17, 17)]
)
def test_max_pooling_equals_the_plain_one(extent, size, stride):
    x = np.random.default_rng(0).normal(size=(2, *extent, 3))
    dims = len(extent)

    def plain(x, scale):
        return scale * nnx.max_pool(x, (size,) * dims, strides=(stride,) * dims)

    assert largest_error(lambda x, scale: scale * max_pool(x, size, stride), plain, x, np.array(2.0)) < 1e-6


def test_of_equal_values_the_first_takes_the_gradient_of_a_pool():
    x = jnp.asarray(np.random.default_rng(0).integers(0, 3, (2, 9, 9, 3)), jnp.float32)
    ours, plain = (
        jax.grad(lambda x, pool=pool: (pool(x) ** 2).sum())(x)
        for pool in (lambda x: max_pool(x, 3, 2), lambda x: nnx.max_pool(x, (3, 3), strides=(2, 2)))
    )
    np.testing.assert_array_equal(ours, plain)


def test_the_cpu_takes_the_shifted_form_and_others_the_grouped_one():
    trunk = build_trunk("mobilenet_v2")
    arguments = (*jax.eval_shape(trunk.init, jax.random.key(0)), jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32))
    traced = jax.jit(lambda *a: trunk.apply(*a, train=False)[0]).trace(*arguments)
    depthwise = "feature_group_count = 32"
    assert depthwise not in traced.lower(lowering_platforms=("cpu",)).as_text()
    assert depthwise in traced.lower(lowering_platforms=("cuda",)).as_text()
