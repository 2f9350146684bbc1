"""Maps of cells and occlusion, on functions whose map is known and on the real networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynjax.explanation.cells import attention_mask, cam, cam_of_cut_network, grad_cam
from dynjax.explanation.network import Explained, Halves, Numbers, halves
from dynjax.explanation.occlusion import occlude
from dynjax.models.build import VOLUMETRIC, build_classifier, build_trunk
from dynjax.models.classifier import Options

SIZE = (64, 64)


def built(name, options, seed=0):
    """A network with random numbers, and its trunk's where that stands still."""
    key = jax.random.key(seed)
    params, stats = build_classifier(name, SIZE, options).init(key)
    trunk = build_trunk(name, options.cut).init(key) if options.is_frozen else ({}, {})
    if options.head == "linear":
        drawn = jax.random.normal(key, params["head"]["weights"].shape)
        params = {"head": {"weights": drawn, "intercept": jnp.float32(0.3)}}
        stats = {"head": {"mean": 0.1 * jnp.ones_like(drawn), "scale": 2 + 0 * drawn}}
    return Explained(halves(name, SIZE, options), Numbers(params, stats, *trunk))


@pytest.mark.parametrize(
    ("head", "is_frozen", "views"), [("linear", True, 2), ("pooled", True, 1), ("pooled", False, 2)]
)
def test_cells_and_intercept_are_the_logit(head, is_frozen, views):
    network = built("alexnet", Options(head=head, attention="none", is_frozen=is_frozen, views=views))
    images = np.random.default_rng(0).normal(size=(*((views,) if views > 1 else ()), *SIZE, 3)).astype(np.float32)
    cells, intercept = cam(network, images)
    logit = network.logits(images[None])[0]
    assert cells.shape[0] == views and cells.ndim == 3
    assert abs(cells.sum() + intercept - logit) < 1e-5 * max(1, abs(logit))


def known(weights):
    """Its maps are three fixed ones; its logit weighs their means, and squares the first."""
    maps = np.random.default_rng(0).normal(size=(1, 4, 5, 3)).astype(np.float32)

    def logit(_, maps):
        means = maps.mean((1, 2))
        return (means * jnp.array([weights])).sum(-1) + means[:, 0] ** 2

    return Explained(Halves(lambda _, inputs: jnp.asarray(maps), logit), Numbers({}, {}, {}, {})), maps


def test_grad_cam_of_a_known_network():
    network, maps = known([2.0, -1.0, 0.0])
    slopes = np.array([2.0 + 2 * maps[..., 0].mean(), -1.0, 0.0]) / 20
    expected = (maps * slopes).sum(-1)
    np.testing.assert_allclose(grad_cam(network, np.zeros((8, 8, 1))), expected, atol=1e-6)
    assert (expected < 0).any() and (expected > 0).any(), "both signs stay"


def test_cam_of_a_cut_network_whose_maps_are_known():
    maps = np.random.default_rng(0).normal(size=(1, 4, 5, 6, 3)).astype(np.float32)
    weights = np.array([2.0, -1.0, 0.5])
    parts = Halves(lambda _, inputs: inputs, lambda _, maps: maps, lambda _, inputs: jnp.asarray(maps))
    network = Explained(parts, Numbers({}, {}, {}, {}))
    cells, intercept = cam_of_cut_network(network, np.zeros((8, 8, 8, 1), np.float32), weights, 0.25)
    np.testing.assert_allclose(cells, (maps * weights).sum(-1) / 120, rtol=1e-6)
    assert cells.sum() + intercept == pytest.approx(maps.mean((0, 1, 2, 3)) @ weights + 0.25, rel=1e-5)


