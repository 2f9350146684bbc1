"""The model card of a run: JSON for machines and, from the same values, Markdown for readers, plain words first."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dynjax.evaluation.metrics import THRESHOLD
from dynjax.report import sentences
from dynjax.report.facts import RESEARCH, Facts
from dynjax.report.glossary import glossary
from dynjax.report.named import origin_name, setting_name
from dynjax.report.plain import in_short
from dynjax.report.results_table import shown_subgroups
from dynjax.report.tables import setting_text, source
from dynjax.report.wording import METRIC_NAMES, POOLING, estimate_text, of_whole_run

SCHEMA = 1


def model_card(facts: Facts) -> dict[str, Any]:
    """Returns the card as values for JSON; it contains no participant ids."""
    results, (negative, positive) = facts.results, facts.classes
    return {
        "schema": SCHEMA,
        "name": facts.name,
        "synthetic": facts.synthetic,
        "notices": facts.notices(),
        "in_short": dict(in_short(facts)),
        "intended_use": f"Research on distinguishing {positive} from {negative} by structural brain MRI. {RESEARCH}",
        "out_of_scope": [
            "Diagnosis, screening or any decision about a person.",
            f"Classes other than {negative} and {positive}.",
            "Scans that were prepared differently from the training scans.",
        ],
        "data": {
            "source": source(results),
            "synthetic": facts.synthetic,
            "negative_class": negative,
            "positive_class": positive,
            "n_scans": results["cohort"]["n_scans"],
            "excluded": results["cohort"]["excluded"],
            "notes": results["cohort"].get("notes", []),
            "n_subjects": {name: int((facts.labels == label).sum()) for label, name in enumerate(facts.classes)},
        },
        "model": results["model"] | {"weights": results["weights"]},
        "training": {key: setting_text(key, value) for key, value in facts.settings.items()},
        "evaluation": {
            "scheme": sentences.scheme(facts),
            "description": sentences.how_evaluated(facts),
            "external": _external(facts),
            "selection": results["selection"],
            "thresholds": [fold.get("threshold", THRESHOLD) for fold in results["folds"]],
            "folds_missing": results.get("folds_missing", []),
            "intervals": results.get("intervals"),
            "metrics": results["metrics"],
            "subgroups": results.get("subgroups"),
        },
        "cost": {
            "train_seconds": [fold["train_seconds"] for fold in results["folds"]],
            "description": sentences.cost(facts),
        },
        "limits": sentences.limits(facts),
        "provenance": results["provenance"],
        "glossary": {term.title: term.text for term in glossary(results, facts.classes)},
    }


def _external(facts: Facts) -> dict[str, Any] | None:
    """Says whose networks predicted these subjects, without the folders of the run and of its scan table."""
    if not facts.external:
        return None
    source = facts.trained_on and facts.trained_on | {"source": Path(facts.trained_on["source"]).name}
    return {"networks": facts.external["networks"], "trained_on": source or None}


def to_markdown(card: dict[str, Any]) -> str:
    """Formats the values of `model_card` as Markdown."""
    data, evaluation, weights = card["data"], card["evaluation"], card["model"]["weights"]
    mark = "SYNTHETIC " if card["synthetic"] else ""
    counts = ", ".join(f"{count} {name}" for name, count in data["n_subjects"].items())
    metrics = []
    for name, title in METRIC_NAMES.items():
        shown = [(name, title), *of_whole_run(name, evaluation)] if name in evaluation["metrics"] else []
        metrics += [[its_title, estimate_text(evaluation["metrics"][own])] for own, its_title in shown]
    excluded = [f"{count} scans excluded: {reason}" for reason, count in data["excluded"].items() if count]
    notes = [f"the scan table: {note}" for note in data["notes"]]
    origin = f"from {weights['source']}" if weights["source"] else "from random initial weights"
    parts = [
        f"# {card['name']}",
        *(f"**{notice}**" for notice in card["notices"]),
        "## In short",
        *(f"**{name}**\n\n" + "\n\n".join(lines) for name, lines in card["in_short"].items()),
        "## Intended use",
        card["intended_use"],
        "Not for:",
        _items(card["out_of_scope"]),
        "## Data",
        _items(
            [f"{data['source']}: {data['n_scans']} scans", f"{mark}subjects evaluated: {counts}", *excluded, *notes]
        ),
        "## Model",
        f"{card['model']['name']}, {card['model']['parameters']:,} parameters, {origin}.",
        "## Evaluation",
        evaluation["description"],
        _table(["metric", f"{mark}value (95 % interval)"], metrics),
        *([f"{POOLING}."] if of_whole_run("roc_auc", evaluation) else []),
        *_subgroups(evaluation["subgroups"], mark),
        "## Cost",
        card["cost"]["description"],
        "## Limits",
        _items(card["limits"]),
        "## Provenance",
        _table(["", ""], [[origin_name(name), str(value)] for name, value in card["provenance"].items()]),
        "## Settings of the networks" if evaluation["external"] else "## Settings",
        _table(["", "value"], [[setting_name(key), value] for key, value in card["training"].items()]),
        "## Glossary",
        _items([f"**{word}**: {text}" for word, text in card["glossary"].items()]),
    ]
    return "\n\n".join(parts) + "\n"


def _subgroups(groups: Sequence[dict[str, Any]] | None, mark: str) -> list[str]:
    """Returns the table of subgroups, or nothing if there are none."""
    if not groups:
        return []
    rows = [
        [f"{group['column']}: {group['group']}", str(group["n"]), _area(group["metrics"]) or group.get("note") or "-"]
        for group in shown_subgroups(groups)
    ]
    return [_table(["group", "subjects", f"{mark}ROC AUC (95 % interval)"], rows)]


def _area(metrics: dict[str, Any] | None) -> str:
    return estimate_text(metrics["roc_auc"]) if metrics and "roc_auc" in metrics else ""


def _items(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
