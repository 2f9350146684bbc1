"""`explain`: maps that say which voxels speak for an answer, for a run's subjects or for other scans."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dynjax.baselines.features import BASELINES
from dynjax.cohort.named import named_scans
from dynjax.errors import InputError, UsageError, listed
from dynjax.explanation.reference import Means
from dynjax.files import can_be_written
from dynjax.linear.answer import LinearAnswer
from dynjax.report.facts import SYNTHETIC
from dynjax.report.terminal import print_text
from dynjax.report.wording import counted
from dynjax.run import settings
from dynjax.run.attribution import REFERENCE, WITH_REFERENCE, check_method, is_cut
from dynjax.run.claims import REFERENCE_TEXT, claim_of, unit_of
from dynjax.run.cut_networks import fit_cut_networks
from dynjax.run.explaining import Chosen, Explanation, explain_scan, find_means, identity_of, run_scans
from dynjax.run.explanation import INDEX, SCHEMA
from dynjax.run.guarding import read_guard
from dynjax.run.map_summary import Atlas, Summary
from dynjax.run.maps import read_atlas, read_scan, write_scan
from dynjax.run.runtime import configure_jax
from dynjax.run.standing import read_standing
from dynjax.run.svm_pattern import SVM, explain_svm
from dynjax.run.trained import Trained, load_networks
from dynjax.run.verdicts import answer_scans, answer_text, standing_text
from dynjax.run.workdir import Workdir
from dynjax.volumes.reading import Reading
from dynjax.work.progress import progress_bar


class Task(NamedTuple):
    """Holds what all maps of one call have in common. mark: the warning beside maps of synthetic subjects, or ''."""

    folder: Path
    method: str
    reference: str
    means: Callable[[Trained], Means] | None
    cut: Callable[[Trained], LinearAnswer] | None
    reading: Reading
    claim: str
    positive: str
    unit: str
    mark: str = ""


def explain(
    workdir: Workdir,
    scans: Sequence[str] = (),
    method: str = "gradients",
    reference: str = "",
    out: Path | None = None,
    subjects: Sequence[str] = (),
    atlas: Path | None = None,
    atlas_names: Path | None = None,
    allow_unlike: bool = False,
    table: str = "",
) -> list[Path]:
    """Writes maps of what speaks for the answers of a run, each in a folder of its own in `out`; returns the folders.

    Without scans they are those of the run's subjects, each by the networks that never saw it, with means by class and,
    over an atlas, a table by region. Scans are explained by all networks together, unless `predict` refuses them. A map
    that is there is not made again.

    Args:
      scans: files or folders. table: a CSV that lists further ones in its column `path`.
      method: one of METHODS. reference: a key of REFERENCES, or '' for the default.
      out: a folder; None is WORKDIR/explanation, where `report` finds it.
      subjects: of the run; () is all.
      atlas, atlas_names: a NIfTI file of whole numbers, and a TSV with the columns index and name.
      allow_unlike: explains scans, too, that are unlike all training scans.

    Raises: UsageError for a method or a reference that is not defined; InputError if a file is missing and, once all
    others are explained, if a scan was refused.
    """
    scans, aside = named_scans(scans, table)
    if scans and (subjects or atlas):
        raise UsageError("--subjects and --atlas are for the subjects of the run; leave them out, or the scans")
    if allow_unlike and not scans:
        raise UsageError("--allow-unlike: is for scans; those of the run itself are explained in any case")
    if atlas_names and not atlas:
        raise UsageError("--atlas-names: names the regions of an atlas; give --atlas=FILE.nii.gz as well")
    folder = out.absolute() if out else workdir.explanation
    if not can_be_written(folder / INDEX):
        raise UsageError(f"{folder}: no folder can be made or written there; choose another --out")
    if aside:
        print_text(aside)
    configure_jax()
    networks_from = workdir.networks_from()
    config = networks_from.read_config()
    if config.model.name in BASELINES and config.model.name != SVM:
        raise UsageError(f"{workdir}: {config.model.name} is a baseline without a map of voxels; explain a network")
    if config.model.name == SVM:
        if scans or subjects or atlas or reference:
            raise UsageError(f"{workdir}: {config.model.name} is a baseline; only the run as a whole has a map")
        explain_svm(networks_from, folder, method)
        return [folder]
    check_method(config, method, reference)
    networks = load_networks(networks_from)
    task = Task(
        folder,
        method,
        reference or REFERENCE,
        find_means(networks_from, networks) if method in WITH_REFERENCE else None,
        fit_cut_networks(networks_from, networks) if method == "cam" and is_cut(config) else None,
        settings.projection_of(config).reading,
        claim_of(method, config),
        config.cohort.labels[1],
        unit_of(method, config),
    )
    if scans:
        return _explain_others(task, networks_from, scans, networks, allow_unlike)
    return _explain_run(task, workdir, networks, subjects, atlas, atlas_names)


def _explain_run(
    task: Task,
    workdir: Workdir,
    networks: list[Trained],
    subjects: Sequence[str],
    atlas: Path | None,
    names: Path | None,
) -> list[Path]:
    chosen, cohort = run_scans(workdir, networks, subjects)
    _check_folders(chosen)
    task = task._replace(mark=SYNTHETIC if cohort.synthetic else "")
    placed = read_atlas(atlas, names, task.reading.grid) if atlas else None
    summary = Summary(cohort.labels, Atlas(*placed, atlas.name) if placed and atlas else None)
    (task.folder / INDEX).unlink(missing_ok=True)  # it would speak of maps that are written over now
    refused = _explain_each(task, chosen, summary.add)
    if summary.scans:
        about = {"schema": SCHEMA, "method": task.method, "synthetic": bool(task.mark), "sentence": task.claim}
        about["unit"] = task.unit
        about["reference"] = REFERENCE_TEXT[task.reference] if task.means else "none is needed"
        summary.write(task.folder, about)
        is_shown = task.folder == workdir.explanation and workdir.repeats() == [workdir]
        shown = "; report on this workdir shows them" if is_shown else ""
        print_text(f"written: {task.folder}, with {counted(len(summary.scans), 'map')}{shown}")
    if refused:
        raise InputError(f"{len(refused)} of {len(chosen)} scans cannot be explained:\n{listed(refused)}")
    return [task.folder / scan.folder for scan in chosen]


def _explain_others(
    task: Task, workdir: Workdir, scans: Sequence[str], networks: list[Trained], allow_unlike: bool
) -> list[Path]:
    guard = read_guard(workdir.repeats()[0])
    standing = read_standing(workdir, len(networks), networks[0].config.cohort.labels)
    task = task._replace(mark=standing.synthetic)
    verdicts = answer_scans(scans, networks, guard, standing, allow_unlike, verb="explain")
    print_text(standing_text(standing, guard))
    good = [verdict for verdict in verdicts if verdict.probability is not None]
    for verdict in good:
        print_text(answer_text(verdict, standing, f"probability of {task.positive} "))
    chosen = [Chosen(Path(verdict.path), tuple(networks)) for verdict in good]
    _check_folders(chosen)
    refused = [verdict.reason for verdict in verdicts if verdict.probability is None]
    refused += _explain_each(task, chosen, lambda scan, _: print_text(f"written: {task.folder / scan.folder}"))
    if refused:
        raise InputError("\n".join(refused))
    return [task.folder / scan.folder for scan in chosen]


def _check_folders(chosen: Sequence[Chosen]) -> None:
    """Raises UsageError for two scans whose maps would be in one folder."""
    first: dict[str, Path] = {}
    for scan in chosen:
        if (other := first.setdefault(scan.folder, scan.path)) is not scan.path:
            raise UsageError(f"{scan.path} and {other}: have one name; explain them one by one, each with its --out")


def _explain_each(task: Task, chosen: Sequence[Chosen], done: Callable[[Chosen, Explanation], Any]) -> list[str]:
    """Explains scans, writes their maps, and calls `done` with each; returns why some cannot be explained."""
    refused = []
    with progress_bar(f"explaining scans by {task.method}", len(chosen)) as advance:
        for scan in chosen:
            try:
                done(scan, _explained(task, scan))
            except InputError as error:
                refused.append(str(error))
            advance(1)
    return refused


def _explained(task: Task, scan: Chosen) -> Explanation:
    folder = task.folder / scan.folder
    identity = identity_of(scan, task.method, task.reference)
    if found := read_scan(folder, scan, identity | {"claim": task.claim, "synthetic": bool(task.mark)}):
        return found
    found = explain_scan(scan, task.method, task.reference, task.means, task.cut)
    write_scan(folder, scan, found, task.reading, task.claim, _title(task, found), task.mark, task.unit)
    return found


def _title(task: Task, found: Explanation) -> str:
    about = found.about
    return f"probability of {task.positive} {about['probability']:.2f}, logit {about['logit']:.2f}, by {task.method}"
