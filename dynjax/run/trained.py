"""Loads the trained networks of a run from its checkpoints."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import FrozenConfigDict

from dynjax.errors import DynjaxError, InputError, UsageError
from dynjax.frozen.trunk import FrozenTrunk
from dynjax.models.build import Tree, build_classifier, count_trunk
from dynjax.models.classifier import Options
from dynjax.projection.project import WHOLE
from dynjax.report.terminal import print_text
from dynjax.run import settings
from dynjax.run.inputs import check_trunk, trunk_of
from dynjax.run.workdir import Workdir
from dynjax.training import checkpoint, processes
from dynjax.training.examples import Images, read_ahead, steps_of
from dynjax.work.compiling import announced

BATCH, VOLUME_BATCH = 16, 2  # images or volumes that are predicted at a time


class Answers(NamedTuple):
    """Answers of a network: probabilities of the positive class, float32 [N]; features under its last layer [N, D]."""

    probabilities: np.ndarray
    features: np.ndarray


class Trained(NamedTuple):
    """A fold's network: answer(images [N, H, W, C]) -> Answers.

    about: the checkpoint's description. parameters: how many numbers were trained. frozen: how many others it has.
    trunk: what makes its inputs of images, where that stands still. network: its parameters and batch statistics. path:
    its checkpoint; both are those of networks alone, not of baselines.
    """

    answer: Callable[[Images], Answers]
    config: FrozenConfigDict
    about: dict[str, Any]
    parameters: int
    frozen: int = 0
    trunk: FrozenTrunk | None = None
    network: tuple[Tree, Tree] = ({}, {})
    path: Path | None = None

    def probability(self, images: Images) -> np.ndarray:
        """Returns the probabilities of the positive class, float32 [N]."""
        return self.answer(images).probabilities


def load_trained(path: Path) -> Trained:
    """Loads a network, without the optimizer, by the config in its checkpoint. Raises: InputError if it cannot."""
    about = checkpoint.read_about(path)
    try:
        config = settings.from_dict(about["config"])
    except UsageError as error:
        raise InputError(f"{path}: {error}") from None
    shapes, _ = _network(config.model.name, settings.input_size(config), settings.network_options(config))
    network = checkpoint.load_network(path, *shapes)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(network[0]))
    frozen = count_trunk(config.model.name, config.model.cut) if settings.is_frozen(config) else 0
    answer = functools.partial(answers, config, *network)
    return Trained(answer, config, about, parameters, frozen, network=network, path=path)


def probabilities(config: FrozenConfigDict, params: Tree, batch_stats: Tree, images: Images) -> np.ndarray:
    """Computes the probabilities of the positive class, float32 [N]. Args: as `answers`."""
    return answers(config, params, batch_stats, images).probabilities


def answers(config: FrozenConfigDict, params: Tree, batch_stats: Tree, images: Images) -> Answers:
    """Runs a network on images [N, H, W, C], or on volumes [N, X, Y, Z, 1]. Raises: DynjaxError as `check_numbers`."""
    _, predict = _network(config.model.name, settings.input_size(config), settings.network_options(config))
    most = VOLUME_BATCH if config.projection.name in WHOLE else BATCH
    # Filled up to powers of two, so that few programs are compiled.
    size = min(most, 2 ** (len(images) - 1).bit_length())
    order = np.resize(np.arange(len(images)), (steps_of(len(images), size), size))
    batches = [jax.device_get(predict(params, batch_stats, batch)) for batch in read_ahead(images, order)]
    found = Answers(*(np.concatenate(parts)[: len(images)] for parts in zip(*batches)))
    check_numbers(found.probabilities)
    return found


def check_numbers(probabilities: np.ndarray) -> None:
    """Raises DynjaxError if a probability is NaN, which would be ranked, or called, by accident."""
    if lost := int(np.isnan(probabilities).sum()):
        raise DynjaxError(
            f"{lost} of {len(probabilities)} scans got no number as their probability (NaN): look for extreme "
            "intensities in them, or lower --config.train.learning_rate and train in a new --workdir"
        )


def scored_checkpoint(workdir: Workdir, fold: int) -> Path | None:
    """Returns the checkpoint by which a fold is scored, of its last or its selected epoch; None until it is trained.

    Raises: InputError if that checkpoint is damaged or missing.
    """
    newest = checkpoint.latest(workdir.fold(fold))
    if newest is None:
        return None
    about = checkpoint.read_about(newest)
    if about["epoch"] < about["config"]["train"]["epochs"]:
        return None
    if about["config"]["evaluate"]["select"] == "last":
        return newest
    selected = checkpoint.latest(workdir.selected(fold))
    if selected is None:
        raise InputError(f"{workdir.selected(fold)}: no checkpoint is here; train this fold again in a new --workdir")
    return selected


def load_networks(workdir: Workdir) -> list[Trained]:
    """Loads the networks of all folds that are trained to their end; says so if some are not, or raises InputError."""
    processes.check_backend()
    runs = workdir.repeats()
    checkpoints = [scored_checkpoint(run, fold) for run in runs for fold in run.begun_folds()]
    done = [load_trained(path) for path in checkpoints if path is not None]
    if not done:
        raise InputError(workdir.why_no_network())
    if trunk := trunk_of(done[0].config, runs[0]):  # of repeats, all have the same
        for network, path in zip(done, filter(None, checkpoints)):
            check_trunk(trunk, network.about, path)
        done = [network._replace(trunk=trunk) for network in done]
    expected = done[0].config.train.folds * len(runs)
    if len(done) < expected:
        print_text(f"{len(done)} of {expected} folds are trained to the end; only their networks are used")
    return done


@functools.cache
def _network(name: str, size: tuple[int, ...], options: Options):
    """Returns the shapes of params and batch statistics, and one jitted function for all folds' networks."""
    network = build_classifier(name, size, options)

    def predict(params, batch_stats, images):
        logits, _ = network.apply(params, batch_stats, images, train=False)
        features = network.features(params, batch_stats, images)  # of the same program: computed once
        positive = jax.nn.softmax(logits)[..., 1]
        return positive if positive.ndim == 1 else positive.mean(-1), features

    return network.shapes(), announced(jax.jit(predict), "the network")
