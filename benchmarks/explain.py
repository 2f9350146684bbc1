"""How true maps are, on synthetic cohorts whose disease is known voxel by voxel: python -m benchmarks.explain.

`make explain` trains the networks of NETWORKS on each cohort, kept in runs/explain, and prints, for every method and
for controls that need no network, the measures of dynjax.explanation.measures. OPTIONS: names of NETWORKS;
--references, the comparison by which the default reference was chosen, on other cohorts; --subjects=N of each cohort;
--seeds=N,N, some of the cohorts. What is measured of a cohort is kept beside its networks.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy import ndimage, stats

from dynjax.baselines.features import voxels
from dynjax.cohort.folds import read_folds
from dynjax.cohort.phantom.anatomy import load_anatomy
from dynjax.cohort.phantom.subject import STRUCTURES, draw_subjects, render_scan
from dynjax.explanation import measures
from dynjax.explanation.reference import REFERENCES, Means, reference_volume
from dynjax.files import write_text
from dynjax.models.build import build_classifier
from dynjax.run import settings
from dynjax.run.attribution import REFERENCE, Attribution, explain_volume, methods_of
from dynjax.run.data import find_cohort
from dynjax.run.explaining import Chosen, find_means, run_scans
from dynjax.run.runtime import configure_jax
from dynjax.run.sight import answer_volumes, sight_of, whole_network
from dynjax.run.svm_pattern import fold_patterns
from dynjax.run.trained import Trained, load_networks
from dynjax.run.workdir import Workdir
from dynjax.volumes.intensity import intensity_range
from dynjax.volumes.nifti import load_volume
from dynjax.work.parallel import parallel_map

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "explain"
CHOOSING, REPORTING = range(100, 105), range(200, 205)
ONE_IMAGE = [f"--config.projection.{key}" for key in ("name=dynamic", "axis=axial", "slabs=1")]
NETWORKS = {
    "recipe": ["best.py"],
    "frozen": ["best.py", *ONE_IMAGE],
    "fine-tuned": ["dyn_mobilenet_v2.py:quick"],
    "3D-VGG": ["vgg3d.py:quick", "--config.train.epochs=20", "--config.train.only_folds=0"],
}
ILL = 1.0  # severity from which a subject is explained
SUBJECTS = 6  # of each cohort
STEPS = 10  # of deletion
ALL = "all"

Record = dict[str, Any]


class Case(NamedTuple):
    """A synthetic subject and the network that never saw it.

    undone: its scan without the disease of a structure, or of ALL. effects: by how much each structure's disease raises
    the logit, in the scan's own scale. folds: the networks of all folds.
    """

    scan: Chosen
    volume: np.ndarray
    undone: Mapping[str, np.ndarray]
    effects: Mapping[str, float]
    trained: Trained
    means: Means
    folds: Sequence[Trained]

    @property
    def reference(self) -> np.ndarray:
        """The mean of the negative class in the scan's intensities, by which controls compare."""
        return reference_volume(self.volume, *intensity_range(self.volume), self.means, "negative")


