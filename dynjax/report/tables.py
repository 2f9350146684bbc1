"""The tables of a run's page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dynjax.evaluation.metrics import THRESHOLD
from dynjax.report.curves import Bins
from dynjax.report.facts import Facts
from dynjax.report.page import Table
from dynjax.report.results_table import SUBGROUP_METRICS, shown_subgroups
from dynjax.report.wording import IF_CALIBRATED, METRIC_NAMES, estimate_text, interval, name_folds, number

GIBI = 2**30


def cohort(facts: Facts) -> Table:
    """How many scans were there at each step, and how many subjects at the last one."""
    counts = facts.results["cohort"]
    excluded = {reason: count for reason, count in counts["excluded"].items() if count}
    rows = [("Scans in the table", counts["n_scans"] + sum(excluded.values()))]
    rows += [(f"Left out: {reason}", count) for reason, count in excluded.items()]
    rows.append(("Scans used", counts["n_scans"]))
    if missing := facts.results.get("folds_missing"):
        rows.append((f"Not evaluated yet: {name_folds(missing)}", counts["n_scans"] - answered(facts.results)))
    rows += [(f"Subjects evaluated: {name}", int((facts.labels == i).sum())) for i, name in enumerate(facts.classes)]
    numbers = (["step", "count", "mark"], [(*row, facts.mark) for row in rows])
    cells = [[name, f"{count:,}"] for name, count in rows]
    return Table("cohort", facts.marked("The same as numbers."), ["", "count"], cells, numbers)


def answered(results: Mapping[str, Any]) -> int:
    """How many scans some network has answered for."""
    return sum(fold["n_test"] for fold in results["folds"])


def metrics(facts: Facts) -> Table:
    """Every metric, over all subjects with its interval and in each fold."""
    results, folds = facts.results, facts.results["folds"]
    rows, numbers = [], []
    for name, title in METRIC_NAMES.items():
        if name not in results["metrics"]:
            continue
        estimate, of_folds = results["metrics"][name], [fold["metrics"][name]["value"] for fold in folds]
        rows.append(
            [title, number(estimate["value"]), interval(estimate["ci95"]), *(number(each, 2) for each in of_folds)]
        )
        numbers.append([name, estimate["value"], *(estimate["ci95"] or (None, None)), *of_folds, facts.mark])
        if "if_calibrated" in estimate:
            simulated = estimate["if_calibrated"]
            rows.append([IF_CALIBRATED, number(simulated["value"]), interval(simulated["ci95"]), *["" for _ in folds]])
            empty = [None] * len(folds)
            numbers.append([f"{name}_if_calibrated", simulated["value"], *simulated["ci95"], *empty, facts.mark])
    titles = [f"fold {fold['fold']}" for fold in folds]
    caption = facts.marked(f"Every metric over {len(facts.labels)} subjects, with its 95 % interval, and by fold.")
    head = ["metric", "value", "low", "high", *titles, "mark"]
    return Table("metrics", caption, ["", "all", "95 % interval", *titles], rows, (head, numbers))


def subgroups(facts: Facts) -> Table:
    """results.json's 'subgroups'; those of a column that are too small share a line."""
    positive, rows, numbers = facts.classes[1], [], []
    for group in shown_subgroups(facts.results["subgroups"]):
        estimates = group["metrics"] or {}
        found = [estimates.get(name, {"value": None, "ci95": None}) for name in SUBGROUP_METRICS]
        name = f"{group['column']}: {group['group']}"
        rows.append([name, str(group["n"]), str(group["n_positive"]), group["note"], *map(estimate_text, found)])
        values = [value for each in found for value in (each["value"], *(each["ci95"] or (None, None)))]
        who = [group[key] for key in ("column", "group", "n", "n_positive")]
        numbers.append([*who, *values, group["note"], facts.mark])
    titles = [METRIC_NAMES[name] for name in SUBGROUP_METRICS]
    columns = [f"{name}{suffix}" for name in SUBGROUP_METRICS for suffix in ("", "_low", "_high")]
    head = ["column", "group", "n", "n_positive", *columns, "note", "mark"]
    caption = facts.marked("The same answers by group, with 95 % intervals that are not corrected for their number.")
    return Table("subgroups", caption, ["", "subjects", positive, "note", *titles], rows, (head, numbers))


def bins(facts: Facts, found: Bins) -> Table:
    """What the calibration plot shows."""
    rows = [
        [number(predicted), number(observed), interval((low, high)), str(count)]
        for predicted, observed, low, high, count in zip(*found)
    ]
    numbers = [[*(float(value) for value in line[:-1]), int(line[-1]), facts.mark] for line in zip(*found)]
    caption = facts.marked("The bins of the plot, from the lowest probabilities on.")
    head = ["mean probability", f"share of {facts.classes[1]}", "95 % interval", "subjects"]
    return Table("bins", caption, head, rows, (["probability", "share", "low", "high", "subjects", "mark"], numbers))


def most_wrong(facts: Facts, chosen: list[int]) -> Table:
    """The subjects of the figure beside it, by its numbers; by their ids if these are to be shown."""
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
    caption = facts.marked("The subjects that were got most wrong, the worst first.")
    rows = list(zip(*columns.values()))
    numbers = ([*columns, "mark"], [[*row, facts.mark] for row in rows])
    return Table("most_wrong", caption, list(columns), rows, numbers)


def cost(facts: Facts) -> Table:
    """Of each fold: subjects, epoch, seconds, and what else results.json says."""
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
    if any("peak_memory_bytes" in fold for fold in folds):
        head.append("peak memory, GiB")
        for row, fold in zip(rows, folds):
            row.append(number(fold["peak_memory_bytes"] / GIBI, 2) if fold.get("peak_memory_bytes") else "-")
    return Table("folds", facts.marked("What each fold was trained on, and what it took."), head, rows)


def refused(facts: Facts) -> Table:
    """The ids of scans that could not be used."""
    rows = [[subject, session, reason] for subject, session, reason in facts.refused]
    return Table("refused", "Scans that could not be used.", ["subject", "session", "reason"], rows)


def provenance(facts: Facts) -> Table:
    """What was run, by what, on what; of the scan table its name alone, for a path can say who somebody is."""
    results = facts.results
    origin = results["weights"]
    rows = {"scan table": source(results), "weights": origin["source"] or "random initial values"}
    rows |= {"weights sha256": origin["sha256"]} if origin.get("sha256") else {}
    rows |= {name.replace("_", " "): str(value) for name, value in results["provenance"].items()}
    return Table("provenance", "Where these numbers come from.", ["", "value"], list(map(list, rows.items())))


def settings(facts: Facts) -> Table:
    rows = [[key, setting_text(key, value)] for key, value in facts.settings.items()]
    return Table("settings", "The run's config, as it was resolved.", ["key", "value"], rows)


def setting_text(key: str, value: Any) -> str:
    value = Path(value).name if key == "cohort.table" else value
    return (", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)) or "-"


def source(results: Mapping[str, Any]) -> str:
    return Path(results["cohort"]["source"]).name + (" (SYNTHETIC)" if results["cohort"]["synthetic"] else "")
