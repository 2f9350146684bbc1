"""The 3D networks: sizes, the smallest volumes, and how the patch ensemble is trained."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dynjax.models.build import VOLUMETRIC, build_classifier, named_leaves
from dynjax.models.classifier import Options
from dynjax.models.layers import BatchNorm, Conv3D
from dynjax.models.patches import PatchNetwork, patch_starts
from dynjax.training.step import create_state, make_optimizer, make_train_step
from tests.drawn import draw
from tests.models.test_models import sizes

VOLUMETRIC_PARAMETERS = {"vgg3d": (375_210, 256), "resnet3d": (3_205_026, 2_432)}


def test_no_network_is_left_out():
    assert {*VOLUMETRIC_PARAMETERS, "patches3d"} == set(VOLUMETRIC)


@pytest.mark.parametrize("name", VOLUMETRIC_PARAMETERS)
def test_3d_networks_are_those_of_korolev(name):
    params, batch_stats = jax.eval_shape(build_classifier(name, (110, 110, 110)).init, jax.random.key(0))
    assert (sizes(params), sizes(batch_stats)) == VOLUMETRIC_PARAMETERS[name]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("vgg3d", (100, 102, 101)), ("resnet3d", (50, 49, 56))])
def test_3d_networks_answer_on_the_smallest_volumes(name, size):
    network = build_classifier(name, size)
    params, batch_stats = draw(network)
    volumes = jax.random.uniform(jax.random.key(1), (1, *size, 1))
    logits, after = jax.jit(lambda *a: network.apply(*a, volumes, train=True, key=jax.random.key(2)))(
        params, batch_stats
    )
    assert logits.shape == (1, 2) and np.isfinite(logits).all()
    assert jax.tree.structure(after) == jax.tree.structure(batch_stats)
    with pytest.raises(ValueError, match="needs larger volumes"):
        build_classifier(name, (min(size) - 1,) * 3)


def test_a_convolution_of_volumes_promotes_as_flaxs_own_does():
    """The patch ensemble chooses its patches in float32, of volumes in bfloat16."""
    layer = Conv3D(1, 2, kernel_init=nnx.initializers.ones, rngs=nnx.Rngs(0))
    answer = layer(jnp.ones((1, 4, 4, 4, 1), jnp.bfloat16))
    assert answer.dtype == jnp.float32 and answer[0, 1, 1, 1].tolist() == [27, 27]


def test_the_patch_ensemble_is_chengs():
    """Its figure: 24x19x19, 11x8x8, 4x3x3, 2x1x1 of a 50x41x40 patch; 111,920 parameters in a patch's convolutions."""
    assert [patch_starts(size) for size in (100, 81, 80)] == [(50, (0, 25, 50)), (41, (0, 20, 40)), (40, (0, 20, 40))]
    assert [PatchNetwork.map_size(extent) for extent in (50, 41, 40)] == [2, 1, 1]
    params, _ = jax.eval_shape(build_classifier("patches3d", (100, 81, 80)).init, jax.random.key(0))
    assert sizes(params["networks"]["convs"]) == 27 * 111_920
    alone = 27 * (111_920 + 100 * 40 + 40 + 41 * 2)
    assert sizes(params) == alone + (27 * 40 + 1) * 300 + 301 * 2
    best = build_classifier("patches3d", (100, 81, 80), Options(n_patches=6))
    assert sizes(jax.eval_shape(best.init, jax.random.key(0))[0]) == alone + (6 * 40 + 1) * 300 + 301 * 2


@pytest.mark.slow
def test_patches_are_cut_where_they_belong():
    """Of networks that are silenced but for the last corner's, the answer hangs on that corner alone."""
    size = (76, 75, 77)
    network = build_classifier("patches3d", size)
    params, batch_stats = draw(network)
    silenced = jax.tree.map(lambda leaf: leaf.at[:26].set(0), params["networks"])
    answer = jax.jit(lambda v: network.apply(params | {"networks": silenced}, batch_stats, v, train=False)[0])
    volume = np.random.default_rng(0).uniform(size=(1, *size, 1)).astype(np.float32)
    x, y, z = (patch_starts(extent)[1][-1] for extent in size)
    inside, outside = volume.copy(), np.full_like(volume, 7.0)
    inside[:, x, y, z] += 50
    outside[:, x:, y:, z:] = volume[:, x:, y:, z:]
    assert (answer(inside) != answer(volume)).any()
    np.testing.assert_allclose(answer(outside), answer(volume), rtol=1e-5)