def main(arguments: list[str]) -> None:
    configure_jax()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explain", description="How true maps are.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NETWORKS)}; all by default")
    parser.add_argument("--references", action="store_true", help="compare references, on the cohorts that choose")
    parser.add_argument("--subjects", type=int, default=SUBJECTS, metavar="N", help=f"of each cohort; {SUBJECTS}")
    parser.add_argument(
        "--seeds", type=lambda text: [int(each) for each in text.split(",")], help="some of the cohorts"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(NETWORKS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose of {', '.join(NETWORKS)}")
    if options.references:
        for name in options.names or ("recipe", "fine-tuned"):
            _compare_references(name, options.subjects, options.seeds or CHOOSING)
    else:
        for name in options.names or NETWORKS:
            _show(name, _measure_network(name, options.subjects, options.seeds or REPORTING))


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def _compare_references(name: str, count: int, seeds: Sequence[int]) -> None:
    """Prints, for each reference, how its maps agree with interventions on the cohorts that choose."""
    records = [
        record
        for seed in seeds
        for record in _kept(f"{name}-{seed}", f"references-{count}", lambda seed=seed: _by_reference(name, seed, count))
    ]
    cohorts = ", ".join(map(str, seeds))
    print(f"\nSYNTHETIC: references for {name}, cohorts {cohorts}, {_count(records)} subjects")
    for reference in REFERENCES:
        own = [record for record in records if record["method"] == reference]
        found = measures.agreement(*([record[key] for record in own] for key in ("claimed", "changed")))
        print(f"{reference:24s} Spearman {found.spearman:.2f}, Pearson {found.pearson:.2f}, slope {found.slope:.2f}")


def _by_reference(name: str, seed: int, count: int) -> list[Record]:
    return [
        {"seed": seed, "subject": case.scan.subject, "method": reference} | record
        for case in _cases(name, seed, count)
        for reference in REFERENCES
        for record in _interventions(case, _explain(case, "gradients", reference).values)
    ]


def _measure_network(name: str, count: int, seeds: Sequence[int]) -> list[Record]:
    return [
        record
        for seed in seeds
        for record in _kept(f"{name}-{seed}", f"maps-{count}", lambda seed=seed: _measure_cohort(name, seed, count))
    ]


def _measure_cohort(name: str, seed: int, count: int) -> list[Record]:
    records: list[Record] = []
    patterns = _svm_patterns(_trained(name, seed))
    for index, case in enumerate(_cases(name, seed, count)):
        pattern = patterns[case.trained.about["fold"]]
        for method, found, about in (*_maps(case, index == 0), ("pattern of the voxel SVM", pattern, {})):
            who = {"seed": seed, "subject": case.scan.subject, "method": method}
            records += [who | record for record in _measures(case, found, about)]
        print(f"{name}, cohort {seed}: {case.scan.subject}", flush=True)
    return records


def _maps(case: Case, with_folds: bool) -> Iterator[tuple[str, np.ndarray, Record]]:
    """Yields the maps of every method that is defined for the network, and of controls that need no network.

    With each comes what is known of it alone: seconds; of gradients the likeness of the mean gradient to that of the
    network drawn anew and, `with_folds`, between the networks of all folds.
    """
    for method in methods_of(case.trained.config):
        start = time.monotonic()
        found = _explain(case, method)
        about: Record = {"seconds": time.monotonic() - start}
        if method == "gradients":
            drawn = _drawn_anew(case)
            about["randomised"] = measures.likeness([found.seen, drawn.seen])
            if with_folds:
                about["folds"] = measures.likeness([_explain(case, method, by=each).seen for each in case.folds])
            yield "gradients, network drawn anew", drawn.values, {}
        yield method, found.values, about
    yield "|scan - mean CN|", np.abs(case.volume - case.reference), {}
    yield "|mean AD - mean CN|", np.abs(case.means.difference), {}
    yield "gradient magnitude of the scan", ndimage.gaussian_gradient_magnitude(case.volume, 1.0), {}
    yield "random", np.random.default_rng(_number(case.scan.subject)).normal(size=case.volume.shape), {}


def _svm_patterns(workdir: Workdir) -> dict[int, np.ndarray]:
    """Returns the pattern of the support vector machine on voxels in each fold of a run."""
    config = workdir.read_config()
    cohort, reading = find_cohort(config), settings.projection_of(config).reading
    folds = read_folds(workdir.folds, cohort, config.train.folds)
    products = voxels(cohort, reading).values
    paths, people = [Path(scan.path) for scan in cohort.scans], [scan.subject for scan in cohort.scans]
    return fold_patterns(paths, products, np.array(cohort.targets), folds, people, config.seed, reading)


def _measures(case: Case, found: np.ndarray, about: Record) -> Iterator[Record]:
    healthy = case.undone[ALL]
    changed = measures.changed_voxels(case.volume - healthy)
    expected = (case.volume - healthy) * (case.volume - case.reference)
    yield about | {
        "deleted": _deleted(case, found) if about else np.nan,  # slow, and for maps of networks alone
        "localisation": measures.localisation_auc(found, changed, case.means.brain | changed),
        "rank": measures.rank_accuracy(found, changed),
        "mass": measures.mass_accuracy(found, changed),
        "sign": measures.sign_agreement(found, expected, changed),
    }
    yield from _interventions(case, found)


def _interventions(case: Case, found: np.ndarray) -> Iterator[Record]:
    """Yields what a map claims for each structure, and by how much its disease changes the logit."""
    for structure, effect in case.effects.items():
        claimed = float(found[case.undone[structure] != case.volume].sum())
        yield {"structure": structure, "claimed": claimed, "changed": effect}


def _deleted(case: Case, found: np.ndarray) -> float:
    """Returns how much lower the mean logit is while the strongest voxels are replaced first, not random ones."""
    brain = np.flatnonzero(case.means.brain)
    answer = answer_volumes(case.trained, whole_network(case.trained), case.scan.path)
    strongest = brain[np.argsort(-np.abs(found).ravel()[brain], kind="stable")]
    orders = np.random.default_rng(0).permutation(brain), strongest
    reference = reference_volume(case.volume, *intensity_range(case.volume), case.means, REFERENCE)
    at_random, first = (measures.deletion(answer, case.volume, reference, order, STEPS) for order in orders)
    return at_random - first


def _effects(volume: np.ndarray, undone: Mapping[str, np.ndarray], trained: Trained) -> dict[str, float]:
    sight = sight_of(trained)
    raw = sight.project(volume)
    window = sight.window(raw)  # held still, so that the scale changes nothing
    logit = sight.network.logits(window.inputs(raw)[None])[0]
    others = {name: sight.network.logits(window.inputs(sight.project(undone[name]))[None])[0] for name in STRUCTURES}
    return {name: float(logit - other) for name, other in others.items()}


def _explain(case: Case, method: str, reference: str = REFERENCE, by: Trained | None = None) -> Attribution:
    return explain_volume(case.scan.path, case.volume, by or case.trained, case.means, method, reference)


def _drawn_anew(case: Case) -> Attribution:
    """Explains the network with everything above its trunk, or all of a 3D network, drawn anew."""
    config = case.trained.config
    network = build_classifier(config.model.name, settings.input_size(config), settings.network_options(config))
    params, batch_stats = case.trained.network
    drawn, _ = jax.jit(network.init)(jax.random.key(1))
    if settings.is_solved(config):
        weights = params["head"]["weights"]
        drawn = {"head": params["head"] | {"weights": np.random.default_rng(1).permutation(weights)}}
    kept = {"trunk": params["trunk"]} if "trunk" in params else {}
    other = case.trained._replace(network=(drawn | kept, batch_stats))
    return explain_volume(case.scan.path, case.volume, other, case.means, "gradients")


def _cases(name: str, seed: int, count: int) -> Iterator[Case]:
    """Yields the first subjects of the positive class that are ill enough, in folds that are trained."""
    workdir = _trained(name, seed)
    every = load_networks(workdir)
    scans, _ = run_scans(workdir, every)
    means = find_means(workdir, every)
    config = every[0].config
    people = {subject.number: subject for subject in draw_subjects(config.cohort.phantom.n, seed)}
    severity = {scan.subject: people[_number(scan.subject)].severity for scan in scans}
    ill = [scan for scan in scans if scan.label == config.cohort.labels[1] and severity[scan.subject] >= ILL]
    anatomy = load_anatomy()
    for scan in ill[:count]:
        subject = people[_number(scan.subject)]
        spared = {name: (name,) for name in STRUCTURES} | {ALL: tuple(STRUCTURES)}
        rendered = parallel_map(
            lambda names, subject=subject: render_scan(subject, 0, seed, anatomy, spared=names),
            list(spared.values()),
            f"undoing the disease of {scan.subject}",
        )
        undone = {name: volume.astype(np.float32) for name, volume in zip(spared, rendered)}
        volume = load_volume(scan.path, *settings.projection_of(config).reading).data
        network = scan.networks[0]
        yield Case(scan, volume, undone, _effects(volume, undone, network), network, means(network), every)


def _number(subject: str) -> int:
    """Returns a phantom's place in its cohort, by its id."""
    return int(subject.rpartition("_")[2]) - 1


def _trained(name: str, seed: int) -> Workdir:
    """Trains a network on a cohort as a user would, unless that is done."""
    workdir = Workdir(RUNS / f"{name}-{seed}")
    file, *options = NETWORKS[name]
    options += [f"--config.seed={seed}", f"--config.cohort.phantom.seed={seed}", f"--workdir={workdir}"]
    command = [sys.executable, ROOT / "main.py", f"--config={ROOT}/configs/{file}", *options]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return workdir


def _kept(run: str, name: str, make: Callable[[], list[Record]]) -> list[Record]:
    """Returns the records kept under a name beside a run, or makes and keeps them."""
    path = RUNS / f"{run}.{name}.json"
    if not path.exists():
        write_text(path, json.dumps(make(), indent=1) + "\n")
    return json.loads(path.read_text())


def _show(name: str, records: Sequence[Record]) -> None:
    """Prints the table of a network: means over subjects with 95 % t intervals, and agreement with interventions."""
    cohorts = ", ".join(str(seed) for seed in sorted({record["seed"] for record in records}))
    print(f"\nSYNTHETIC: {name}, cohorts {cohorts}; {_count(records)} subjects of severity >= 1")
    print(f"{'map':32s}  Spearman             slope  localisation         rank   mass   sign   deletion  seconds")
    for method in dict.fromkeys(record["method"] for record in records):
        own = [record for record in records if record["method"] == method]
        whole = [record for record in own if "localisation" in record]
        means = [np.mean([record[key] for record in whole]) for key in ("rank", "mass", "sign", "deleted")]
        print(
            f"{method:32s}  {_spearman(records, method)}  {_slope(own):5.2f}  "
            f"{_interval([record['localisation'] for record in whole]):19s}  {means[0]:.3f}  {means[1]:.3f}  "
            f"{means[2]:.3f}  {means[3]:8.2f}  {np.mean([record.get('seconds', 0.0) for record in whole]):.1f}"
        )
    print(f"gradients less |scan - mean CN|: {_spearman(records, 'gradients', '|scan - mean CN|')}")
    for key, text in (("randomised", "like that of the network drawn anew"), ("folds", "alike between folds")):
        values = [record[key] for record in records if record.get(key) is not None]
        if values:
            print(f"mean gradients, {text}: {np.mean(values):.2f}")


def _count(records: Sequence[Record]) -> int:
    return len({(record["seed"], record["subject"]) for record in records})


def _slope(records: Sequence[Record]) -> float:
    claims = [record for record in records if "structure" in record]
    return measures.agreement(*([record[key] for record in claims] for key in ("claimed", "changed"))).slope


def _spearman(records: Sequence[Record], method: str, less: str = "") -> str:
    """Returns a map's Spearman correlation with interventions, or by how much it is above that of another map.

    With its 95 % interval, by drawing subjects with replacement.
    """
    tables = [_by_subject(records, name) for name in filter(None, (method, less))]

    def value(chosen: Sequence[Any]) -> float:
        found = [stats.spearmanr(*np.concatenate([table[each] for each in chosen]).T)[0] for table in tables]
        return found[0] - found[1] if less else found[0]

    people, rng = list(tables[0]), np.random.default_rng(0)
    drawn = [value([people[index] for index in rng.integers(len(people), size=len(people))]) for _ in range(1000)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return f"{value(people):5.2f} ({low:.2f} to {high:.2f})"


def _by_subject(records: Sequence[Record], method: str) -> dict[Any, list[tuple[float, float]]]:
    """Returns what a map claims, and what changed, of each structure of each subject."""
    table: dict[Any, list[tuple[float, float]]] = {}
    for record in records:
        if record["method"] == method and "structure" in record:
            pair = record["claimed"], record["changed"]
            table.setdefault((record["seed"], record["subject"]), []).append(pair)
    return table


def _interval(values: Sequence[float]) -> str:
    mean = float(np.mean(values))
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{mean:.2f} ({mean - half:.2f} to {mean + half:.2f})"


if __name__ == "__main__":
    main(sys.argv[1:])
