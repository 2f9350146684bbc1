"""Configs: each one loads, its variants change what they say, and every wrong value is named before anything starts."""

import json
from pathlib import Path
from runpy import run_path

import pytest
from ml_collections import ConfigDict, FrozenConfigDict

from configs.base import BASELINE, SOLVED, experiment, paper
from configs.base import VOLUMETRIC as WHOLE_VOLUMES
from dynjax.baselines.embedding import EMBEDDING
from dynjax.baselines.features import BASELINES
from dynjax.errors import UsageError
from dynjax.models.build import VOLUMETRIC
from dynjax.models.classifier import Options
from dynjax.projection.store import Projection
from dynjax.run import settings
from dynjax.volumes.grid import Grid
from tests.command import ROOT

BASELINE_CONFIGS = sorted((ROOT / "configs").glob("baseline_*.py"))
BEST = ROOT / "configs" / "best.py"  # is solved, not trained
CONFIGS = sorted(set((ROOT / "configs").glob("*.py")) - {ROOT / "configs" / "base.py", BEST} - set(BASELINE_CONFIGS))


FROZEN = {"model.trainable": "head"}


def get(path, variant=""):
    return run_path(str(path))["get_config"](variant)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_is_the_papers_protocol_and_has_its_variants(path):
    config = get(path)
    settings.check(config)
    train = config.train
    batch_size = 8 if config.model.name in VOLUMETRIC else 16
    assert (train.epochs, train.batch_size, train.learning_rate, train.folds) == (150, batch_size, 1e-4, 5)
    assert config.model.name.startswith(path.stem.partition("_")[2]) and not config.cohort.phantom.skull
    quick, skull, both = (settings.flatten(get(path, variant)) for variant in ("quick", "skull", "quick,skull"))
    plain = settings.flatten(config)
    assert {key for key in plain if plain[key] != quick[key]} == {"train.epochs"}
    assert {key for key in plain if plain[key] != skull[key]} == {"cohort.phantom.skull"}
    assert both == quick | {"cohort.phantom.skull": True}
    if config.model.name in VOLUMETRIC:
        with pytest.raises(UsageError, match="has no variant 'noatt'"):
            get(path, "noatt")
    else:
        noatt = settings.flatten(get(path, "noatt"))
        assert {key for key in plain if plain[key] != noatt[key]} == {"model.attention"}
    assert path.name in (ROOT / "configs" / "README.md").read_text()


def test_every_baseline_has_its_config():
    assert {get(path).model.name for path in BASELINE_CONFIGS} == set(BASELINES) and len(BASELINE_CONFIGS) == 6
    for path in BASELINE_CONFIGS:
        config = get(path)
        if config.model.name == EMBEDDING:  # there is no file for the phantoms
            config.cohort.embeddings = "vectors.csv"
        settings.check(config)
        assert get(path, "quick") == get(path) and get(path, "skull").cohort.phantom.skull
        assert path.name in (ROOT / "configs" / "README.md").read_text()
        with pytest.raises(UsageError, match="has no variant 'noatt'"):
            get(path, "noatt")


def test_the_recipe_and_its_variants():
    config = get(BEST)
    settings.check(config)
    assert get(BEST, "quick") == config and get(BEST, "skull").cohort.phantom.skull
    assert BEST.name in (ROOT / "configs" / "README.md").read_text()
    for variant in ("noatt", "released"):
        with pytest.raises(UsageError, match=f"has no variant '{variant}'"):
            get(BEST, variant)


def test_the_released_setting_as_a_whole():
    config = get(ROOT / "configs" / "dyn_vgg11.py", "released")
    plain, released = settings.flatten(paper()), settings.flatten(config)
    assert {key: released[key] for key in plain if plain[key] != released[key]} == {
        "projection.weights": "released",
        "projection.scale": "byte",
        "model.attention": "rows",
        "model.head": "released",
        "model.cut": "released",
        "train.weight_decay": 1e-3,
        "train.learning_rate_decay": 0.985,
        "evaluate.select": "test",
    }
    assert get(ROOT / "configs" / "dyn_vgg11.py", "noatt,released").model.attention == "none"


def test_written_and_read_back():
    config = FrozenConfigDict(paper())
    again = settings.from_dict(json.loads(settings.to_json(config)))
    assert again == config and isinstance(again.volume.grid, tuple)


def test_a_config_of_before_means_what_it_meant():
    """Keys that came later have the value that says so; a workdir of before is not another config's."""
    config = FrozenConfigDict(paper())
    before = config.to_dict()
    del before["model"]["dtype"], before["volume"]["nan"], before["cohort"]["label_column"]
    assert settings.from_dict(before) == config and settings.identity(before) == settings.identity(config)


