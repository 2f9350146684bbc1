"""Every key of a config at and beyond its bounds: a value is refused by the key's name, or what it is for takes it."""

import math

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict, FrozenConfigDict
from sklearn.model_selection import StratifiedKFold

from configs.base import SOLVED, experiment, paper
from dynjax.cohort.phantom.subject import draw_subjects
from dynjax.errors import UsageError
from dynjax.run import settings
from dynjax.run.keys import KEYS
from dynjax.training.loop import Schedule, fold_key, step_key
from tests.command import TINY, main

WHOLE = [0, 1, -1, 2, 31, 32, 2**31, 2**32 - 1, 2**32, 2**63, 2**64, 10**400, -(10**400)]
REAL = [0.0, -0.0, 1.0, 5e-324, 1e-300, 0.05, 50.0, 1e300, math.inf, -math.inf, math.nan]
OTHER = [True, False, None, "", "x", "a\0b", "~nobodyhere", "é\udce9", b"x", object(), [], {}, {"a": 1}]
SEVERAL = [(), (0,), (-1,), (0, 0), ("a",), ("a", "a"), ("", "b"), ("a", 1), (None, None), (32, 32), (32, 32, 32)]
SEVERAL += [(math.nan,) * 3, (math.inf,) * 3, (10**400,) * 3, (20000,) * 3, (True,) * 3, (512, 512, 512)]
KNOWN = {name: key.default for name, key in KEYS.items()}


def changed(name, value) -> ConfigDict:
    values = paper().to_dict()
    *sections, last = name.split(".")
    inner = values
    for section in sections:
        inner = inner[section]
    inner[last] = value
    return ConfigDict(values)


def use(config: FrozenConfigDict) -> None:
    """Does with the numbers what a run does, as far as that takes no time."""
    assert settings.to_dict(settings.from_dict(settings.to_dict(config))) == settings.to_dict(config)
    settings.identity_digest(config)
    settings.projection_of(config), settings.network_options(config), settings.input_size(config)
    train, seed = config.train, config.seed
    list(StratifiedKFold(2, shuffle=True, random_state=seed).split(range(4), [0, 0, 1, 1]))
    np.random.default_rng([seed, 0, 0]), np.random.default_rng(seed)
    jax.random.uniform(fold_key(seed, 0)), step_key(seed, 0)
    draw_subjects(4, config.cohort.phantom.seed, config.cohort.labels)
    schedule = Schedule(train.epochs, 4, train.learning_rate, 1, seed, train.learning_rate_decay, train.weight_decay)
    rates = [schedule.learning_rate_of(epoch) for epoch in (0, train.epochs - 1)]
    assert 0 < rates[0] < math.inf and 0 <= rates[1] < math.inf and np.float32(train.weight_decay) < math.inf
    assert math.prod(config.volume.grid) * 4 <= 2**29 and config.train.only_folds is not None


@pytest.mark.parametrize("name", KEYS)
def test_any_value_of_a_key_is_used_or_refused_in_words(name):
    used = []
    for value in (*WHOLE, *REAL, *OTHER, *SEVERAL, KNOWN[name]):
        config = changed(name, value)
        try:
            resolved = settings.resolve(config)
        except UsageError as error:
            assert name in str(error)
        else:
            use(resolved)
            used.append(value)
    assert KNOWN[name] in used


@pytest.mark.parametrize(
    ("name", "lowest", "highest", "beyond"),
    [
        ("seed", 0, 2**32 - 1, (-1, 2**32)),
        ("cohort.phantom.seed", 0, 2**32 - 1, (-1, 2**32)),
        ("cohort.phantom.n", 4, 9999, (3, 10000)),
        ("volume.spacing", 0.05, 50.0, (0.049, 50.1, math.inf, math.nan)),
        ("volume.grid", (32, 32, 32), (512, 512, 512), ((31, 32, 32), (512, 512, 513), (20000,) * 3)),
        ("projection.slabs", 1, 55, (0, 1025)),
        ("model.dropout", 0.0, 0.999, (-0.1, 1.0, math.nan)),
        ("model.n_patches", 1, 27, (0, 28)),
        ("train.epochs", 1, 10**6, (0, 10**6 + 1)),
        ("train.batch_size", 1, 2**16, (0, 2**16 + 1)),
        ("train.learning_rate", 1e-12, 1e3, (0.0, 1e-13, 1e4, math.inf, math.nan)),
        ("train.learning_rate_decay", 1e-9, 1.0, (0.0, 1.1, math.nan)),
        ("train.weight_decay", 0.0, 1e3, (-0.1, 1e4, math.inf, math.nan)),
        ("train.folds", 2, 10**4, (1, 10**4 + 1)),
        ("train.repeats", 1, 100, (0, 101)),
        ("train.devices", 1, 2**16, (0, 2**16 + 1)),
        ("train.checkpoint_every", 1, 10**6, (0, 10**6 + 1)),
    ],
)
def test_the_bounds_are_where_they_are_said_to_be(name, lowest, highest, beyond):
    for value in (lowest, highest):
        use(settings.resolve(changed(name, value)))
    for value in beyond:
        with pytest.raises(UsageError, match=f"{name}=.*must be"):
            settings.resolve(changed(name, value))


def test_every_number_has_its_bounds_tried():
    """Above: another number among the keys needs a line there."""
    marks = next(
        mark for mark in test_the_bounds_are_where_they_are_said_to_be.pytestmark if mark.name == "parametrize"
    )
    numbers = {name for name, value in KNOWN.items() if type(value) in (int, float)} | {"volume.grid"}
    assert numbers - {"volume.recipe", "model.penalty"} == {row[0] for row in marks.args[1]}


def test_the_bounds_of_the_penalty_which_is_for_a_linear_answer():
    for value in (0.0, 1e-6, 1e6, -1.0, 1e-7, 1e7, math.inf, math.nan):
        config = experiment(SOLVED, "", 1)
        config.model.penalty = value
        if value in (0.0, 1e-6, 1e6):
            use(settings.resolve(config))
            continue
        with pytest.raises(UsageError, match=r"model\.penalty=.*must be 0, or a number"):
            settings.resolve(config)


@pytest.mark.parametrize("text", ["inf", "nan", "-1", "1e400", "0x10", "1_0", "", "99999999999999999999"])
@pytest.mark.parametrize("name", ["volume.spacing", "seed"])
def test_the_shells_numbers_are_refused_in_words(name, text):
    done = main("check", *TINY, f"--config.{name}={text}", "--config.cohort.table=nowhere.csv")
    assert (
        done.returncode == (3 if (name, text) in (("seed", "0x10"), ("seed", "1_0"), ("volume.spacing", "1_0")) else 2)
        and len(done.stderr.splitlines()) <= 2
    ), done.stderr
