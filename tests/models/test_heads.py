"""Heads and views: what meets where, checked against the parts computed by themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynjax.linear.answer import fit_linear
from dynjax.models.build import build_classifier, build_trunk, count_trunk, named_leaves
from dynjax.models.classifier import Options
from tests.drawn import draw
from tests.linear.test_answer import drawn

SIZE = (40, 40)
IMAGES = np.random.default_rng(0).normal(size=(3, 4, *SIZE, 3)).astype(np.float32)  # of three scans, four views each


def apply(network, params, stats, images):
    return np.asarray(jax.jit(lambda p, s, x: network.apply(p, s, x, train=False)[0])(params, stats, images))


COMPILED_LONG = [pytest.param(head, marks=pytest.mark.slow) for head in ("paper", "released", "joint")]


@pytest.mark.parametrize("head", ["pooled", COMPILED_LONG[0]])
def test_the_logits_of_views_are_averaged(head):
    options = Options(head=head, attention="none" if head == "pooled" else "map")
    one = build_classifier("alexnet", SIZE, options)
    many = build_classifier("alexnet", SIZE, options._replace(views=4))
    params, stats = draw(one)
    each = np.stack([apply(one, params, stats, IMAGES[:, view]) for view in range(4)])
    np.testing.assert_allclose(apply(many, params, stats, IMAGES), each.mean(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", ["pooled", *COMPILED_LONG])
def test_on_a_frozen_trunks_maps_a_head_answers_as_with_its_trunk(head):
    views = 2 if head == "joint" else 1
    images = IMAGES[:, :2] if head == "joint" else IMAGES[:, 0]
    options = Options(head=head, attention="none" if head == "pooled" else "map", views=views)
    whole = build_classifier("alexnet", SIZE, options)
    alone = build_classifier("alexnet", SIZE, options._replace(is_frozen=True))
    params, stats = draw(whole)
    trunk = build_trunk("alexnet")
    maps = apply(trunk, {"trunk": params["trunk"]}, {}, images.reshape(-1, *images.shape[-3:]))
    maps = maps.reshape(*images.shape[:-3], *maps.shape[1:])
    own = {name: part for name, part in params.items() if name != "trunk"}
    np.testing.assert_allclose(
        apply(alone, own, stats, maps), apply(whole, params, stats, images), rtol=1e-4, atol=1e-5
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(own)) + count_trunk("alexnet") == sum(
        leaf.size for leaf in jax.tree.leaves(params)
    )


def test_a_pooled_head_is_one_layer_on_the_mean():
    network = build_classifier("alexnet", SIZE, Options(head="pooled", attention="none", is_frozen=True))
    params, _ = draw(network)
    assert {name: leaf.shape for name, leaf in named_leaves(params).items()} == {
        "head/layer/bias": (2,),
        "head/layer/kernel": (256, 2),
    }
    maps = np.random.default_rng(1).normal(size=(3, 2, 3, 256)).astype(np.float32)
    layer = {name: np.asarray(leaf) for name, leaf in params["head"]["layer"].items()}
    expected = maps.mean((1, 2)) @ layer["kernel"] + layer["bias"]
    np.testing.assert_allclose(apply(network, params, {}, maps), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network.features(params, {}, maps), maps.mean((1, 2)), rtol=1e-5, atol=1e-6)


def test_a_mobilenet_with_a_pooled_head_has_two_million_parameters():
    network = build_classifier("mobilenet_v2", (110, 110), Options(head="pooled", attention="none"))
    params, _ = jax.eval_shape(lambda: network.init(jax.random.key(0)))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 2_223_872 + 1280 * 2 + 2


@pytest.mark.slow
def test_joint_heads_see_one_map_each_and_both():
    options = Options(head="joint", views=2)
    network = build_classifier("alexnet", SIZE, options)
    params, stats = draw(network)
    logits = apply(network, params, stats, IMAGES[:, :2])
    assert logits.shape == (3, 3, 2)
    other = IMAGES[:, :2].copy()
    other[:, 1] = IMAGES[:, 2]
    moved = apply(network, params, stats, other)
    np.testing.assert_allclose(moved[:, 0], logits[:, 0], rtol=1e-5)  # the first head sees the first view alone
    assert (np.abs(moved - logits)[:, 1:].max((1, 2)) > 1e-4).all()
    assert network.features(params, stats, jnp.asarray(IMAGES[:, :2])).shape == (3, 3 * 64)


def test_the_linear_network_is_the_linear_answer():
    features, targets, subjects = drawn(40, 3 * 256)
    answer = fit_linear(features.astype(np.float32), targets, subjects, 0)
    network = build_classifier("alexnet", SIZE, Options(head="linear", attention="none", views=3, is_frozen=True))
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0)))
    assert {name: leaf.shape for name, leaf in named_leaves(shapes[0]).items()} == {
        "head/intercept": (),
        "head/weights": (768,),
    }
    params = {"head": {"weights": jnp.float32(answer.weights), "intercept": jnp.float32(answer.intercept)}}
    stats = {"head": {"mean": jnp.float32(answer.mean), "scale": jnp.float32(answer.scale)}}
    table = features.astype(np.float32).reshape(40, 3, 1, 1, 256)
    probabilities = jax.nn.softmax(apply(network, params, stats, table))
    np.testing.assert_allclose(probabilities, answer.predict_proba(features.astype(np.float32)), atol=1e-6)
    standardised = (features - answer.mean) * answer.scale
    np.testing.assert_allclose(network.features(params, stats, table), standardised, rtol=1e-3, atol=1e-5)
