"""`report`: writes the page and the model card of a finished run."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ml_collections import FrozenConfigDict

from dynjax.cohort.scan import Scan
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
from dynjax.report.scan_rows import SIGNED, ScanRow, scan_rows
from dynjax.report.terminal import print_text
from dynjax.run import settings
from dynjax.run.compared import read_rows, run_name
from dynjax.run.data import find_cohort
from dynjax.run.explanation import read_explanation
from dynjax.run.guarding import INDEX
from dynjax.run.refused import read_refused
from dynjax.run.results import read_results
from dynjax.run.runtime import configure_jax
from dynjax.run.workdir import Workdir
from dynjax.training import checkpoint
from dynjax.training.events import read_events
from dynjax.volumes.nifti import load_volume

KINDS = {"dynamic": "Dynamic images", "max": "Maxima", "mean": "Means", "ranksvm": "Rank-pooled images"}
KINDS |= {"svr": "Rank-pooled images"}
VIEWS = {
    "axial": "axial, seen from above, the front at the top",
    "coronal": "coronal, seen from the back, the top of the head at the top",
    "sagittal": "sagittal, seen from the side, the top of the head at the top and the front at the right",
}
SIDES = "L and R are the patient's left and right."
WAYS = {
    "axial": "from the bottom to the top",
    "coronal": "from the back to the front",
    "sagittal": "from left to right",
}
GONE = "no images: the scans can no longer be read as they were"
COLUMNS = ("age", "sex", "site")  # of the scan table, that say whom a run was tested on


def report(workdir: Workdir, show_ids: bool = False, beside: Sequence[str] = ()) -> None:
    """Writes report.html, report/*.svg, *.png and *.csv, card.json and card.md into the workdir of an evaluated run.

    The page compares the run with those in the folders `beside`; without any, with the baselines in the folder
    `baselines` next to the workdir that use the same folds. It shows the maps that `explain` left in the workdir.

    Subjects are numbered, not named, unless `show_ids`. Images are left out if the scans can no longer be read.
    Raises: InputError if the run is not evaluated yet, or if one of its files is missing or damaged.
    """
    config = workdir.read_config()
    facts = _gather(config, workdir, show_ids)._replace(beside=_beside(workdir, beside))
    scans = _find_scans(config, read_predictions(workdir.predictions))
    if scans is not None:
        columns = {name: [scans[subject].column(name) for subject in facts.subjects] for name in COLUMNS}
        facts = facts._replace(columns=columns, images=_read_images(config, workdir, subjects_to_show(facts), scans))
    facts = facts._replace(explanation=_explanation(workdir, facts))
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
        guarded=(workdir.reference / INDEX).exists(),
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
            f"`dynjax evaluate --workdir={workdir} --finished-folds`"
        )
    return read_results(workdir.results)


def _kind(config: FrozenConfigDict) -> str:
    """Says in sentences what the images show."""
    name, axis, slabs = config.projection.name, config.projection.axis, config.projection.slabs
    if name in WHOLE:
        return f"The middle slice of each scan, {VIEWS['axial']}. {SIDES}"
    axes = list(VIEWS) if axis == TRIPLANAR else axis.split("+")
    kinds = ", then ".join(KINDS[each].lower() for each in name.split("+")).capitalize()
    many = f" of {slabs} slabs, from left to right" if slabs > 1 else ""
    seen = (
        f"{VIEWS[axes[0]]}." if len(axes) == 1 else f"by rows from the top: {'; '.join(VIEWS[each] for each in axes)}."
    )
    text = f"{kinds}{many}, each row with the scan's middle slice at the left, {seen} {SIDES}"
    if not any(each in SIGNED for each in name.split("+")):
        return text
    ways = ", ".join(WAYS[each] for each in axes)
    return (
        f"{text} In a {'dynamic' if 'dynamic' in name else 'rank-pooled'} image bright means that the scan grows "
        f"brighter at that place {ways}{' in the rows' if len(axes) > 1 else ''}, dark that it grows darker, and the "
        "middle grey that it stays as it is."
    )


def _read_images(
    config: FrozenConfigDict, workdir: Workdir, subjects: Sequence[str], scans: Mapping[str, Scan]
) -> dict[str, list[ScanRow]] | None:
    """Reads slices and images of each subject's first scan; None, with a word, if one is unreadable."""
    configure_jax()
    try:
        rows = _read_rows(config, workdir, [Path(scans[subject].path) for subject in subjects])
    except InputError as error:
        print_text(f"{GONE}: {error}")
        return None
    return dict(zip(subjects, rows))


def _read_rows(config: FrozenConfigDict, workdir: Workdir, paths: Sequence[Path]) -> list[list[ScanRow]]:
    projection = settings.projection_of(config)
    images, digests = project_cohort(paths, projection)
    _check_unchanged(config, workdir, paths, digests)
    is_whole = projection.name in WHOLE
    volumes = images if is_whole else [load_volume(path, *projection.reading).data for path in paths]
    how = projection.name, projection.axis, projection.slabs
    return [scan_rows(volume, image, *how) for volume, image in zip(volumes, images)]


def _check_unchanged(config: FrozenConfigDict, workdir: Workdir, paths: Sequence[Path], digests: Sequence[str]) -> None:
    """Raises InputError for a scan that no checkpoint knows; without checkpoints, any scan is accepted."""
    newest = filter(None, (checkpoint.latest(workdir.fold(fold)) for fold in range(config.train.folds)))
    scans = [checkpoint.read_about(path)["scans"] for path in newest]
    known = {digest for parts in scans for part in parts.values() for digest in part}
    changed = [path for path, digest in zip(paths, digests) if known and digest not in known]
    if changed:
        raise InputError(f"{changed[0]}: has changed since the run")


def _find_scans(config: FrozenConfigDict, predictions: Sequence[Prediction]) -> dict[str, Scan] | None:
    """Finds each subject's first scan; None, with a word, if the table no longer has it."""
    try:
        scans = {(scan.subject, scan.session): scan for scan in find_cohort(config).scans}
    except InputError as error:
        print_text(f"{GONE}: {error}")
        return None
    gone = [row for row in predictions if (row.subject, row.session) not in scans]
    if gone:
        print_text(f"{GONE}: no longer in the scan table: {len(gone)} scans, such as of subject {gone[0].subject}")
        return None
    return {row.subject: scans[row.subject, row.session] for row in reversed(predictions)}
