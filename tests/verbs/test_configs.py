"""Every config of configs/ is built as it stands, at a size that tests can afford, and takes a training step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import FrozenConfigDict

from benchmarks.tables import BACKBONES, rows
from dynjax.models.build import build_classifier
from dynjax.run import settings
from dynjax.training.step import create_state, make_optimizer, make_train_step
from tests.drawn import draw
from tests.run.test_settings import CONFIGS, get

# AlexNet's map of one position has an attention that cannot learn; the 3D networks take in nothing smaller.
SIZES = {"alexnet": 67, "vgg3d": 100, "resnet3d": 49, "patches3d": 76}
SLOW = (
    "dyn_alexnet",
    "dyn_vgg11",
    "dyn_resnet18",
    "dyn_mobilenet_v1",
    "dyn_mobilenet_v2",
    "dyn_shufflenet_v2",
    "vgg3d",
    "resnet3d",
    "patches3d",
    *("max_vgg11", "avg_vgg11", "ranksvm_vgg11", "triplanar_vgg11", "learned_vgg11", "joint_vgg11"),
)  # to compile
PARAMETERS = [pytest.param(p, id=p.stem, marks=[pytest.mark.slow] if p.stem in SLOW else []) for p in CONFIGS]


@pytest.mark.parametrize("path", PARAMETERS)
def test_every_config_takes_a_training_step(path):
    config = get(path)
    config.volume.grid = (SIZES.get(config.model.name, 34),) * 3
    config = settings.resolve(FrozenConfigDict(config))
    size = settings.input_size(config)
    network, optimizer = build_classifier(config.model.name, size, settings.network_options(config)), make_optimizer()
    state = create_state(*draw(network), optimizer)
    views = settings.count_views(config)
    images = jax.random.uniform(jax.random.key(1), (2, *((views,) if views > 1 else ()), *size, 1))
    step = jax.jit(make_train_step(network, optimizer))
    after, metrics = step(state, images, jnp.array([0, 1]), jax.random.key(2), np.float32(1e-4))
    assert np.isfinite(metrics.loss) and int(after.step) == 1
    moved = {
        jax.tree_util.keystr(path): bool((new != old).any())
        for (path, new), old in zip(jax.tree_util.tree_leaves_with_path(after.params), jax.tree.leaves(state.params))
        if config.model.name != "patches3d" or "networks" in jax.tree_util.keystr(path)  # the others' stage comes later
    }
    assert sum(moved.values()) > 0.8 * len(moved), moved


@pytest.mark.parametrize("with_vgg11", [True, False])
def test_the_tables_rows_are_configs(with_vgg11):
    table = rows(with_vgg11)
    assert len({folder for folder, _, _ in table}) == len(table) == len(BACKBONES) + 5
    for _, config, changes in table:
        name, _, variant = config.partition(":")
        loaded = get(next(path for path in CONFIGS if path.stem == name), variant)
        assert loaded.train.epochs < 30 and bool(changes) == (not with_vgg11 and name in ("max_vgg11", "avg_vgg11"))