def test_folds_side_by_side_are_refused_in_words_but_for_one():
    config = FrozenConfigDict(paper())
    before = json.loads(settings.to_json(config))
    before["train"]["side_by_side"] = 1
    assert settings.from_dict(before) == config and settings.identity(before) == settings.identity(config)
    assert settings.resolve(settings.from_dict(before)) == settings.resolve(config)
    own = ConfigDict(config.to_dict() | {"train": config.train.to_dict() | {"side_by_side": 1}})
    assert settings.resolve(own) == settings.resolve(config)
    before["train"]["side_by_side"] = 5
    assert settings.identity(before) != settings.identity(config)
    with pytest.raises(UsageError, match="side_by_side=5: one fold is trained at a time"):
        settings.from_dict(before)
    own.train.side_by_side = 5
    for refuse in (settings.resolve, settings.check):
        with pytest.raises(UsageError, match="side_by_side=5: one fold is trained at a time; start a process for each"):
            refuse(own)


def test_identity_is_all_but_the_folds_of_a_job():
    config, job, other = paper(), paper(), paper()
    job.train.only_folds = (2,)
    other.train.epochs = 151
    digests = [settings.identity_digest(each) for each in (config, job, other)]
    assert digests[0] == digests[1] != digests[2]


def test_a_relative_table_means_the_same_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = paper()
    assert settings.resolve(config).cohort.table == ""
    config.cohort.table = "scans.csv"
    assert settings.resolve(config).cohort.table == str(tmp_path / "scans.csv")
    config.update_from_flattened_dict(BASELINE | {"model.name": "embedding", "cohort.embeddings": "vectors.csv"})
    assert settings.resolve(config).cohort.embeddings == str(tmp_path / "vectors.csv")


def test_labels_may_come_from_the_shell_as_one_text():
    config = paper()
    config.cohort.labels = ("MCI, AD",)
    assert settings.resolve(config).cohort.labels == ("MCI", "AD")
    with config.unlocked(), config.cohort.ignore_type():
        config.cohort.labels = (0, 1)
    assert settings.resolve(config).cohort.labels == ("0", "1")


@pytest.mark.parametrize(("key", "value"), [("train.epochs", "x"), ("volume.grid", 3), ("cohort.labels", 5)])
def test_a_value_of_another_type_is_named(key, value):
    """As in a config.json that was edited by hand."""
    written = json.loads(settings.to_json(paper()))
    section, name = key.split(".")
    written[section][name] = value
    with pytest.raises(UsageError, match=f"{key}="):
        settings.check(settings.from_dict(written))


def test_every_wrong_value_is_listed():
    config = paper()
    config.model.name, config.train.folds, config.model.dropout = "vgg", 1, 1.0
    config.cohort.labels, config.volume.grid = ("AD", "AD"), (110, 110, 20)
    with pytest.raises(UsageError) as error:
        settings.check(config)
    for key in ("model.name=", "train.folds=1", "model.dropout=1.0", "cohort.labels=", "volume.grid="):
        assert key in str(error.value)


def test_a_key_that_means_nothing_is_refused_and_so_is_one_that_is_missing():
    """As a config file of one's own may have them."""
    config = paper()
    config.train.epoch = 3
    del config.model.dropout
    with pytest.raises(UsageError, match=r"model\.dropout: missing\n  train\.epoch: there is no such key"):
        settings.check(config)


