"""A fold from its first epoch to its last: stopped and resumed, damaged, and gone astray."""

import contextlib
import json
import shutil
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynjax.errors import DynjaxError, InputError, Stopped
from dynjax.training import checkpoint
from dynjax.training.events import EventLog
from dynjax.training.loop import Fold, Schedule, is_finished, make_trainer, train_fold
from dynjax.training.plan import make_mesh
from dynjax.training.saver import Saver
from dynjax.training.selection import Selection
from tests.training.test_step import linear_network

SCHEDULE = Schedule(epochs=6, batch_size=4, learning_rate=0.05, checkpoint_every=2, seed=3)
LABELS = np.array([0, 1] * 5, np.int32)
IMAGES = np.random.default_rng(0).normal(size=(10, 3, 3, 1)).astype(np.float32) + LABELS[:, None, None, None]


def run(folder, schedule=SCHEDULE, images=IMAGES, stop_after=None, selection=None, saver=None, network=None):
    """Trains fold 1; returns the epochs that were run and where they began."""
    network = network or linear_network()
    trainer = make_trainer(network, jax.jit(network.init), schedule, make_mesh(1, schedule.batch_size))
    epochs, starts = [], []
    fold = Fold(1, images, LABELS, folder, {"config": {"a": (1, 2)}}, selection)

    def is_time():
        return stop_after is not None and len(epochs) >= stop_after

    with contextlib.nullcontext(saver) if saver else Saver() as saver:
        train_fold(trainer, fold, lambda number, done: starts.append(done), epochs.append, is_time, saver)
    return epochs, starts


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def arrays(folder):
    network = linear_network()
    return checkpoint.load_network(checkpoint.latest(folder), *network.init(jax.random.key(0)))


def test_it_learns_reports_and_saves(tmp_path):
    epochs, starts = run(tmp_path / "f")
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4, 5, 6] and starts == [0]
    assert epochs[-1].loss < epochs[0].loss and all(epoch.fold == 1 and epoch.seconds > 0 for epoch in epochs)
    assert names(tmp_path / "f") == ["epoch_0006", "epoch_0006.json"]
    about = checkpoint.read_about(checkpoint.latest(tmp_path / "f"))
    assert (about["epoch"], about["fold"], about["n_train"], about["config"]) == (6, 1, 10, {"a": [1, 2]})
    assert 5e7 < about["peak_memory_bytes"] < 1e11
    assert is_finished(tmp_path / "f", 6) and not is_finished(tmp_path / "f", 7) and not is_finished(tmp_path, 6)
    assert float(arrays(tmp_path / "f")[1]["passes"]) == 18


def test_stopped_and_resumed_equals_uninterrupted_bit_for_bit(tmp_path):
    run(tmp_path / "whole")
    with pytest.raises(Stopped, match="fold 1 after epoch 3"):
        run(tmp_path / "parts", stop_after=2)
    assert not is_finished(tmp_path / "parts", 6)
    epochs, starts = run(tmp_path / "parts")
    assert starts == [3] and [epoch.epoch for epoch in epochs] == [4, 5, 6]
    for whole, parts in zip(jax.tree.leaves(arrays(tmp_path / "whole")), jax.tree.leaves(arrays(tmp_path / "parts"))):
        assert (whole == parts).all()
    assert run(tmp_path / "parts") == ([], [6])


def test_the_learning_rate_falls_after_each_epoch(tmp_path):
    schedule = SCHEDULE._replace(learning_rate_decay=0.5)
    assert [schedule.learning_rate_of(epoch) for epoch in (0, 1, 3)] == [np.float32(0.05), np.float32(0.025), 0.00625]
    run(tmp_path / "a", schedule)
    run(tmp_path / "b", SCHEDULE._replace(epochs=1))
    run(tmp_path / "c", SCHEDULE._replace(learning_rate_decay=1e-9))
    one, stalled = arrays(tmp_path / "b")[0]["w"], arrays(tmp_path / "c")[0]["w"]
    np.testing.assert_allclose(one, stalled, atol=1e-6)
    assert np.abs(arrays(tmp_path / "a")[0]["w"] - one).max() > 1e-3


def test_the_first_epoch_that_scores_best_is_kept_also_after_a_stop(tmp_path):
    scores = [[0.5, 0.1], [0.7, 0.2], [0.7, 0.3], [0.6, 0.9], [0.7, 0.3], [0.1, 1.0]]

    def select(done):
        remaining = iter(scores[done:])
        return Selection(tmp_path / "s", lambda params, stats: {"score": next(remaining)})

    run(tmp_path / "whole", selection=select(0))
    assert checkpoint.read_about(checkpoint.latest(tmp_path / "s"))["epoch"] == 3
    passes = checkpoint.load_network(checkpoint.latest(tmp_path / "s"), *linear_network().init(jax.random.key(0)))[1]
    assert float(passes["passes"]) == 9, "three epochs of three steps"
    shutil.rmtree(tmp_path / "s")
    with pytest.raises(Stopped):
        run(tmp_path / "parts", stop_after=4, selection=select(0))
    run(tmp_path / "parts", selection=select(4))
    assert checkpoint.read_about(checkpoint.latest(tmp_path / "s"))["epoch"] == 3


