"""Networks: sizes, shapes, initial values, and the depthwise convolution against XLA's own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dynjax.models.attention import MapAttention
from dynjax.models.build import DTYPES, build_classifier, build_trunk, named_leaves
from dynjax.models.classifier import Options
from dynjax.models.head import Head
from dynjax.models.layers import BatchNorm
from dynjax.models.learned import LearnedPooling
from dynjax.models.trunks import TRUNKS
from dynjax.projection.dynamic import dynamic_image
from dynjax.projection.scale import scale_images
from tests.drawn import draw

# (trunk, attention, head, batch statistics) at 110 x 110
PARAMETERS = {
    "alexnet": (2_469_696, 279_425, 3_310_274, 0),
    "vgg11": (9_220_480, 410_497, 9_470_658, 0),
    "resnet18": (11_176_512, 410_497, 12_878_530, 9_600),
    "mobilenet_v1": (3_206_976, 672_641, 8_422_082, 21_888),
    "mobilenet_v2": (2_223_872, 803_713, 10_519_234, 34_112),
    "shufflenet_v2_x1_0": (1_253_604, 672_641, 25_723_586, 16_180),
}
MAPS = {
    "alexnet": (5, 5, 256),
    "vgg11": (6, 6, 512),
    "resnet18": (7, 7, 512),
    "mobilenet_v1": (4, 4, 1024),
    "mobilenet_v2": (4, 4, 1280),
    "shufflenet_v2_x1_0": (7, 7, 1024),
}


def sizes(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def test_a_network_can_be_a_key_and_knows_its_shapes():
    network = build_trunk("alexnet")
    assert {network: 1}[network] == 1, "as a static argument of jax.jit is"
    assert jax.tree.all(
        jax.tree.map(lambda a, b: a == b, network.shapes(), jax.eval_shape(network.init, jax.random.key(0)))
    )


def test_no_network_is_left_out():
    assert set(PARAMETERS) == set(MAPS) == set(TRUNKS)


@pytest.mark.parametrize("name", TRUNKS)
def test_parameter_counts_and_maps(name):
    params, batch_stats = jax.eval_shape(build_classifier(name, (110, 110)).init, jax.random.key(0))
    counts = (*(sizes(params[part]) for part in ("trunk", "attention", "head")), sizes(batch_stats))
    assert counts == PARAMETERS[name]
    assert map_of(name, 110, 110) == MAPS[name]


@pytest.mark.parametrize("name", TRUNKS)
@pytest.mark.parametrize("size", [(97, 64), (33, 32), (224, 111)])
def test_any_image_size(name, size):
    trunk = TRUNKS[name]
    assert map_of(name, *size) == (*map(trunk.map_size, size), trunk.features)


def map_of(name, height, width):
    """The shape of the trunk's features for an image of that size."""
    trunk, images = build_trunk(name), jax.ShapeDtypeStruct((1, height, width, 3), jnp.float32)
    state = jax.eval_shape(trunk.init, jax.random.key(0))
    return jax.eval_shape(lambda *a: trunk.apply(*a, train=False)[0], *state, images).shape[1:]


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("scale", ["imagenet", "unit", "byte"])
def test_the_learned_projection_begins_as_the_simple_dynamic_image(axis, scale):
    volumes = np.random.default_rng(0).uniform(size=(2, 6, 7, 8)).astype(np.float32)
    pooling = LearnedPooling((6, 7, 8), axis, scale)
    length = pooling.length
    np.testing.assert_allclose(pooling.weights, 2 * np.arange(1, length + 1) - length - 1, rtol=1e-6, atol=1e-6)
    expected = scale_images(np.asarray(dynamic_image(volumes, axis)), scale)
    tolerance = 1.01 if scale == "byte" else 1e-4  # which is truncated to whole numbers there
    np.testing.assert_allclose(pooling(jnp.asarray(volumes[..., None])), expected, atol=tolerance)


@pytest.mark.slow
def test_gradients_reach_the_learned_weights():
    network = build_classifier("alexnet", (34, 35, 12), Options(learned_axis="axial", attention="none"))
    params, _ = draw(network)
    volumes = jax.random.uniform(jax.random.key(1), (2, 34, 35, 12, 1))

    @jax.jit
    @jax.grad
    def gradient(params):
        logits, _ = network.apply(params, {}, volumes, train=False)
        return (logits[:, 1] - logits[:, 0]).sum()

    share = gradient(params)["pooling"]["share"]
    assert share.shape == (12,) and (share != 0).all() and np.isfinite(share).all()


@pytest.mark.slow  # compiles the drawing of random numbers for each shape
@pytest.mark.parametrize("name", TRUNKS)
def test_initial_values_are_torchs(name):
    """Trunks as torchvision or timm draws them (normal, by the fan-out), everything else as torch does (uniform)."""
    drawing = jax.jit(build_classifier(name, (64, 64)).init).lower(jax.random.key(0))
    params, batch_stats = drawing.compile({"xla_backend_optimization_level": 0})(jax.random.key(0))
    uniform = name in ("alexnet", "shufflenet_v2_x1_0")
    for path, leaf in named_leaves(params["trunk"]).items():
        if path.endswith("kernel"):
            height, width, fan_in, fan_out = leaf.shape
            fan_out = 1 if name == "mobilenet_v1" and "depthwise" in path else fan_out
            expected = np.sqrt(1 / (3 * fan_in) if uniform else 2 / fan_out) / np.sqrt(height * width)
            assert leaf.std() == pytest.approx(expected, rel=6 / np.sqrt(leaf.size)), path
        elif name == "alexnet":
            assert 0 < np.abs(leaf).max() < 0.06, path
        else:
            assert (leaf == float(path.endswith("scale"))).all(), path
    for part in ("attention", "head"):
        leaves = named_leaves(params[part])
        for path, leaf in leaves.items():
            kernel = leaves[path.replace("bias", "kernel")]
            bound = np.float32(1 / np.sqrt(kernel.size / kernel.shape[-1]))
            assert np.abs(leaf).max() <= bound and (leaf.size < 50 or np.abs(leaf).max() > 0.8 * bound), path
    assert {float(leaf.mean()) for leaf in jax.tree.leaves(batch_stats)} <= {0.0, 1.0}


