"""The worked examples of docs/contributing.md: what they add is a network, a projection and a baseline like any."""

import re
from pathlib import Path
from unittest import mock

import jax
import jax.numpy as jnp
import nibabel
import numpy as np
import pytest

from dynjax.baselines import features
from dynjax.baselines.fit import cross_validate
from dynjax.cohort.table import load_cohort
from dynjax.models.build import build_classifier
from dynjax.models.trunks import TRUNKS
from dynjax.projection import project
from dynjax.volumes.reading import Reading

ROOT = Path(__file__).parents[1]
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


@pytest.fixture
def examples():
    """Runs the three examples; what they add is removed again."""
    blocks = EXAMPLE.findall((ROOT / "docs" / "contributing.md").read_text(encoding="utf-8"))
    assert len(blocks) == 3
    with mock.patch.dict(TRUNKS), mock.patch.dict(project.POOLINGS), mock.patch.dict(features.FEATURES):
        for block in blocks:
            exec(compile(block, "contributing.md", "exec"), {"__name__": "example"})
        yield


def test_the_network_of_the_example_is_trained_like_any(examples):
    trunk = TRUNKS["two_convolutions"]
    assert trunk.map_size(33) == 9
    network = build_classifier("two_convolutions", (33, 36))
    state = jax.eval_shape(network.init, jax.random.key(0))
    images = jax.ShapeDtypeStruct((2, 33, 36, 1), jnp.float32)
    logits, _ = jax.eval_shape(lambda *given: network.apply(*given, train=False), *state, images)
    assert logits.shape == (2, 2)


def test_the_projection_of_the_example_is_one_like_any(examples):
    volume = np.random.default_rng(0).normal(size=(5, 6, 8)).astype(np.float32)
    np.testing.assert_allclose(project.project(volume, "deviation"), volume.std(2), rtol=1e-5)
    assert project.project(volume, "deviation+mean", "axial+coronal", slabs=2).shape == (8, 5, 8)


def test_the_baseline_of_the_example_is_fitted_in_folds(examples, tmp_path):
    rng = np.random.default_rng(0)
    targets = np.arange(20) % 2
    rows = ["subject,session,label,path"]
    for index, target in enumerate(targets):
        data = rng.uniform(1, 2, (4, 4, 4)).astype(np.float32) + 5 * target
        nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / f"{index}.nii.gz")
        rows.append(f"s{index},bl,{('CN', 'AD')[target]},{index}.nii.gz")
    (tmp_path / "scans.csv").write_text("\n".join(rows))
    cohort = load_cohort(tmp_path / "scans.csv")
    values = features.FEATURES["largest_intensity"](cohort, Reading(None)).values
    found = cross_validate(
        "largest_intensity", values, targets, np.arange(20) // 4, [s.subject for s in cohort.scans], 0
    )
    assert ((found.probabilities > 0.5) == (targets == 1)).all()
