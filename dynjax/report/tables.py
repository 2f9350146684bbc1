"""The tables of a run's page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dynjax.evaluation.metrics import THRESHOLD
from dynjax.report.curves import Bins
from dynjax.report.facts import Facts
from dynjax.report.named import origin_name, setting_name
from dynjax.report.page import Table
from dynjax.report.results_table import SUBGROUP_METRICS, shown_subgroups
from dynjax.report.wording import (
    IF_CALIBRATED,
    METRIC_NAMES,
    counted,
    estimate_text,
    interval,
    name_folds,
    number,
    of_whole_run,
    trained_on_text,
)

GIBI = 2**30


def cohort(facts: Facts) -> Table:
    """Counts the scans at each step, and the subjects evaluated at the end."""
    counts = facts.results["cohort"]
    excluded = {reason: count for reason, count in counts["excluded"].items() if count}
    rows = [("Scans in the table", counts["n_scans"] + sum(excluded.values()))]
    rows += [(f"Left out: {reason}", count) for reason, count in excluded.items()]
    rows.append(("Scans used", counts["n_scans"]))
    missing = facts.results.get("folds_missing")
    if missing:
        rows.append((f"Not evaluated yet: {name_folds(missing)}", counts["n_scans"] - answered(facts.results)))
    rows += [(f"Subjects evaluated: {name}", int((facts.labels == i).sum())) for i, name in enumerate(facts.classes)]
    numbers = (["step", "count", "mark"], [(*row, facts.mark) for row in rows])
    cells = [[name, f"{count:,}"] for name, count in rows]
    return Table("cohort", facts.marked("The numbers of the flow diagram."), ["", "count"], cells, numbers)


def answered(results: Mapping[str, Any]) -> int:
    """Returns how many scans have a prediction."""
    return sum(fold["n_test"] for fold in results["folds"])


def metrics(facts: Facts) -> Table:
    """Tabulates every metric, over all subjects with its interval and in each fold."""
    results, folds = facts.results, [] if facts.external else facts.results["folds"]
    rows, numbers = [], []
    for name, title in METRIC_NAMES.items():
        if name not in results["metrics"]:
            continue
        estimate = results["metrics"][name]
        of_folds = [fold["metrics"][name]["value"] for fold in folds]
        in_folds = [number(value, 2) for value in of_folds]
        rows.append([title, number(estimate["value"]), interval(estimate["ci95"]), *in_folds])
        numbers.append([name, *_value_and_ends(estimate), *of_folds, facts.mark])
        for own, its_title in of_whole_run(name, results):
            found = results["metrics"][own]
            rows.append([its_title, number(found["value"]), interval(found["ci95"]), *["" for _ in folds]])
            numbers.append([own, *_value_and_ends(found), *[None for _ in folds], facts.mark])
        if "if_calibrated" in estimate:
            simulated = estimate["if_calibrated"]
            rows.append([IF_CALIBRATED, number(simulated["value"]), interval(simulated["ci95"]), *["" for _ in folds]])
            numbers.append([f"{name}_if_calibrated", *_value_and_ends(simulated), *[None for _ in folds], facts.mark])
    titles = [f"fold {fold['fold']}" for fold in folds]
    by_fold = ", and by fold" if folds else ""
    caption = facts.marked(f"All metrics over {len(facts.labels)} subjects, with 95 % intervals{by_fold}.")
    head = ["metric", "value", "low", "high", *titles, "mark"]
    return Table("metrics", caption, ["", "all", "95 % interval", *titles], rows, (head, numbers))


def subgroups(facts: Facts) -> Table:
    """Tabulates the subgroups of results.json; groups of a column that are too small share a line."""
    positive, rows, numbers = facts.classes[1], [], []
    for group in shown_subgroups(facts.results["subgroups"]):
        estimates = group["metrics"] or {}
        found = [estimates.get(name, {"value": None, "ci95": None}) for name in SUBGROUP_METRICS]
        name = f"{group['column']}: {group['group']}"
        rows.append([name, str(group["n"]), str(group["n_positive"]), group["note"], *map(estimate_text, found)])
        values: list[float | None] = []
        for estimate in found:
            values += _value_and_ends(estimate)
        who = [group[key] for key in ("column", "group", "n", "n_positive")]
        numbers.append([*who, *values, group["note"], facts.mark])
    titles = [METRIC_NAMES[name] for name in SUBGROUP_METRICS]
    columns = [f"{name}{suffix}" for name in SUBGROUP_METRICS for suffix in ("", "_low", "_high")]
    head = ["column", "group", "n", "n_positive", *columns, "note", "mark"]
    caption = facts.marked("Metrics by group. The 95 % intervals are not corrected for the number of groups.")
    return Table("subgroups", caption, ["", "subjects", positive, "note", *titles], rows, (head, numbers))


def bins(facts: Facts, found: Bins) -> Table:
    """Tabulates the bins of the calibration plot."""
    rows, numbers = [], []
    for predicted, observed, low, high, count in zip(*found):
        rows.append([number(predicted), number(observed), interval((low, high)), str(count)])
        numbers.append([float(predicted), float(observed), float(low), float(high), int(count), facts.mark])
    caption = facts.marked("The bins of the plot, lowest probabilities first.")
    head = ["mean probability", f"share of {facts.classes[1]}", "95 % interval", "subjects"]
    return Table("bins", caption, head, rows, (["probability", "share", "low", "high", "subjects", "mark"], numbers))


def most_wrong(facts: Facts, chosen: list[int]) -> Table:
    """Tabulates the subjects of the figure beside it, numbered as there, with their ids if these are shown."""
    columns = {
        "no.": [str(place) for place in range(1, len(chosen) + 1)],
        "true class": [facts.classes[facts.labels[index]] for index in chosen],
        f"probability of {facts.classes[1]}": [number(facts.probabilities[index]) for index in chosen],
        "fold": [str(facts.folds[index]) for index in chosen],
    }
    if len(np.unique(facts.thresholds)) > 1:
        columns["threshold"] = [number(facts.thresholds[index]) for index in chosen]
    if facts.show_ids:
        columns["subject"] = [facts.subjects[index] for index in chosen]
    caption = facts.marked("The largest errors, worst first.")
    rows = list(zip(*columns.values()))
    numbers = ([*columns, "mark"], [[*row, facts.mark] for row in rows])
    return Table("most_wrong", caption, list(columns), rows, numbers)


def cost(facts: Facts) -> Table:
    """Tabulates the scans, epoch, training time, loss and threshold of each fold, and its peak memory if known."""
    folds = facts.results["folds"]
    head = ["", "training scans", "test scans", "epoch", "seconds", "last training loss", "threshold"]
    rows = [
        [
            f"fold {fold['fold']}",
            f"{fold['n_train']:,}",
            f"{fold['n_test']:,}",
            "-" if fold["epoch"] is None else str(fold["epoch"]),
            f"{fold['train_seconds']:.1f}",
            number(fold.get("train_loss"), 4),
            f"{fold.get('threshold', THRESHOLD):.2f}",
        ]
        for fold in folds
    ]
    if all(fold.get("penalty") is not None for fold in folds):
        head.append("penalty")
        for row, fold in zip(rows, folds):
            row.append(f"{fold['penalty']:.3g}")
    if any("peak_memory_bytes" in fold for fold in folds):
        head.append("peak memory, GiB")
        for row, fold in zip(rows, folds):
            row.append(number(fold["peak_memory_bytes"] / GIBI, 2) if fold.get("peak_memory_bytes") else "-")
    return Table("folds", facts.marked("Training data and cost of each fold."), head, rows)


def refused(facts: Facts) -> Table:
    """Tabulates the ids of the scans that could not be used."""
    rows = [[subject, session, reason] for subject, session, reason in facts.refused]
    caption = facts.marked("Scans that could not be used.")
    return Table("refused", caption, ["subject", "session", "reason"], rows)


def provenance(facts: Facts) -> Table:
    """Tabulates data, weights, software and device; the scan table without its folder, which may identify a person."""
    results = facts.results
    origin = results["weights"]
    rows = {
        "Scan table": Path(results["cohort"]["source"]).name,
        "Weights that training started from": origin["source"] or "random values",
    }
    if origin.get("sha256"):
        rows["Fingerprint of these weights (SHA-256)"] = origin["sha256"]
    if facts.external:
        rows["Networks"] = f"{counted(facts.external['networks'], 'network')} {trained_on_text(facts.external)}"
    rows |= {origin_name(name): str(value) for name, value in results["provenance"].items()}
    caption = facts.marked("Where these numbers come from.")
    return Table("provenance", caption, ["", "value"], list(map(list, rows.items())))


def settings(facts: Facts) -> Table:
    """Tabulates the config in plain words."""
    rows = [[setting_name(key), setting_text(key, value)] for key, value in facts.settings.items()]
    numbers = (["key", "value"], [[key, setting_text(key, value)] for key, value in facts.settings.items()])
    whose = "The networks' settings, with the scan table of these subjects" if facts.external else "The run's settings"
    caption = facts.marked(f"{whose}; in brackets, the key of the config.")
    return Table("settings", caption, ["", "value"], rows, numbers)


def setting_text(key: str, value: Any) -> str:
    """Formats the value of a config key, without the folder of a file."""
    if key in ("cohort.table", "cohort.embeddings"):
        value = Path(value).name
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text or "-"


def source(results: Mapping[str, Any]) -> str:
    """Names the scan table, without its folder, and says if it is synthetic."""
    return Path(results["cohort"]["source"]).name + (" (SYNTHETIC)" if results["cohort"]["synthetic"] else "")


def _value_and_ends(estimate: Mapping[str, Any]) -> list[float | None]:
    """Returns value, low and high of an estimate, None where undefined."""
    low, high = estimate["ci95"] or (None, None)
    return [estimate["value"], low, high]
