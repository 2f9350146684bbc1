"""`report`: writes the page and the model card of a finished run."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ml_collections import FrozenConfigDict

from dynjax.errors import InputError
from dynjax.evaluation.predictions import Prediction, by_subject, read_predictions
from dynjax.files import write_text
from dynjax.projection.project import TRIPLANAR, WHOLE
from dynjax.projection.store import project_cohort
from dynjax.report.card import model_card, to_markdown
from dynjax.report.comparison import Row
from dynjax.report.explanation import WORST
from dynjax.report.facts import Explanation, Facts
from dynjax.report.page import render, save_parts
from dynjax.report.run_page import PARTS, run_page, subjects_to_show
from dynjax.report.terminal import print_text
from dynjax.run import settings
from dynjax.run.compared import read_rows, run_name
from dynjax.run.data import find_cohort
from dynjax.run.explanation import read_explanation
from dynjax.run.refused import read_refused
from dynjax.run.results import read_results
from dynjax.run.runtime import configure_jax
from dynjax.run.workdir import Workdir
from dynjax.training import checkpoint
from dynjax.training.events import read_events

KINDS = {"dynamic": "Dynamic images", "max": "Maxima", "mean": "Means", "ranksvm": "Rank-pooled images"}
KINDS |= {"svr": "Rank-pooled images"}
VIEWS = {
    "axial": "along z: the front is at the top, the subject's right at the right.",
    "coronal": "along y: the top of the head is at the top, the subject's right at the right.",
    "sagittal": "along x: the top of the head is at the top, the front at the right.",
}


def report(workdir: Workdir, show_ids: bool = False, beside: Sequence[str] = ()) -> None:
    """Writes report.html, report/*.svg, *.png and *.csv, card.json and card.md into the workdir of an evaluated run.

    The page compares the run with those in the folders `beside`; without any, with the baselines in the folder
    `baselines` next to the workdir that use the same folds. It shows the maps that `explain` left in the workdir.

    Subjects are numbered, not named, unless `show_ids`. Images are left out if the scans can no longer be read.
    Raises: InputError if the run is not evaluated yet, or if one of its files is missing or damaged.
    """
    config = workdir.read_config()
    facts = _gather(config, workdir, show_ids)
    images = _read_images(config, workdir, subjects_to_show(facts))
    facts = facts._replace(images=images, beside=_beside(workdir, beside), explanation=_explanation(workdir, facts))
    page, card = run_page(facts), model_card(facts)
    save_parts(page, workdir.report, PARTS)
    write_text(workdir.report.with_suffix(".html"), render(page))
    write_text(workdir.path / "card.json", json.dumps(card, indent=2, allow_nan=False) + "\n")
    write_text(workdir.path / "card.md", to_markdown(card))
    print_text(f"written: {workdir.report}.html, {workdir.report}/, {workdir}/card.json, {workdir}/card.md")


def _gather(config: FrozenConfigDict, workdir: Workdir, show_ids: bool) -> Facts:
    results = _read_results(workdir, config.train.folds)
    if "repeats" in results:
        raise InputError(
            f"{workdir}: each repeat of a repeated run has its own page: report --workdir={workdir.repeat(0)}"
        )
    predictions = read_predictions(workdir.predictions)
    folds, labels, probabilities = by_subject(predictions, results["positive_class"])
    if len(labels) != results["n_subjects"] or {*folds} != {fold["fold"] for fold in results["folds"]}:
        raise InputError(f"{workdir.predictions}: does not match results.json; run evaluate on this workdir")
    return Facts(
        name=run_name(config),
        kind=_kind(config),
        classes=(config.cohort.labels[0], results["positive_class"]),
        results=results,
        settings=settings.flatten(config),
        subjects=list(dict.fromkeys(prediction.subject for prediction in predictions)),
        folds=folds,
        labels=labels,
        probabilities=probabilities,
        events=list(read_events(workdir.events)) if workdir.events.exists() else [],
        refused=[(*scan, reason) for scan, reason in read_refused(workdir).items()],
        images=None,
        show_ids=show_ids,
        repeat=_repeat(workdir),
    )


def _explanation(workdir: Workdir, facts: Facts) -> Explanation | None:
    """Reads what `explain` found in the run; None if it has not run. Raises: InputError if its files are damaged."""
    wrong = [facts.subjects[index] for index in facts.most_wrong(len(facts.subjects))]
    return read_explanation(workdir.explanation, wrong, WORST)


def _repeat(workdir: Workdir) -> tuple[int, int] | None:
    """Returns which of how many repeats of one cross-validation the workdir holds; None if it is a run of its own."""
    whole = Workdir(workdir.path.parent)
    runs = [run.path for run in whole.repeats()] if whole.config.exists() else []
    if workdir.path not in runs or (count := whole.read_config().train.repeats) == 1:
        return None
    return int(workdir.path.name.removeprefix("repeat_")), count


def _beside(workdir: Workdir, folders: Sequence[str]) -> list[Row]:
    """Reads the run itself, then the others. Raises: InputError that lists the `folders` without results."""
    if folders:
        rows = read_rows([str(workdir), *folders])
        unreadable = "its predictions.csv cannot be read"  # without the path, for others will read the page
        return [row._replace(unpaired=unreadable) if "/" in row.unpaired else row for row in rows]
    baselines = []
    for path in sorted(workdir.path.parent.glob("baselines/*/results.json")):
        try:
            read_rows([str(path.parent)])
            baselines.append(str(path.parent))
        except InputError as error:
            print_text(f"not on the page: {error}")
    return [row for row in read_rows([str(workdir), *baselines]) if not row.unpaired]