def test_the_optimizer_is_kept_apart_and_only_until_the_end(tmp_path):
    with pytest.raises(Stopped):
        run(tmp_path, stop_after=2)
    assert {path.name for path in checkpoint.latest(tmp_path).iterdir()} >= {"network", "optimizer"}
    run(tmp_path)
    assert not (checkpoint.latest(tmp_path) / "optimizer").exists()


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    images = IMAGES.copy()
    images[4] = np.nan
    with pytest.raises(DynjaxError, match=r"fold 1 is not finite in epoch 1.*learning_rate") as error:
        run(tmp_path, images=images)
    assert error.value.exit_code == 1


def statistics_that_overflow(after):
    """The linear network, whose statistics, though no loss, become infinite in its last pass but `after`."""
    network = linear_network()

    def apply(*arguments, **how):
        logits, stats = network.apply(*arguments, **how)
        return logits, {"passes": jnp.where(stats["passes"] > after, jnp.inf, stats["passes"])}

    return network._replace(apply=apply)


@pytest.mark.parametrize("what", ["loss", "network"])
def test_a_last_update_that_goes_astray_stops_the_run_too(what, tmp_path, monkeypatch):
    """Each loss that training sees is of before an update: what the last one makes is looked at before it is saved."""
    schedule = SCHEDULE._replace(batch_size=10)  # an epoch is one step
    network = statistics_that_overflow(after=5) if what == "network" else linear_network()
    rates = [0.05] * 5 + [3e38 if what == "loss" else 0.05]  # of parameters that are finite, and logits that are not
    monkeypatch.setattr(Schedule, "learning_rate_of", lambda _, epoch: np.float32(rates[epoch]))
    for _ in range(2):  # the same command ends in the same way
        with pytest.raises(DynjaxError, match=f"the {what} of fold 1 is not finite in epoch 6.*learning_rate") as error:
            run(tmp_path, schedule, network=network)
        assert error.value.exit_code == 1 and checkpoint.epochs_done(tmp_path) in (2, 4)


def test_a_network_that_goes_astray_is_not_selected(tmp_path):
    """It is seen before it is scored: a NaN among the scores would be the first to be ranked."""
    network, offered = statistics_that_overflow(after=2), []
    selection = Selection(tmp_path / "s", lambda params, stats: offered.append(stats) or {"score": [len(offered)]})
    with pytest.raises(DynjaxError, match="the network of fold 1 is not finite in epoch 3"):
        run(tmp_path / "f", SCHEDULE._replace(batch_size=10), network=network, selection=selection)
    assert [float(stats["passes"]) for stats in offered] == [1, 2]


def test_what_a_killed_save_left_is_ignored_and_removed(tmp_path):
    (tmp_path / "epoch_0004.orbax-checkpoint-tmp-7").mkdir()
    (tmp_path / "epoch_0006" / "network").mkdir(parents=True)  # killed before its description was written
    epochs, _ = run(tmp_path)
    assert len(epochs) == 6 and names(tmp_path) == ["epoch_0006", "epoch_0006.json"]


def test_what_a_kill_after_the_last_save_left_is_removed(tmp_path):
    """The fold is finished then, and no further save would remove it."""
    run(tmp_path)
    shutil.copytree(tmp_path / "epoch_0006", tmp_path / "epoch_0004")
    shutil.copy(tmp_path / "epoch_0006.json", tmp_path / "epoch_0004.json")
    (tmp_path / "epoch_0006.orbax-checkpoint-tmp-0").mkdir()
    checkpoint.tidy(tmp_path)
    assert names(tmp_path) == ["epoch_0006", "epoch_0006.json"]
    checkpoint.tidy(tmp_path / "nowhere")


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(tmp_path, capsys):
    """Bits flipped in arrays, manifests and descriptions: the run ends as if they had not been."""
    run(tmp_path / "whole")
    with pytest.raises(Stopped):
        run(tmp_path / "parts", stop_after=4)
    folder = tmp_path / "parts"
    newest, before = (checkpoint.read_about(path)["epoch"] for path in checkpoint.saved(folder))
    assert newest == 5 and before in (2, 4), "4 is left out while 2 is being written"
    files = [file for file in sorted(folder.rglob("epoch_0005*/**/*")) if file.is_file() and file.stat().st_size]
    files.append(folder / "epoch_0005.json")
    rng = np.random.default_rng(2)
    for trial in range(6):
        shutil.copytree(folder, copy := tmp_path / f"{trial}")
        damaged = copy / rng.choice(files).relative_to(folder)
        content = bytearray(damaged.read_bytes())
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        damaged.write_bytes(content)
        _, starts = run(copy)
        said = capsys.readouterr().err
        assert starts == [before] and "epoch_0005" in said and "trying the one before" in said
        for whole, parts in zip(jax.tree.leaves(arrays(tmp_path / "whole")), jax.tree.leaves(arrays(copy))):
            assert (whole == parts).all()
        assert names(copy) == ["epoch_0006", "epoch_0006.json"]