def test_dropout_follows_its_key_and_only_in_training():
    network = build_classifier("alexnet", (34, 34))
    state = draw(network)
    images = jax.random.normal(jax.random.key(1), (2, 34, 34, 1))

    @functools.partial(jax.jit, static_argnames="train")
    def apply(state, images, **options):
        return network.apply(*state, images, **options)[0]

    def trained(seed):
        return apply(state, images, train=True, key=jax.random.key(seed))

    answer = apply(state, images, train=False)
    assert answer.shape == (2, 2)
    assert (trained(2) == trained(2)).all() and (trained(2) != trained(3)).any()
    np.testing.assert_allclose(apply(state, jnp.repeat(images, 3, -1), train=False), answer, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_bfloat16_is_for_products_alone():
    """Parameters, their gradients, batch statistics and logits are float32, and the numbers nearly the same."""
    size, images = (64, 64), jax.random.normal(jax.random.key(1), (4, 64, 64, 1))
    plain, mixed = (build_classifier("alexnet", size, Options(0.0, "none", dtype=d)) for d in DTYPES)
    params, batch_stats = draw(plain)

    def loss(params, network):
        logits, _ = network.apply(params, batch_stats, images, train=True, key=jax.random.key(2))
        return jnp.square(logits - 1).mean(), logits

    run = jax.jit(jax.grad(loss, has_aux=True), static_argnums=1)
    (exact, expected), (gradients, logits) = run(params, plain), run(params, mixed)
    assert {leaf.dtype for leaf in jax.tree.leaves((gradients, logits))} == {jnp.dtype("float32")}
    assert 0 < np.abs(logits - expected).max() < 0.05 * np.abs(expected).max()
    norms = [[np.linalg.norm(leaf) for leaf in jax.tree.leaves(tree)] for tree in (gradients, exact)]
    np.testing.assert_allclose(*norms, rtol=0.1, atol=1e-4)
    text = run.trace(params, mixed).lower(lowering_platforms=("cuda",)).as_text()
    convolutions = [line for line in text.splitlines() if "stablehlo.convolution" in line]
    assert convolutions and all("xbf16>" in line for line in convolutions)
    norm = BatchNorm(3)
    assert norm(jnp.ones((4, 3), jnp.bfloat16), train=True).dtype == jnp.bfloat16
    assert norm.mean[...].dtype == norm.var[...].dtype == jnp.float32


def test_attention_mask_sums_to_one_over_the_map_or_over_its_rows():
    x = jnp.ones((2, 3, 5, 8))
    masked = MapAttention(8, rngs=nnx.Rngs(0))(x)
    np.testing.assert_allclose(masked.sum((1, 2)), np.ones((2, 8)), rtol=1e-5)
    masked = MapAttention(8, "rows", rngs=nnx.Rngs(0))(x)
    np.testing.assert_allclose(masked.sum(1), np.ones((2, 5, 8)), rtol=1e-5)


@pytest.mark.parametrize(("name", "size"), [("vgg11", 19_140_866), ("alexnet", 3_344_514), ("resnet18", 25_956_610)])
def test_the_released_head(name, size):
    options = Options(attention="none", head="released")
    params, batch_stats = jax.eval_shape(build_classifier(name, (110, 110), options).init, jax.random.key(0))
    assert set(params) == {"trunk", "head"} and sizes(params["head"]) == size
    assert sizes(batch_stats["head"]) == 2 * (2 * MAPS[name][2] + MAPS[name][2] // 2)


def test_the_released_head_normalises_before_its_relu():
    head = Head(12, 8, "released", dropout=0.0, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (16, 2, 2, 3))
    head(x, train=True, key=jax.random.key(1))
    layer = np.asarray(head.layers[0](x.reshape(16, -1)))
    np.testing.assert_allclose(head.norms[0].mean[...], 0.1 * layer.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(head.norms[0].var[...], 0.9 + 0.1 * layer.var(0, ddof=1), rtol=1e-4)


def test_the_released_cut_of_alexnet_drops_its_last_convolution():
    params, _ = jax.eval_shape(build_trunk("alexnet", "released").init, jax.random.key(0))
    assert sizes(params) == 1_879_616


def test_batch_norm_moves_towards_the_unbiased_variance():
    norm = BatchNorm(3)
    x = np.random.default_rng(0).normal(5, 2, (2, 3, 4, 3)).astype(np.float32)
    y = norm(jnp.asarray(x), train=True)
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, atol=1e-4)
    np.testing.assert_allclose(norm.mean[...], 0.1 * x.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(norm.var[...], 0.9 + 0.1 * x.var((0, 1, 2), ddof=1), rtol=1e-5)
    before = norm.var[...]
    norm(jnp.asarray(x), train=False)
    assert (norm.var[...] == before).all()
