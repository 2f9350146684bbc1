"""Folds that are trained as one program: the numbers of each alone, also after a stop and with sizes that differ."""

import operator

import jax
import numpy as np
import pytest

from dynjax.errors import DynjaxError, Stopped
from dynjax.models.build import Options, build_classifier
from dynjax.training import checkpoint
from dynjax.training.loop import Fold, make_trainer, train_folds
from dynjax.training.plan import make_mesh, make_plan, stack_states
from dynjax.training.saver import Saver
from dynjax.training.step import create_state, make_optimizer, make_train_step
from tests.training.test_loop import IMAGES, LABELS, SCHEDULE
from tests.training.test_step import linear_network

SIZES = (10, 9, 8, 10)  # three steps, three steps, two steps, three steps


def run(path, numbers, side_by_side, stop_after=None, images=IMAGES):
    """Returns (fold, epoch, loss) of every epoch that was run, and how many epochs of each fold were done before."""
    network = linear_network()
    schedule, mesh = SCHEDULE._replace(side_by_side=side_by_side), make_mesh(1, side_by_side, SCHEDULE.batch_size)
    trainer = make_trainer(network, jax.jit(network.init), schedule, mesh)
    folds = [Fold(n, images[: SIZES[n]], LABELS[: SIZES[n]], path / f"{n}", {"of": n}) for n in numbers]
    epochs, starts = [], {}

    def is_time():
        return stop_after is not None and epochs[-1:] != [] and epochs[-1].epoch >= stop_after

    with Saver() as saver:
        train_folds(trainer, folds, starts.__setitem__, epochs.append, is_time, saver)
    assert all(epoch.seconds > 0 for epoch in epochs)
    return [(epoch.fold, epoch.epoch, epoch.loss) for epoch in epochs], starts


def network_of(folder):
    return jax.tree.leaves(
        checkpoint.load_network(checkpoint.latest(folder), *linear_network().init(jax.random.key(0)))
    )


@pytest.fixture
def together(tmp_path):
    return tmp_path / "together", run(tmp_path / "together", range(4), 4)


def test_each_fold_gives_the_numbers_that_it_gives_alone(tmp_path, together):
    path, (epochs, starts) = together
    assert starts == dict.fromkeys(range(4), 0) and len(epochs) == 4 * SCHEDULE.epochs
    for fold in range(4):
        alone, _ = run(tmp_path / "alone", [fold], 1)
        ours = [epoch for epoch in epochs if epoch[0] == fold]
        np.testing.assert_allclose(ours, alone, rtol=1e-4)
        for mine, its in zip(network_of(path / f"{fold}"), network_of(tmp_path / "alone" / f"{fold}")):
            np.testing.assert_allclose(mine, its, rtol=1e-4, atol=1e-6)
        about = checkpoint.read_about(checkpoint.latest(path / f"{fold}"))
        assert (about["fold"], about["of"], about["n_train"], about["epoch"]) == (fold, fold, SIZES[fold], 6)
        assert about["train_loss"] == ours[-1][2] and about["train_seconds"] > 0


def test_stopped_and_resumed_in_other_company_equals_uninterrupted_bit_for_bit(tmp_path, together):
    """The first stop leaves fold 2, which has fewer steps, at its end; then fold 0 is alone, and then the rest."""
    path, _ = together
    with pytest.raises(Stopped, match=r"fold 2 after epoch 3; the same"):
        run(tmp_path / "parts", range(4), 4, stop_after=2)
    with pytest.raises(Stopped, match=r"fold 0 after epoch 4"):
        run(tmp_path / "parts", [0], 4, stop_after=3)
    epochs, starts = run(tmp_path / "parts", range(4), 4)
    assert starts == {0: 4, 1: 0, 2: 3, 3: 0} and [epoch[1] for epoch in epochs if epoch[0] == 0] == [5, 6]
    for fold in range(4):
        for whole, parts in zip(network_of(path / f"{fold}"), network_of(tmp_path / "parts" / f"{fold}")):
            assert (whole == parts).all()
    assert run(tmp_path / "parts", range(4), 4) == ([], dict.fromkeys(range(4), 6))


def test_the_fold_whose_loss_is_not_finite_is_named(tmp_path):
    images = IMAGES.copy()
    images[9] = np.nan  # which fold 1, of nine, does not have
    with pytest.raises(DynjaxError, match=r"the loss of fold 3 is not finite in epoch 1"):
        run(tmp_path, [1, 3], 2, images=images)


def test_a_real_network_takes_the_steps_that_it_takes_alone():
    """With BatchNorm and dropout; by the gradients of a first step, since Adam's steps have the size of the rate."""
    network, optimizer = build_classifier("alexnet", (110, 110), Options(head="released")), make_optimizer()
    train_step, rng = make_train_step(network, optimizer), np.random.default_rng(0)
    images = rng.normal(size=(2, 8, 110, 110, 1)).astype(np.float32)
    labels, order = np.array([[0, 1] * 4] * 2), np.arange(16, dtype=np.int32).reshape(2, 1, 8) % 8
    keys = np.array([[0, 1], [2, 3]], np.uint32)
    initial = [create_state(*jax.jit(network.init)(jax.random.key(fold)), optimizer) for fold in (0, 1)]
    of_two, of_one = make_plan(train_step, make_mesh(1, 2, 8), 2), make_plan(train_step, make_mesh(1, 1, 8))
    inputs = (stack_states(initial), images, labels, order, keys)
    both, metrics = of_two.run_epoch(*of_two.place(inputs), np.float32(1e-4))
    for fold, ours in enumerate(of_two.unstack(both)):
        own = jax.tree.map(operator.itemgetter(slice(fold, fold + 1)), inputs)
        alone, its = of_one.run_epoch(*of_one.place(own), np.float32(1e-4))
        assert metrics.loss[fold, 0] == pytest.approx(float(its.loss[0, 0]), rel=1e-5)
        mine, theirs = (np.concatenate([g.ravel() for g in jax.tree.leaves(s.opt_state.mu)]) for s in (ours, alone))
        assert np.abs(mine - theirs).max() <= 1e-4 * np.abs(theirs).max()
        for mine, theirs in zip(jax.tree.leaves(ours.batch_stats), jax.tree.leaves(alone.batch_stats)):
            np.testing.assert_allclose(mine, theirs[0], rtol=1e-4, atol=1e-6)