def test_keys_reach_what_they_name():
    config = paper()
    config.volume.grid, config.volume.spacing = (40, 50, 60), 3.0
    config.projection.axis, config.projection.weights, config.projection.name = "coronal", "harmonic", "max"
    assert settings.projection_of(config) == Projection(Grid((40, 50, 60), 3.0), "max", "coronal", "harmonic")
    assert settings.input_size(config) == (40, 60)
    config.model.attention, config.model.head, config.model.cut = "rows", "released", "released"
    assert settings.network_options(config) == Options(0.5, "rows", "released", "released")
    config.projection.name, config.projection.axis, config.projection.slabs = "max+mean", "axial+sagittal", 3
    config.model.trainable = "head"
    assert settings.projection_of(config).slabs == 3 and settings.input_size(config) == (50, 60)
    assert settings.network_options(config)[-2:] == (12, True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model.name": "vgg3d", "model.pretrained": "none"}, "'none' goes with vgg3d, resnet3d"),
        ({"projection.name": "none"}, "'none' goes with vgg3d, resnet3d"),
        (BASELINE | {"model.name": "age_sex", "train.only_folds": (0,)}, r"train\.only_folds and .* are for networks"),
        (BASELINE | {"model.name": "age_sex", "model.pretrained": "auto"}, "there are no weights for age_sex"),
        ({"model.name": "vgg3d", "projection.name": "none"}, "there are no weights for vgg3d"),
        (BASELINE | {"model.name": "embedding"}, r"cohort\.embeddings='': name the \.csv or \.npz"),
        (BASELINE | {"model.name": "svm_mask", "cohort.embeddings": "a.csv"}, r"cohort\.embeddings='a\.csv': is for"),
        ({"cohort.embeddings": "a.csv"}, r"cohort\.embeddings='a\.csv': is for .*'embedding', not for 'vgg11'"),
        ({"model.name": "vgg3d", "projection.name": "none", "volume.grid": (90, 110, 110)}, "too small for"),
        ({"projection.name": "learned", "projection.axis": "triplanar"}, "a learned projection has one axis"),
        ({"projection.slabs": 56}, r"projection\.slabs=56: thinner than 2 slices; at most 55 along axial"),
        ({"projection.slabs": 2, "projection.axis": "triplanar"}, "'triplanar' cannot be joined with others or cut"),
        ({"projection.axis": "axial+triplanar"}, "'triplanar' cannot be joined"),
        ({"projection.name": "learned+mean"}, "'learned' cannot be joined"),
        ({"projection.name": "learned", "projection.slabs": 2}, "'learned' cannot be joined"),
        ({"projection.name": "mean+mean"}, r"projection\.name='mean\+mean': choose one of .* joined by '\+'"),
        ({"projection.axis": "axial+"}, r"projection\.axis='axial\+': choose one of"),
        (FROZEN | {"projection.name": "learned"}, "a learned projection is trained with its trunk"),
        (FROZEN | {"model.pretrained": "none"}, "a frozen trunk of random numbers knows nothing"),
        (WHOLE_VOLUMES | FROZEN | {"model.name": "vgg3d"}, "for networks of 2D images, not for model.name='vgg3d'"),
        (WHOLE_VOLUMES | {"model.name": "vgg3d", "model.head": "linear"}, "model.head='linear', .*not for .*'vgg3d'"),
        (BASELINE | {"model.name": "svm_mask", "model.head": "pooled"}, "for networks of 2D images"),
        ({"model.head": "pooled"}, r"model\.attention='map': model\.head='pooled' averages the map; choose none"),
        ({"model.head": "joint"}, "'joint': takes two projections of one axis"),
        ({"model.head": "joint", "projection.name": "mean+dynamic", "projection.slabs": 2}, "takes two projections"),
        (SOLVED | {"model.trainable": "all"}, "'linear': is solved on a frozen trunk; choose model.trainable='head'"),
        (SOLVED | {"evaluate.select": "test"}, "a solved head has no epochs to select from"),
        (SOLVED | {"train.epochs": 2}, r"train\.epochs=2: means nothing to a solved head; leave it at 1"),
        (SOLVED | {"train.batch_size": 8}, r"train\.batch_size=8: means nothing to"),
        (SOLVED | {"train.devices": 2}, r"train\.devices=2: means nothing to"),
        (SOLVED | {"model.dropout": 0.1}, r"model\.dropout=0\.1: means nothing to"),
        (SOLVED | {"model.penalty": -1.0}, r"model\.penalty=-1\.0: must be 0, or a number"),
        ({"model.penalty": 1.0}, r"model\.penalty=1\.0: is for model\.head='linear' and for embedding"),
    ],
)
def test_values_that_do_not_go_together(changes, said):
    config = paper()
    config.update_from_flattened_dict(changes)
    with pytest.raises(UsageError, match=said):
        settings.check(config)


def test_networks_that_take_in_volumes_get_the_grid():
    config = experiment(WHOLE_VOLUMES | {"model.name": "resnet3d"}, "", 1)
    assert settings.input_size(config) == (110, 110, 110)
    config = paper()
    config.projection.name, config.projection.axis, config.projection.scale = "learned", "coronal", "unit"
    assert settings.input_size(config) == (110, 110, 110)
    options = settings.network_options(config)
    assert (options.learned_axis, options.learned_scale) == ("coronal", "unit")


def test_triplanar_needs_a_cube():
    config = paper()
    config.projection.axis = "triplanar"
    assert settings.input_size(config) == (110, 110)
    config.volume.grid = (110, 120, 110)
    with pytest.raises(UsageError, match=r"volume\.grid=.*must be a cube"):
        settings.check(config)


def test_the_tree_lists_what_is_there():
    """The annotated tree of the pages names every folder of the package."""
    tree = (ROOT / "docs" / "contributing.md").read_text()
    folders = [path.parent.name for path in (ROOT / "dynjax").glob("*/__init__.py")]
    assert folders and all(f"{name}/" in tree for name in folders)
    assert Path(ROOT / "LICENSE").read_text().lstrip().startswith("Apache License")