def test_with_no_checkpoint_left_whole_it_says_so(tmp_path):
    with pytest.raises(Stopped):
        run(tmp_path, stop_after=4)
    for description in tmp_path.glob("*.json"):
        description.write_text("{}")
    with pytest.raises(InputError, match=r"epoch_0005\.json: damaged; delete"):
        run(tmp_path)


def test_a_checkpoint_that_cannot_be_written_ends_the_run_and_keeps_the_one_before(tmp_path, monkeypatch):
    save = checkpoint.save

    def full_after_four(folder, state, epoch, *rest):
        if epoch > 4:
            raise OSError(28, "No space left on device")
        return save(folder, state, epoch, *rest)

    monkeypatch.setattr(checkpoint, "save", full_after_four)
    for stop_after in (None, 4):  # at the end of the run, and of a stop, which must not say that all was saved
        with pytest.raises(OSError, match="No space left"):
            run(tmp_path, stop_after=stop_after)
        assert checkpoint.epochs_done(tmp_path) in (2, 4)
    monkeypatch.undo()
    assert run(tmp_path)[1][0] in (2, 4)


def test_no_checkpoint_is_read_while_another_fold_s_is_being_written(tmp_path, monkeypatch):
    """Orbax mixes them up, and loses the one that is written."""
    with pytest.raises(Stopped):
        run(tmp_path / "resumed", stop_after=2)
    happened, save, load = [], checkpoint.save, checkpoint.load_state

    def saved(*arguments):
        happened.append("saving")
        time.sleep(0.3)
        save(*arguments)
        happened.append("saved")

    monkeypatch.setattr(checkpoint, "save", saved)
    monkeypatch.setattr(checkpoint, "load_state", lambda *a: happened.append("load") or load(*a))
    with Saver() as saver:
        for folder in ("finished", "resumed"):
            run(tmp_path / folder, saver=saver)
    assert happened[happened.index("load") - 1] == "saved"
    assert is_finished(tmp_path / "finished", 6) and is_finished(tmp_path / "resumed", 6)


def test_a_failed_save_is_told_even_if_training_fails_next(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(OSError, match="No space left"), Saver() as saver:
        run(tmp_path / "first", SCHEDULE._replace(epochs=1), saver=saver)
        raise DynjaxError("the loss is not finite")


def test_damage_is_noticed(tmp_path):
    """Any flipped bit of the arrays, of Orbax's manifests or of the description is refused by name."""
    run(tmp_path)
    path = checkpoint.latest(tmp_path)
    good = arrays(tmp_path)
    files = [file for file in [*path.rglob("*"), path.with_suffix(".json")] if file.is_file() and file.stat().st_size]
    rng = np.random.default_rng(1)
    for _ in range(200):
        file = files[rng.integers(len(files))]
        content = file.read_bytes()
        changed = bytearray(content)
        changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
        file.write_bytes(changed)
        with pytest.raises(InputError, match="damaged") as error:
            arrays(tmp_path)
        assert str(path) in str(error.value)
        file.write_bytes(content)
    assert all((a == b).all() for a, b in zip(jax.tree.leaves(good), jax.tree.leaves(arrays(tmp_path))))
    next(path.rglob("d/*")).unlink()
    with pytest.raises(InputError, match="changed or missing"):
        arrays(tmp_path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(InputError, match="has other arrays than this config's network"):
        checkpoint.load_network(checkpoint.latest(tmp_path), {"v": jnp.ones(3)}, {})


def test_events_of_repeated_epochs_stand_once(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    for fold, epoch in ((0, 1), (1, 1), (0, 2), (0, 3)):
        log.append({"fold": fold, "epoch": epoch, "loss": 0.5})
    with open(log.path, "a") as file:
        file.write('{"fold": 0, "epo')  # cut short by a kill
    log.rewind(0, 1)
    log.append({"fold": 0, "epoch": 2, "loss": 0.25})
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert [(line["fold"], line["epoch"], line["loss"]) for line in lines] == [(0, 1, 0.5), (1, 1, 0.5), (0, 2, 0.25)]
