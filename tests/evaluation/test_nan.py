"""No NaN is scored: every public function of evaluation/ is tried with one in each of its arguments."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import dynjax.evaluation
from dynjax.evaluation import paired
from dynjax.evaluation.metrics import METRICS, TABLES
from dynjax.evaluation.paired import Pairing, ScoredRun
from dynjax.evaluation.predictions import Prediction
from dynjax.evaluation.repeated import Repeat

N = 12
LABELS, FOLDS = np.arange(N) % 2, np.arange(N) // 2 % 3
SCORES = np.linspace(0.1, 0.9, N)[::-1] * (0.5 + LABELS / 2)
WEIGHTS, THRESHOLDS = np.ones(N), np.full(N, 0.5)
PREDICTIONS = [Prediction(f"s{i}", "1", int(FOLDS[i]), "AD" if LABELS[i] else "CN", SCORES[i]) for i in range(N)]
COUNTS = {"tp": 3.0, "fp": 2.0, "tn": 4.0, "fn": 1.0}
SCORED = {"labels": LABELS, "probabilities": SCORES}
WEIGHTED = SCORED | {"weights": WEIGHTS}

# Good arguments of every function that is given numbers; a NaN in any of them must raise ValueError.
REFUSING = {
    **{f"calibration.{name}": WEIGHTED for name in ("log_loss", "calibration_intercept", "calibration_slope", "ece")},
    "calibration.ece_if_calibrated": {"probabilities": SCORES, "seed": 0},
    "calibration.rank_bins": {"probabilities": SCORES},
    "delong.placements": {"labels": LABELS, "scores": SCORES},
    "delong.auc_interval": {"labels": LABELS, "scores": SCORES},
    "delong.mean_auc_interval": {"parts": [(SCORES, SCORES)] * 2},
    "delong.newcombe_interval": {"auc": 0.8, "positives": 6, "negatives": 6},
    "delong.delong_test": {"labels": LABELS, "first": SCORES, "second": SCORES[::-1]},
    "intervals.estimate_all": SCORED | {"seed": 0, "thresholds": THRESHOLDS},
    "intervals.estimate_within_folds": SCORED | {"folds": FOLDS},
    "intervals.wilson": {"part": 3.0, "whole": 12.0},
    "intervals.carried_wilson": {"name": "f1"} | COUNTS,
    **{f"metrics.{name}": WEIGHTED for name in ("confusion", "brier", "roc_auc", "average_precision")},
    "metrics.sensitivity_at_90_specificity": WEIGHTED,
    "metrics.roc_auc_within_folds": WEIGHTED | {"folds": FOLDS},
    **{f"METRICS.{name}": WEIGHTED for name in METRICS},
    "paired.pair": {"first": ScoredRun(PREDICTIONS, {0: 0.5, 1: 0.5, 2: 0.5})} | {
        "second": ScoredRun(PREDICTIONS, {0: 0.5, 1: 0.5, 2: 0.5}), "positive": "AD",
    },
    "paired.paired_tests": {"labels": LABELS, "first": SCORES, "second": SCORES[::-1]}
    | {"first_threshold": THRESHOLDS, "second_threshold": 0.5},
    "paired.holm": {"p_values": [0.1, 0.2, 0.3]},
    "paired.correct": {"pairings": [Pairing([0], N, paired.Test(0.1, None, 0.2), paired.Test(0.1, None, 0.3))]},
    "predictions.write_predictions": {"path": None, "predictions": PREDICTIONS},
    "predictions.by_subject": {"predictions": PREDICTIONS, "positive": "AD"},
    "repeated.estimate_repeats": {"labels": LABELS, "repeats": [Repeat(SCORES, THRESHOLDS, FOLDS)] * 2, "seed": 0},
    "resampling.bca_intervals": {"labels": LABELS, "statistics": {}, "seed": 0},
    "resampling.resamples": {"labels": LABELS, "seed": 0},
    "resampling.jackknife": {"labels": LABELS},
    "subgroups.estimate_subgroups": SCORED | {"thresholds": THRESHOLDS, "columns": {"sex": ["F"] * N}, "seed": 0},
    "threshold.best_threshold": {"labels": LABELS, "probabilities": SCORES},
    "numbers.refuse_nan": {"scores": SCORES},
}  # fmt: skip
# Functions of counts, whose answer to a NaN is NaN, unless they do not look at that count.
PASSING = {
    **{f"metrics.{name}": COUNTS for name in ("f1", "balanced_accuracy", "mcc", "average_precision_of_calls")},
    **{f"metrics.{name}": COUNTS | {"prevalence": 0.3} for name in ("ppv", "npv")},
    **{f"TABLES.{name}": COUNTS for name in TABLES},
}
WITHOUT_SCORES = {
    "intervals.describe_intervals": "describes",
    "repeated.describe_repeats": "describes",
    "predictions.read_predictions": "reads a file; one with NaN is damaged, as another test says",
    "paired.mcnemar_test": "of truth values",
    "metrics.whole_folds": "chooses members",
    "resampling.acceleration": "of resampled values, of which some may be undefined: it is 0 then",
}


def public_functions():
    for module in pkgutil.iter_modules(dynjax.evaluation.__path__):
        loaded = importlib.import_module(f"dynjax.evaluation.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            if function.__module__ == loaded.__name__ and not name.startswith("_"):
                yield f"{module.name}.{name}"


def function_of(name):
    home, _, own = name.partition(".")
    tables = {"METRICS": METRICS, "TABLES": TABLES}
    return tables[home][own] if home in tables else getattr(importlib.import_module(f"dynjax.evaluation.{home}"), own)


def with_a_nan(value):
    """The value with one NaN in it, in every place where there can be one; nothing for what holds no numbers."""
    if isinstance(value, Prediction | paired.Test | Repeat | ScoredRun | Pairing):
        names = {Prediction: ["probability"], paired.Test: ["p"]}.get(type(value), value._fields)
        yield from (value._replace(**{name: bad}) for name in names for bad in with_a_nan(getattr(value, name)))
    elif isinstance(value, dict):
        yield from (value | {key: bad} for key, own in value.items() for bad in with_a_nan(own))
    elif isinstance(value, np.ndarray):
        yield np.where(np.arange(len(value)) == 3, np.nan, value)
    elif isinstance(value, list | tuple) and value:
        yield from (type(value)([bad, *value[1:]]) for bad in with_a_nan(value[0]))
    elif isinstance(value, float | np.floating):
        yield float("nan")


def call(name, arguments):
    function = function_of(name)
    by_place = name.startswith(("METRICS.", "TABLES."))
    answer = function(*arguments.values()) if by_place else function(**arguments)
    if inspect.isgenerator(answer):
        return [list(each) if inspect.isgenerator(each) else each for each in answer]
    return answer


def test_every_public_function_stands_here():
    named = {name for name in (*REFUSING, *PASSING, *WITHOUT_SCORES) if name[0].islower()}
    assert set(public_functions()) == named


@pytest.mark.parametrize("name", REFUSING)
def test_a_nan_is_refused(name, tmp_path):
    good = {key: tmp_path / "p.csv" if key == "path" else value for key, value in REFUSING[name].items()}
    call(name, good)
    tried = 0
    for key, value in good.items():
        for bad in with_a_nan(value):
            tried += 1
            if key == "weights":  # made by resampling, not by anyone's data
                assert np.isnan(call(name, good | {key: bad})).any()
            else:
                with pytest.raises(ValueError, match="NaN"):
                    call(name, good | {key: bad})
    assert tried


@pytest.mark.parametrize("name", PASSING)
def test_a_nan_among_counts_is_passed_on(name):
    for key in COUNTS:
        answer = call(name, PASSING[name] | {key: float("nan")})
        counted = call(name, PASSING[name]) != call(name, PASSING[name] | {key: 9.0})
        assert np.isnan(answer) if counted else answer == call(name, PASSING[name]), key
