"""Parity with torchvision: features, running statistics and gradients of the converted trunks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynjax.models.build import build_classifier, build_trunk, named_leaves
from dynjax.models.classifier import Options
from dynjax.pretrained.features import feature_extractor
from dynjax.pretrained.names import torch_name
from dynjax.pretrained.weights import make_initialiser, read_weights, write_weights
from tests import golden

NETWORKS = ("alexnet", "vgg11", "resnet18", "mobilenet_v2", "shufflenet_v2_x1_0")
TRAINED = dict.fromkeys(NETWORKS, 1e-4) | {"mobilenet_v2": 2e-4, "shufflenet_v2_x1_0": 2e-4}  # of batch statistics


QUICK = ("alexnet",)  # to compile
PARAMETERS = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in NETWORKS]


def converted(model, folder):
    """The path of the network's converted golden weights."""
    write_weights(folder / "golden.npz", model, golden.state_dict(model), "golden.pth", "0" * 64)
    return folder / "golden.npz"


@pytest.mark.parametrize("model", PARAMETERS)
def test_features_on_running_statistics(model, tmp_path):
    path = converted(model, tmp_path)
    features = feature_extractor(model, path)(golden.images())
    expected = golden.answers(model)["features_eval"].transpose(0, 2, 3, 1)
    assert features.shape == expected.shape
    assert golden.relative_difference(features, expected) < 1e-4


@pytest.mark.parametrize("model", PARAMETERS)
def test_training_pass_and_gradients(model, tmp_path):
    path = converted(model, tmp_path)
    weights, trunk, answers = read_weights(path, model), build_trunk(model), golden.answers(model)
    expected = answers["features_train"].transpose(0, 2, 3, 1)
    projection = np.random.RandomState(7).standard_normal(answers["features_train"].shape).astype(np.float32)
    projection = jnp.asarray(projection.transpose(0, 2, 3, 1))

    @jax.jit
    def backward(params, images):
        def loss(params):
            features, stats = trunk.apply(params, {"trunk": weights.batch_stats}, images, train=True)
            return (features * projection).sum() / features.size, (features, stats)

        return jax.value_and_grad(loss, has_aux=True)(params)

    (_, (features, stats)), gradients = backward({"trunk": weights.params}, golden.images())
    with_norm = bool(stats)
    assert golden.relative_difference(features, expected) < TRAINED[model]

    ours = {torch_name(model, path.split("/", 1)[1]): leaf for path, leaf in named_leaves(stats).items()}
    after_step = {name.removeprefix("after_step/"): a for name, a in answers.items() if name.startswith("after_step/")}
    assert bool(after_step) == with_norm
    for name, statistic in after_step.items():
        assert golden.relative_difference(ours[name], statistic) < TRAINED[model], name

    ours = {torch_name(model, path.split("/", 1)[1]): leaf for path, leaf in named_leaves(gradients).items()}
    keys = golden.INDEX[model]["grad_norm_keys"]
    assert sorted(ours) == sorted(keys)
    norms = np.array([np.linalg.norm(np.asarray(ours[name], np.float64)) for name in keys])
    # A bias that the next BatchNorm takes away again has no gradient: rounding noise of 1e-7 is compared with atol.
    np.testing.assert_allclose(norms, answers["grad_norms"], rtol=1e-2 if with_norm else 5e-4, atol=1e-6)
    # Element by element, rounding makes some ReLU or max-pool decide otherwise, in any form of convolution; of inputs
    # as near to the golden one as float32 can tell, one finds nearly all decisions as they were.
    differences = []
    for seed in range(5):
        rounding = 1 + 1e-7 * np.random.RandomState(seed).standard_normal(golden.images().shape)
        _, gradients = backward({"trunk": weights.params}, golden.images() * rounding.astype(np.float32))
        ours = {torch_name(model, path.split("/", 1)[1]): leaf for path, leaf in named_leaves(gradients).items()}
        first = np.asarray(ours[golden.INDEX[model]["grad_first_key"]]).transpose(3, 2, 0, 1)
        differences.append(golden.relative_difference(first, answers["grad_first"]))
    assert min(differences) < 1e-2, differences


@pytest.mark.parametrize("model", PARAMETERS[:2])
def test_the_released_cut(model, tmp_path):
    """Where the authors' code ends, before a ReLU: a classifier takes that part of the whole trunk's weights."""
    write_weights(tmp_path / "a.npz", model, golden.state_dict(model), "x", "y")
    network = build_classifier(model, (110, 110), Options(cut="released"))
    params, _ = make_initialiser(network, read_weights(tmp_path / "a.npz", model))(jax.random.key(0))
    trunk = build_trunk(model, "released")
    features, _ = jax.jit(lambda p, x: trunk.apply(p, {}, x, train=False))({"trunk": params["trunk"]}, golden.images())
    expected = golden.answers(f"{model}_released")["features_eval"].transpose(0, 2, 3, 1)
    assert golden.relative_difference(features, expected) < 1e-4 and expected.min() < 0


def test_imagenet_features(imagenet_mobilenet):
    """torchvision's real file, through the .pth reader, the converter and the network."""
    features = feature_extractor("mobilenet_v2", imagenet_mobilenet)(golden.images())
    expected = golden.answers("mobilenet_v2_imagenet")["features_eval"].transpose(0, 2, 3, 1)
    assert golden.relative_difference(features, expected) < 1e-4
