"""Properties of the scikit-learn classifier, one test each, and what scikit-learn's own checks say of it."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import dynjax
from dynjax import DynamicImageClassifier
from dynjax.api import estimator
from dynjax.linear.answer import PENALTIES
from dynjax.pretrained import official, source
from tests.api.conftest import RECIPE

GRID = (16, 16, 16)


def drawn(count=16, seed=0):
    """Volumes, of which those of AD are brighter in one half, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.array(["AD", "CN"] * (count // 2))
    volumes = rng.random((count, *GRID)).astype(np.float32)
    volumes[labels == "AD", :8] += rng.normal(0.5, 0.3, (count // 2, 1, 1, 1)).astype(np.float32)
    return volumes, labels


def untrained(**changes):
    return DynamicImageClassifier(**{"weights": "random", "slabs": 2} | changes)


@pytest.fixture(scope="module")
def fitted():
    return untrained().fit(*drawn())


def test_its_defaults_are_the_recipes():
    config, ours = dynjax.load_config(RECIPE), DynamicImageClassifier()
    assert (ours.penalty, ours.slabs, ours.random_state) == (config.model.penalty, config.projection.slabs, config.seed)
    assert (ours.projection, ours.axis, estimator.TRUNK) == (
        config.projection.name,
        config.projection.axis,
        config.model.name,
    )


def test_its_answers_are_those_of_a_run(workdir, scans):
    run = dynjax.load_run(workdir)
    volumes = np.stack([run.read_scan(scan.path) for scan, _ in scans])
    labels, folds = np.array([scan.label for scan, _ in scans]), np.array([fold for _, fold in scans])
    assert [scan.subject for scan, _ in scans] == run.predictions.subjects.tolist()
    for fold in range(3):
        ours = DynamicImageClassifier().fit(volumes[folds != fold], labels[folds != fold])
        positive = ours.classes_.tolist().index("AD")
        found = ours.predict_proba(volumes[folds == fold])[:, positive]
        np.testing.assert_allclose(found, run.predictions.probabilities[folds == fold], atol=1e-5)


def test_probabilities_are_in_the_order_of_classes(fitted):
    volumes, labels = drawn(seed=1)
    found = fitted.predict_proba(volumes)
    assert fitted.classes_.tolist() == ["AD", "CN"] and found.shape == (16, 2)
    np.testing.assert_allclose(found.sum(1), 1)
    np.testing.assert_array_equal(fitted.classes_[found.argmax(1)], fitted.predict(volumes))
    np.testing.assert_array_equal(fitted.decision_function(volumes) > 0, found[:, 1] > 0.5)
    assert fitted.score(volumes, labels) == np.mean(fitted.predict(volumes) == labels) > 0.7
    numbers = untrained().fit(drawn()[0], (drawn()[1] == "CN").astype(int))
    np.testing.assert_allclose(numbers.predict_proba(volumes), found, rtol=1e-6)


def test_parameters_are_got_set_and_cloned(fitted):
    assert fitted.get_params() == {
        "penalty": 3.0, "projection": "mean", "axis": "axial+coronal+sagittal", "slabs": 2, "weights": "random",
        "random_state": 0, "memory": None,
    }  # fmt: skip
    copy = clone(fitted).set_params(penalty=1.0, axis="axial")
    assert copy.get_params() == fitted.get_params() | {"penalty": 1.0, "axis": "axial"}
    assert not hasattr(copy, "classes_") and fitted.penalty == 3.0 and is_classifier(copy)
    with pytest.raises(ValueError, match="Invalid parameter 'penalties'"):
        copy.set_params(penalties=1.0)


def test_fitting_again_forgets_the_first_fit(fitted):
    volumes, labels = drawn(seed=2)
    again = pickle.loads(pickle.dumps(fitted)).fit(volumes[:, :, :, :12], labels)
    assert again.grid_ == (16, 16, 12)
    new = untrained().fit(volumes[:, :, :, :12], labels)
    np.testing.assert_array_equal(again.predict_proba(volumes[:, :, :, :12]), new.predict_proba(volumes[:, :, :, :12]))


def test_a_pickle_answers_the_same_without_any_file(monkeypatch):
    volumes, labels = drawn()
    first = untrained().fit(volumes, labels)
    content = pickle.dumps(first)
    monkeypatch.setattr(estimator, "_trunk", None)  # no weights can be had any more
    np.testing.assert_array_equal(pickle.loads(content).predict_proba(volumes), first.predict_proba(volumes))


def test_it_works_in_a_pipeline(fitted):
    volumes, labels = drawn()
    both = make_pipeline(FunctionTransformer(lambda flat: flat.reshape(-1, *GRID)), untrained())
    found = both.fit(volumes.reshape(16, -1), labels).predict_proba(volumes.reshape(16, -1))
    np.testing.assert_allclose(found, fitted.predict_proba(volumes), rtol=1e-6)
    assert both.classes_.tolist() == ["AD", "CN"]


def test_it_is_cross_validated_with_groups():
    volumes, labels = drawn()
    people = np.arange(16) // 4 * 2 + np.arange(16) % 2  # two visits of each of eight subjects
    found = cross_validate(
        untrained(),
        volumes,
        labels,
        groups=people,
        cv=StratifiedGroupKFold(2),
        scoring=["roc_auc", "accuracy"],
        error_score="raise",
    )
    assert found["test_roc_auc"].shape == (2,) and np.isfinite(found["test_accuracy"]).all()
    probabilities = cross_val_predict(
        untrained(), volumes, labels, groups=people, cv=StratifiedGroupKFold(2), method="predict_proba"
    )
    np.testing.assert_allclose(probabilities.sum(1), 1)


def test_inner_folds_never_part_a_group():
    volumes, labels = drawn()
    people = np.arange(16) // 4 * 2 + np.arange(16) % 2
    apart, together = untrained().fit(volumes, labels), untrained().fit(volumes, labels, groups=people)
    assert (apart.answer_.weights != together.answer_.weights).any()
    with pytest.raises(ValueError, match="class AD has 1 subject; inner folds need 2 of each class"):
        untrained().fit(volumes, labels, groups=labels)


@pytest.mark.slow
def test_a_grid_search_computes_features_once(tmp_path, monkeypatch):
    volumes, labels = drawn(12)
    shown = []
    program = estimator.trunk_program(estimator.TRUNK)
    monkeypatch.setattr(estimator, "trunk_program", lambda _: lambda *numbers: shown.append(1) or program(*numbers))
    search = GridSearchCV(
        untrained(memory=str(tmp_path)), {"penalty": [0.3, 3.0]}, cv=2, scoring="neg_log_loss", error_score="raise"
    )
    search.fit(volumes, labels)
    assert len(shown) == 12 and search.best_params_["penalty"] in (0.3, 3.0)
    assert len(set(search.cv_results_["mean_test_score"])) == 2
    plain = untrained(penalty=search.best_params_["penalty"]).fit(volumes, labels)
    np.testing.assert_array_equal(search.predict_proba(volumes), plain.predict_proba(volumes))
    untrained(memory=str(tmp_path), projection="max").fit(volumes, labels)
    untrained(memory=str(tmp_path), random_state=1).fit(volumes, labels)
    assert (
        len(shown) == 12 + 24 + 12 + 12
    )  # those of `plain`, which keeps none, of another projection and of other weights


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_refused(fitted, value):
    volumes, labels = drawn()
    volumes[3, 4, 5, 6] = value
    for use in (lambda: untrained().fit(volumes, labels), lambda: fitted.predict(volumes)):
        with pytest.raises(ValueError, match=r"X contains NaN or infinite numbers, in volume 3; dynjax\.load_volume"):
            use()


@pytest.mark.parametrize("shape", [(16, 4096), (16, 16, 256), (16, 16, 16, 16, 1), (16,)])
def test_wrong_shapes_are_refused(fitted, shape):
    volumes, labels = drawn()
    said = rf"X must be volumes \[N, X, Y, Z\]; an array with {len(shape)} dimension"
    wrong = volumes.ravel()[: np.prod(shape)].reshape(shape)
    for use in (lambda: untrained().fit(wrong, labels), lambda: fitted.predict_proba(wrong)):
        with pytest.raises(ValueError, match=said):
            use()


def test_another_grid_and_other_lengths_are_refused(fitted):
    volumes, labels = drawn()
    with pytest.raises(ValueError, match="X has volumes of 16 x 16 x 12 voxels, but those in fit had 16 x 16 x 16"):
        fitted.predict(volumes[:, :, :, :12])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        untrained().fit(volumes, labels[:-1])
    with pytest.raises(ValueError, match="5 slices cannot be cut into 6 slabs"):
        untrained(slabs=6).fit(volumes[:, :5], labels)
    with pytest.raises(ValueError, match="0 sample"):
        fitted.predict(volumes[:0])


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["AD"] * 16, "y has one class, AD; two are needed"),
        (["AD", "CN", "MCI", "AD"] * 4, "Only binary classification is supported, but y has 3 classes: AD, CN, MCI"),
        (["AD"] * 15 + ["CN"], "class CN has 1 subject; inner folds need 2 of each class"),
        (np.linspace(0, 1, 16), "Unknown label type: continuous"),
    ],
)
def test_other_than_two_classes_are_refused(labels, said):
    with pytest.raises(ValueError, match=said):
        untrained().fit(drawn()[0], labels)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"projection": "mean+median"}, "projection='mean.median': 'median' is none of dynamic, max, mean"),
        ({"axis": "triplanar"}, "'triplanar' is none of sagittal, coronal, axial"),
        ({"slabs": 0}, "slabs=0: must be a whole number, 1 or more"),
        ({"slabs": 2.5}, "slabs=2.5: must be a whole number, 1 or more"),
        ({"penalty": float("nan")}, "penalty=nan: must be a number, 0 or more"),
        ({"projection": None}, "projection=None: 'None' is none of"),
        ({"penalty": -1.0}, "penalty=-1.0: must be"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        untrained(**changes).fit(*drawn())


def test_penalty_0_chooses_one():
    assert untrained(penalty=0).fit(*drawn()).answer_.penalty in PENALTIES


def test_before_fit_it_says_so():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        untrained().predict(drawn()[0])


def test_weights_that_are_missing_are_said(tmp_path, monkeypatch):
    with pytest.raises(dynjax.InputError, match=r"gone\.npz: not a converted weight file .*convert_torchvision"):
        untrained(weights=tmp_path / "gone.npz").fit(*drawn())
    monkeypatch.setattr(source, "weights_folder", lambda: tmp_path)
    monkeypatch.setenv("DYNJAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(official, "FILES", official.FILES | {"mobilenet_v2": "gone.pth"})
    monkeypatch.setattr(official, "SERVER", "http://127.0.0.1:9/")  # where nobody listens
    monkeypatch.setattr(official, "PACKAGES", {})
    with pytest.raises(dynjax.InputError, match="the ImageNet weights of mobilenet_v2 could not be fetched; download"):
        untrained(weights="imagenet").fit(*drawn())
