"""What a fold's training holds: never an image of its test subjects, unless it is asked to select by them."""

import numpy as np
import pytest
from ml_collections import FrozenConfigDict

from dynjax.cohort.folds import hold_out
from dynjax.errors import InputError
from dynjax.projection import store
from dynjax.run import fold_training, settings
from dynjax.run.data import find_cohort, load_data
from dynjax.run.workdir import Workdir
from tests.run.test_settings import CONFIGS, get

FOLDS = np.arange(12) % 3


@pytest.fixture
def fold_0(tmp_path, monkeypatch):
    """Trains fold 0 by `select` while its test volumes cannot be read; returns what training was given."""

    def run(select):
        config = get(next(path for path in CONFIGS if path.stem == "dyn_alexnet"))
        config.volume.grid, config.volume.spacing, config.cohort.phantom.n = (32, 32, 32), 7.1, 12
        config.train.folds, config.model.pretrained, config.evaluate.select = 3, "none", select
        config = settings.resolve(FrozenConfigDict(config))
        cohort, given = find_cohort(config), {}
        test = {scan.path for scan, fold in zip(cohort.scans, FOLDS) if fold == 0}
        load_volume = store.load_volume

        def load(path, *args, **kept):
            if path in test:
                raise InputError(f"{path}: locked away")
            return load_volume(path, *args, **kept)

        def take(trainer, fold, **kwargs):
            given.update(fold._asdict())

        monkeypatch.setattr(store, "load_volume", load)
        monkeypatch.setenv("DYNJAX_CACHE", str(tmp_path / "cache"))  # with no stored image
        monkeypatch.setattr(fold_training, "train_fold", take)
        data = load_data(config, cohort, FOLDS)
        fold_training.train_folds(config, Workdir(tmp_path), data, [0], None)
        return data, given

    return run


def test_by_default_it_trains_on_all_other_subjects(fold_0):
    data, given = fold_0("last")
    assert given["selection"] is None and given["images"].shape == (8, 32, 32, 3)
    assert (given["labels"] == data.targets[FOLDS != 0]).all()


def test_validation_holds_out_training_subjects(fold_0):
    data, given = fold_0("validation")
    assert given["selection"] is not None and given["images"].shape == (6, 32, 32, 3)
    held = hold_out(data.cohort, FOLDS, 0, data.config.seed)
    assert (given["labels"] == data.targets[(FOLDS != 0) & ~held]).all()
    everyone = data.images(FOLDS != 0)
    assert all((everyone == image).all((1, 2, 3)).sum() == 1 for image in given["images"])


def test_selection_by_test_subjects_needs_them(fold_0):
    with pytest.raises(InputError, match="locked away"):
        fold_0("test")


def test_a_file_that_changes_in_between_is_noticed(fold_0):
    data, _ = fold_0("last")
    data.digests[1] = "another"
    with pytest.raises(InputError, match="has changed while it was used"):
        data.images(FOLDS == 1)