def _read_results(workdir: Workdir, folds: int) -> dict:
    """Reads results.json. Raises: InputError that says what to run if it is missing."""
    if not workdir.results.exists():
        run = f"run train on this workdir until its {folds} folds are done"
        raise InputError(
            f"{workdir.results}: no such file, the run is not finished; {run}, or evaluate the finished ones by "
            f"`python main.py evaluate --workdir={workdir} --finished-folds`"
        )
    return read_results(workdir.results)


def _kind(config: FrozenConfigDict) -> str:
    """Says in a sentence what the images show."""
    projection = config.projection
    if projection.name in WHOLE:
        return f"The middle axial slices of the volumes, seen {VIEWS['axial']}"
    if projection.axis == TRIPLANAR:
        return f"{KINDS[projection.name]} {VIEWS['axial']} The coronal and the sagittal ones are not shown."
    kinds = ", then ".join(KINDS[name].lower() for name in projection.name.split("+")).capitalize()
    axes = projection.axis.split("+")
    if settings.count_views(config) == 1:
        return f"{kinds} {VIEWS[axes[0]]}"
    rows = "; ".join(f"{axis}, {VIEWS[axis].rstrip('.')}" for axis in axes)
    slabs = f" The {projection.slabs} slabs of each lie from left to right." if projection.slabs > 1 else ""
    return f"{kinds}, by rows from the top: {rows}.{slabs}"


def _read_images(config: FrozenConfigDict, workdir: Workdir, subjects: Sequence[str]) -> dict[str, np.ndarray] | None:
    """Reads the image [X, Y] of each subject's first scan, from the store if possible; None if one is unreadable."""
    configure_jax()
    try:
        paths = _first_scans(config, read_predictions(workdir.predictions))
        chosen = [paths[subject] for subject in subjects]
        images, digests = project_cohort(chosen, settings.projection_of(config))
        _check_unchanged(config, workdir, chosen, digests)
    except InputError as error:
        print_text(f"no images: the scans can no longer be read as they were: {error}")
        return None
    if config.projection.name in WHOLE:
        images = images[..., images.shape[-1] // 2]
    elif config.projection.axis == TRIPLANAR:
        images = images[..., 0]
    elif settings.count_views(config) > 1:
        images = np.stack([_side_by_side(views, config.projection.slabs) for views in images])
    return dict(zip(subjects, images))


def _side_by_side(views: np.ndarray, slabs: int) -> np.ndarray:
    """Lays views [V, X, Y] out, a row for each plane from the top, each row in its own grey scale; Y points upwards."""
    rows = []
    for row in views.reshape(-1, slabs, *views.shape[1:]):
        low, extent = row.min(), np.ptp(row) or 1.0
        rows.append(np.concatenate((row - low) / extent, axis=0))
    return np.concatenate(rows[::-1], axis=1)


def _check_unchanged(config: FrozenConfigDict, workdir: Workdir, paths: Sequence[Path], digests: Sequence[str]) -> None:
    """Raises InputError for a scan that no checkpoint knows; without checkpoints, any scan is accepted."""
    newest = filter(None, (checkpoint.latest(workdir.fold(fold)) for fold in range(config.train.folds)))
    scans = [checkpoint.read_about(path)["scans"] for path in newest]
    known = {digest for parts in scans for part in parts.values() for digest in part}
    changed = [path for path, digest in zip(paths, digests) if known and digest not in known]
    if changed:
        raise InputError(f"{changed[0]}: has changed since the run")


def _first_scans(config: FrozenConfigDict, predictions: Sequence[Prediction]) -> dict[str, Path]:
    """Finds each subject's first scan. Raises: InputError if the table no longer has it."""
    paths = {(scan.subject, scan.session): Path(scan.path) for scan in find_cohort(config).scans}
    gone = [row for row in predictions if (row.subject, row.session) not in paths]
    if gone:
        raise InputError(f"no longer in the scan table: {len(gone)} scans, such as of subject {gone[0].subject}")
    return {row.subject: paths[row.subject, row.session] for row in reversed(predictions)}
