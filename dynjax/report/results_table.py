"""Prints the tables of results.json on the terminal."""

from collections.abc import Sequence

from rich.table import Table

from dynjax.evaluation.subgroups import Group
from dynjax.report.terminal import fits, new_table, print_table, print_text
from dynjax.report.wording import (
    IF_CALIBRATED,
    METRIC_NAMES,
    POOLING,
    counted,
    estimate_text,
    interval,
    name_folds,
    number,
    of_whole_run,
    selection_text,
    trained_on_text,
)

SUBGROUP_METRICS = ("accuracy", "roc_auc", "recall", "specificity")


def print_results(results: dict) -> None:
    """Prints every metric over all subjects with its 95 % interval, and by fold if there are several."""
    print_text(_title(results))
    folds = results["folds"] if len(results["folds"]) > 1 else []
    table = _metrics_table(results, folds)
    if fits(table):
        print_table(table)
    else:
        print_table(_metrics_table(results, []))
        print_table(_folds_table(folds))
    print_text(_caption(results))


def print_repeats(results: dict) -> None:
    """Prints each metric's mean over the repeats with its 95 % interval, and its value in each repeat."""
    repeats = range(results["repeats"])
    kind = "SYNTHETIC phantom subjects" if results["cohort"]["synthetic"] else "subjects"
    print_text(f"{results['n_subjects']} {kind}, {len(repeats)} repeats")
    table = new_table(
        ("", "mean", "95 % interval, subjects", "SD, repeats", *(f"repeat {repeat}" for repeat in repeats))
    )
    for name, title in METRIC_NAMES.items():
        for own, its_title in [(name, title), *of_whole_run(name, results)]:
            estimate = results["metrics"][own]
            numbers = map(number, (estimate["repeat_sd"], *estimate["repeats"]))
            table.add_row(its_title, number(estimate["value"]), interval(estimate["ci95"]), *numbers)
    print_table(table)
    print_text(POOLING)


def print_subgroups(subgroups: Sequence[Group]) -> None:
    """Prints one line per group, then which groups are too small; nothing if there are no groups."""
    shown = shown_subgroups(subgroups)
    table = new_table(("", "", "subjects", "positive", *(METRIC_NAMES[name] for name in SUBGROUP_METRICS)))
    for group in shown:
        if group["metrics"]:
            cells = [estimate_text(group["metrics"][name]) for name in SUBGROUP_METRICS]
            table.add_row(group["column"], group["group"], str(group["n"]), str(group["n_positive"]), *cells)
    if table.row_count:
        print_table(table, keys=2)
    for group in shown:
        if not group["metrics"]:
            who = f"{group['column']}, {group['group']}, {counted(group['n'], 'subject')}"
            print_text(f"{who} ({group['n_positive']} positive), {group['note']}")


def shown_subgroups(subgroups: Sequence[Group]) -> list[Group]:
    """Returns the groups as a table shows them: all groups of a column that are too small share a line."""
    lines = [group for group in subgroups if group["metrics"]]
    for column in dict.fromkeys(group["column"] for group in subgroups):
        small = [group for group in subgroups if group["column"] == column and not group["metrics"]]
        if small:
            name = small[0]["group"] if len(small) == 1 else f"{len(small)} groups"
            counts = {key: sum(group[key] for group in small) for key in ("n", "n_positive")}
            lines.append(small[0] | counts | {"group": name})
    return lines


def _metrics_table(results: dict, folds: Sequence[dict]) -> Table:
    """Returns the table of all metrics over all subjects, beside their values in the folds."""
    table = new_table(("", "all", "95 % interval", *(f"fold {fold['fold']}" for fold in folds)))
    for name, title in METRIC_NAMES.items():
        estimates = [each["metrics"][name] for each in (results, *folds)]
        table.add_row(*_row(title, *estimates))
        for own, its_title in of_whole_run(name, results):
            table.add_row(*_row(f"  {its_title}", results["metrics"][own]))
        if name == "ece":
            table.add_row(*_row(f"  {IF_CALIBRATED}", *(estimate["if_calibrated"] for estimate in estimates)))
    return table


def _folds_table(folds: Sequence[dict]) -> Table:
    table = new_table(("", *(f"fold {fold['fold']}" for fold in folds)))
    for name, title in METRIC_NAMES.items():
        estimates = [fold["metrics"][name] for fold in folds]
        table.add_row(title, *_values(estimates))
        if name == "ece":
            table.add_row(f"  {IF_CALIBRATED}", *_values([estimate["if_calibrated"] for estimate in estimates]))
    return table


def _row(title: str, estimate: dict, *folds: dict) -> list[str]:
    """Formats an estimate over all subjects with its interval, and the values of the folds."""
    return [title, number(estimate["value"]), interval(estimate["ci95"]), *_values(folds)]


def _values(folds: Sequence[dict]) -> list[str]:
    return [number(fold["value"], 2) for fold in folds]


def _title(results: dict) -> str:
    kind = "SYNTHETIC phantom subjects" if results["cohort"]["synthetic"] else "subjects"
    if results["cohort"].get("shuffled"):
        kind += " with SHUFFLED labels"
    if "external" in results:
        external = results["external"]
        who = f"{counted(external['networks'], 'network')} {trained_on_text(external)}"
        kind = f"EXTERNAL {kind} that {who}, never saw, predicted by their mean"
    title = f"{results['n_subjects']} {kind}, positive class {results['positive_class']}"
    missing = results["folds_missing"]
    return f"{title}; {name_folds(missing)} NOT TRAINED yet" if missing else title


def _caption(results: dict) -> str:
    made = _made(results)
    return f"{made}\n{POOLING}" if of_whole_run("roc_auc", results) else made


def _made(results: dict) -> str:
    """Says what gave the answers, and in how many seconds it was made."""
    weights, folds = results["weights"], results["folds"]
    seconds = sum(fold["train_seconds"] for fold in folds)
    if folds[0]["epoch"] is None:
        return f"a baseline by {weights['source']}, fitted on each fold's training subjects in {seconds:.1f} s"
    origin = f"ImageNet weights {weights['source']}" if weights["pretrained"] else "RANDOM weights, no pretraining"
    if results["model"].get("solved"):
        return f"a linear answer, solved in {seconds:.1f} s, on a frozen trunk with {origin}"
    each = " for each network, on average" if "external" in results else ""
    return f"started from {origin}; {seconds:.0f} s of training{each}; {selection_text(results)}"