@pytest.mark.slow
def test_patches_are_trained_alone_and_then_the_best_of_them_together():
    size = (76, 76, 76)
    network, optimizer = build_classifier("patches3d", size, Options(n_patches=2)), make_optimizer()
    params, batch_stats = draw(network)
    good = np.isin(np.arange(27), (3, 20))
    params["networks"]["alone"]["bias"] = 9.0 * jnp.stack([~good, good], axis=1)
    volumes = np.random.default_rng(0).uniform(size=(2, *size, 1)).astype(np.float32)
    labels = jnp.array([1, 1])
    step = jax.jit(make_train_step(network, optimizer))

    def moved(state):
        """Which arrays a step changes, and of those that have a part for each patch, in which patches."""
        after, metrics = step(state, volumes, labels, jax.random.key(2), np.float32(1e-3))
        before, after = named_leaves(state.params), named_leaves(after.params)
        changed = {name: before[name] != after[name] for name in before}
        own = {name: set(np.flatnonzero(change.reshape(27, -1).any(1))) for name, change in changed.items()
               if name.startswith("networks")}  # fmt: skip
        return own, {name for name in set(changed) - set(own) if changed[name].any()}, float(metrics.accuracy)

    alone, others, accuracy = moved(create_state(params, batch_stats, optimizer))
    assert accuracy == pytest.approx(2 / 27) and not others
    assert all(patches == set(range(27)) for name, patches in alone.items() if name.endswith("kernel"))

    joined = network.join(params, batch_stats, volumes, labels)
    np.testing.assert_array_equal(joined["chosen"], [3, 20])
    together, others, _ = moved(create_state(params, joined, optimizer))
    assert others == {f"{layer}/{array}" for layer in ("joined", "last") for array in ("kernel", "bias")}
    trained = {"networks/convs/3/kernel", "networks/convs/3/bias", "networks/dense/kernel", "networks/dense/bias"}
    assert {name: patches for name, patches in together.items() if patches} == {name: {3, 20} for name in trained}


def test_3d_vgg_layer_by_layer():
    """Its maps at 110: 108, 106 | 53, 51, 49 | 24, 22, 20, 18 | 9, 7, 5, 3 | 1."""
    assert [VOLUMETRIC["vgg3d"].map_size(size) for size in (100, 110, 128)] == [1, 1, 2]
    assert VOLUMETRIC["vgg3d"].map_size(99) == 0
    assert [VOLUMETRIC["resnet3d"].map_size(size) for size in (48, 49, 110)] == [0, 1, 2]


def test_lasagnes_epsilon():
    x = jnp.asarray([[0.0], [0.02]])
    np.testing.assert_allclose(BatchNorm(1, 1e-4)(x, train=True)[:, 0], np.array([-1, 1]) / np.sqrt(2), rtol=1e-4)


@pytest.mark.parametrize(("name", "size"), [("vgg3d", 100), ("resnet3d", 49), ("patches3d", 76)])
def test_initial_values_of_3d_networks(name, size):
    """Glorot's uniform as in Lasagne, with biases of 0; the patch ensemble as torch draws it, uniform by the fan-in."""
    drawing = jax.jit(build_classifier(name, (size,) * 3).init).lower(jax.random.key(0))
    leaves = named_leaves(drawing.compile({"xla_backend_optimization_level": 0})(jax.random.key(0))[0])
    kernels = {path for path in leaves if path.endswith("kernel")}
    for path, leaf in leaves.items():
        kernel = path.removesuffix("bias") + "kernel" if path.endswith("bias") else path
        if kernel not in kernels or (name != "patches3d" and path != kernel):
            assert (leaf == float(path.endswith("scale"))).all(), path
            continue
        *window, fan_in, fan_out = leaves[kernel].shape[1:] if path.startswith("networks") else leaves[kernel].shape
        inputs, outputs = fan_in * np.prod(window), fan_out * np.prod(window)
        bound = np.float32(1 / np.sqrt(inputs) if name == "patches3d" else np.sqrt(6 / (inputs + outputs)))
        assert np.abs(leaf).max() <= bound and (leaf.size < 50 or np.abs(leaf).max() > 0.8 * bound), path