@pytest.mark.parametrize("head", ["paper", "joint"])
def test_the_mask_is_the_one_that_the_network_applies(head):
    views = 2 if head == "joint" else 1
    network = built("alexnet", Options(head=head, views=views, is_frozen=True))
    images = np.random.default_rng(0).normal(size=(*((views,) if views > 1 else ()), *SIZE, 3)).astype(np.float32)
    masks = attention_mask(network, images, "map")
    np.testing.assert_allclose(masks.sum((1, 2)), 1, rtol=1e-5)
    plain = halves("alexnet", SIZE, Options(head=head, views=views, is_frozen=True, attention="none"))
    own = {name: part for name, part in network.numbers.params.items() if "attention" not in name}
    if head == "joint":
        own["attentions"] = {}
    masked = network.maps(images[None]) * masks[..., None].astype(np.float32)
    found, _ = Explained(plain, network.numbers._replace(params=own)).slopes(masked)
    np.testing.assert_allclose(found, network.logits(images[None]), rtol=1e-5)
    if head == "joint":
        assert abs(masks[0] - masks[1]).max() > 1e-6, "each view has its own"


VOLUMES = [("vgg3d", 100), ("resnet3d", 56)]


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["maps", "early_maps"])
@pytest.mark.parametrize(("name", "extent"), VOLUMES)
def test_a_3d_cell_lies_at_the_centre_of_what_it_sees(name, extent, stage):
    """The voxels that change a cell surround the place that MAP_PLACES or EARLY_PLACES gives it."""
    network = build_classifier(name, (extent,) * 3)
    params, stats = jax.jit(network.init)(jax.random.key(0))
    cell = {"maps": 0 if name == "vgg3d" else 3, "early_maps": 8}[stage]
    maps_of = getattr(network, stage)
    shape = jax.eval_shape(lambda x: maps_of(params, stats, x), jnp.zeros((1, *(extent,) * 3, 1))).shape

    def value(along):  # a volume that varies along x alone keeps it small
        volume = jnp.broadcast_to(along[:, None, None], (extent,) * 3)
        return maps_of(params, stats, volume[None, ..., None])[0, cell, shape[2] // 2, shape[3] // 2].sum()

    slopes = jax.jit(jax.grad(value))(jnp.asarray(np.random.default_rng(0).uniform(1, 2, extent), jnp.float32))
    seen = np.flatnonzero(np.abs(slopes) > 1e-9)
    first, step = VOLUMETRIC[name].MAP_PLACES if stage == "maps" else VOLUMETRIC[name].EARLY_PLACES
    middle = (seen[0] + seen[-1]) / 2
    assert abs(middle - (first + step * cell)) <= step / 2, f"{name}: {seen[0]} to {seen[-1]}"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "extent"), VOLUMES)
def test_halves_of_a_3d_network_are_the_whole(name, extent):
    network = build_classifier(name, (extent,) * 3)
    params, stats = jax.jit(network.init)(jax.random.key(0))
    volume = np.random.default_rng(0).uniform(size=(1, extent, extent, extent, 1)).astype(np.float32)
    logits = jax.jit(lambda v: network.apply(params, stats, v, train=False)[0])(volume)
    explained = Explained(halves(name, (extent,) * 3, Options()), Numbers(params, stats, {}, {}))
    np.testing.assert_allclose(explained.logits(volume), logits[:, 1] - logits[:, 0], rtol=1e-4, atol=1e-5)


def test_occlusion_of_a_sum():
    """Where the answer is a weighted sum of voxels, a block's share is the sum of what its voxels add."""
    rng = np.random.default_rng(0)
    weights, volume, reference = rng.normal(size=(3, 20, 22, 21))
    reference[:10] = volume[:10]
    weights[14:17, 3:6, 3:6] = 50
    found = occlude(lambda volumes: (volumes * weights).sum((1, 2, 3)), volume, reference)
    assert not found[:10].any(), "a voxel that is as in the reference changes nothing"
    assert found.sum() == pytest.approx((weights * (volume - reference)).sum(), rel=1e-6)
    strongest = np.unravel_index(np.abs(found).argmax(), found.shape)
    assert 12 <= strongest[0] < 20 and strongest[1] < 10 and strongest[2] < 10
