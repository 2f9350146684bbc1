"""Epochs in parts: stopped between any two steps of them, and of images that are read ahead of each step."""

import jax
import numpy as np
import pytest

from dynjax.errors import Stopped
from dynjax.training import checkpoint
from dynjax.training.examples import read_ahead
from dynjax.training.loop import Fold, make_trainer, train_fold
from dynjax.training.plan import make_mesh
from dynjax.training.saver import Saver
from tests.training.test_loop import IMAGES, LABELS, SCHEDULE
from tests.training.test_step import linear_network

EPOCHS, STEPS = 2, 3  # of each


class Stored:
    """Images that are read one by one."""

    def __init__(self, images):
        self.images, self.read = images, []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        self.read.append(index)
        return self.images[index]


def run(folder, images=IMAGES, steps_at_once=1, stop_after=None):
    """Trains fold 1, until so many parts are done; returns (epoch, loss) of the epochs that ended."""
    network, parts, epochs = linear_network(), iter(range(1, 1000)), []
    schedule = SCHEDULE._replace(epochs=EPOCHS, steps_at_once=steps_at_once)
    trainer = make_trainer(network, jax.jit(network.init), schedule, make_mesh(1, schedule.batch_size))
    fold = Fold(1, images, LABELS, folder, {})
    with Saver() as saver:
        train_fold(trainer, fold, lambda *_: None, epochs.append, lambda: next(parts) == stop_after, saver)
    return [(epoch.epoch, epoch.loss) for epoch in epochs]


def network_of(folder):
    return jax.tree.leaves(
        checkpoint.load_network(checkpoint.latest(folder), *linear_network().init(jax.random.key(0)))
    )


def assert_equal(one, other):
    for mine, its in zip(network_of(one), network_of(other), strict=True):
        assert (mine == its).all()


def test_parts_of_any_size_make_the_epoch(tmp_path):
    whole = run(tmp_path / "whole", steps_at_once=1000)
    for steps in (1, 2):
        np.testing.assert_allclose(run(tmp_path / f"{steps}", steps_at_once=steps), whole, rtol=1e-5)


@pytest.mark.parametrize("steps_at_once", [1, 2])
def test_stopped_after_any_part_it_goes_on_bit_for_bit(tmp_path, steps_at_once):
    whole = run(tmp_path / "whole", steps_at_once=steps_at_once)
    a_epoch = -(-STEPS // steps_at_once)  # so many parts
    for part in range(1, EPOCHS * a_epoch):
        folder = tmp_path / f"{part}"
        done, within = divmod(part, a_epoch)
        words = f"after epoch {done}" + (f", step {within * steps_at_once};" if within else ";")
        with pytest.raises(Stopped, match=words):
            run(folder, steps_at_once=steps_at_once, stop_after=part)
        name = f"epoch_{done:04d}" + (f"_step_{within * steps_at_once:04d}" if within else "")
        assert checkpoint.latest(folder).name == name and checkpoint.epochs_done(folder) == done
        ended = run(folder, steps_at_once=steps_at_once)
        assert ended == whole[done:]
        assert_equal(folder, tmp_path / "whole")


def test_stopped_in_every_part_it_ends_with_the_same(tmp_path):
    whole, folder = run(tmp_path / "whole"), tmp_path / "parts"
    for _ in range(EPOCHS * STEPS - 1):
        with pytest.raises(Stopped):
            run(folder, stop_after=1)
        assert len(checkpoint.saved(folder)) <= 2, "that and the one before"
    assert run(folder) == whole[1:]
    assert_equal(folder, tmp_path / "whole")


def test_one_that_is_damaged_within_an_epoch_is_left_for_the_one_before(tmp_path, capsys):
    run(tmp_path / "whole")
    for part in (4, 1):
        with pytest.raises(Stopped):
            run(tmp_path / "parts", stop_after=part)
    newest = checkpoint.latest(tmp_path / "parts")
    newest.with_suffix(".json").write_text("{}")
    run(tmp_path / "parts")
    assert newest.name == "epoch_0001_step_0002" and "epoch_0001_step_0002.json: damaged" in capsys.readouterr().err
    assert_equal(tmp_path / "parts", tmp_path / "whole")


def test_images_that_are_read_ahead_train_as_those_in_memory(tmp_path):
    stored = Stored(IMAGES)
    whole = run(tmp_path / "whole")
    assert run(tmp_path / "read", stored) == whole and set(stored.read) == set(range(10))
    assert_equal(tmp_path / "read", tmp_path / "whole")
    with pytest.raises(Stopped):
        run(tmp_path / "parts", stored, stop_after=5)
    assert run(tmp_path / "parts", stored) == whole[1:]


def test_no_more_is_read_ahead_than_a_few_batches():
    stored = Stored(np.zeros((1000, 2, 2, 1), np.float32))
    batches = read_ahead(stored, np.arange(1000).reshape(250, 4))
    assert next(batches).shape == (4, 2, 2, 1) and len(stored.read) < 40
    batches.close()


def test_what_cannot_be_read_is_raised():
    def fail(index):
        raise OSError(5, "Input/output error", "/a/scan")

    stored = Stored(IMAGES)
    stored.images = type("Broken", (), {"__getitem__": staticmethod(fail), "__len__": lambda self: 4})()
    with pytest.raises(OSError, match="/a/scan"):
        list(read_ahead(stored, np.arange(4).reshape(2, 2)))
