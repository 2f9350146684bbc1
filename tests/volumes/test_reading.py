"""Every reader of volumes reads them as the config says: NaN, grid and recipe reach all of them."""

import ast
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
from ml_collections import FrozenConfigDict

from dynjax.api import loaded
from dynjax.audit.copies import confirm, reduce_cohort
from dynjax.baselines.features import FEATURES
from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError
from dynjax.projection.store import Projection, fill_store, project_cohort, stored_image
from dynjax.run import explaining, guarding, svm_pattern, unlike, verdicts
from dynjax.run.checking import inspect_anew
from dynjax.run.data import Data
from dynjax.run.keys import KEYS, default_config
from dynjax.run.workdir import Workdir
from dynjax.verbs import report
from dynjax.volumes.finding import RefusedVolume
from dynjax.volumes.grid import Grid
from dynjax.volumes.nifti import load_volume
from dynjax.volumes.reading import NAN, NEWEST, RECIPES, Reading
from tests.datasets import write_tsv

ROOT = Path(__file__).parents[2] / "dynjax"
GRID = Grid((32, 32, 32), 6.9)
ONE_SCAN = {"load_volume", "inspect_scan"}  # what reads one scan


def paths(cohort) -> list[Path]:
    return [scan.path for scan in cohort.scans]


def check(cohort, projection):
    found = inspect_anew(cohort, projection).values()
    if refused := [each.reason for each in found if each.facts is None]:
        raise InputError(refused[0])
    return [len(each.findings) for each in found]


def read_of_run(cohort, projection):
    run = loaded.Run(Path("nowhere"))
    run.__dict__["config"] = data_of(cohort, projection).config
    return [run.read_scan(path) for path in paths(cohort)]


def draw(cohort, projection):
    found = report._read_rows(data_of(cohort, projection).config, Workdir("nowhere"), paths(cohort))
    return [row.slice for rows in found for row in rows]


def stream(cohort, projection):
    whole = projection._replace(name="none")
    return [stored_image(path, digest, whole) for path, digest in zip(paths(cohort), fill_store(paths(cohort), whole))]


def answer(cohort, projection):
    found = verdicts._read(str(cohort.scans[0].path), data_of(cohort, projection).config, None)
    if isinstance(found, InputError):
        raise found
    return found.input


def explain(cohort, projection):
    network = SimpleNamespace(config=data_of(cohort, projection).config)
    return explaining.volume_of(explaining.Chosen(cohort.scans[0].path, (network,))).data


def data_of(cohort, projection) -> Data:
    config = default_config()
    config.volume.grid, config.volume.spacing = projection.grid
    config.volume.nan, config.volume.recipe, config.train.folds = projection.nan, projection.recipe, 2
    folds = np.arange(len(cohort.scans)) // 2
    return Data(FrozenConfigDict(config), cohort, np.array(cohort.targets), folds, [])


def remember(cohort, projection):
    return guarding._survey(data_of(cohort, projection))[1]


def judge(cohort, projection):
    seen = []
    guard = SimpleNamespace(judge=lambda sketch, _: seen.append(np.hstack([np.ravel(part) for part in sketch])))
    unlike._judge(data_of(cohort, projection), guard, {})
    return sorted(map(tuple, seen))


def look_twice(cohort, projection):
    mean = np.random.default_rng(0).normal(size=np.prod(GRID.shape)).astype(np.float32)
    return [pair.correlation for pair in confirm([(0, 2), (1, 3), (1, 1)], paths(cohort), projection.reading, mean)]


def prepare(cohort, projection):
    """Returns what `prepare` hands to the registration."""
    prepared = pytest.importorskip("dynjax.preprocess.prepared")
    seen = []

    def register(raw, reading):
        assert reading == projection.reading
        seen.append(raw.data)
        raise RefusedVolume("registration", "not tried here")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared, "prepare_volume", register)
        with pytest.raises(InputError) as refused:
            folder = Path(cohort.source).parent / "prepared"
            prepared.prepare_scan(cohort.scans[0], "a", folder, projection.reading)
    if not seen:
        raise refused.value
    return seen[0]


def baseline(name):
    return lambda cohort, projection: FEATURES[name](cohort, projection.reading).values


# file -> the readers in it
READERS = {
    "run/checking.py": {"check": check},
    "run/guarding.py": {"train, for the guard": remember},
    "run/unlike.py": {"evaluate --table, for the guard": judge},
    "projection/store.py": {
        "train": lambda cohort, projection: project_cohort(paths(cohort), projection).images,
        "train, streamed": stream,
    },
    "run/verdicts.py": {"predict": answer},
    "run/explaining.py": {"explain": explain},
    "api/loaded.py": {"from Python": read_of_run},
    "verbs/report.py": {"report": draw},
    "run/svm_pattern.py": {
        "explain, of a baseline": lambda cohort, projection: [
            *svm_pattern.of_length_one(paths(cohort), projection.reading)
        ]
    },
    "audit/copies.py": {
        "audit": lambda cohort, projection: reduce_cohort(paths(cohort), projection.reading).vectors,
        "audit, of those alike": look_twice,
    },
    "baselines/features.py": {name: baseline(name) for name in FEATURES if name != "age_sex"},
    "preprocess/prepared.py": {"prepare": prepare},
}
ALL = {name: reader for readers in READERS.values() for name, reader in readers.items()}
SLOW = {"prepare": pytest.mark.slow}  # for `make test-slow`, which installs SimpleITK
MARKED = [pytest.param(reader, marks=SLOW.get(name, ()), id=name) for name, reader in ALL.items()]
ONTO_THE_GRID = {name: reader for name, reader in ALL.items() if name != "prepare"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNJAX_CACHE", str(tmp_path / "cache"))
    return tmp_path


def cohort_of(folder: Path, edge: float, affine: np.ndarray):
    """Makes four bright balls, two alike, in a background of `edge`."""
    rows = []
    for k in range(4):
        radius = np.linalg.norm(np.indices(GRID.shape) - 15.5 - k % 2, axis=0)
        texture = np.random.default_rng(k).normal(0, 30, GRID.shape)
        data = np.where(radius < 9 + k % 2, 900 - 40 * radius + texture, edge).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(data, affine), folder / f"{k}.nii.gz")
        rows.append([f"S{k}", "bl", ("CN", "AD")[k % 2], f"{k}.nii.gz"])
    return load_cohort(write_tsv(folder / "scans.csv", ["subject", "session", "label", "path"], rows))


@pytest.mark.parametrize("read", MARKED)
def test_nan_outside_the_brain_is_read_as_zero_by_every_reader_that_is_told_so(folder, read):
    cohort = cohort_of(folder, np.nan, GRID.affine)
    with pytest.raises(InputError, match="of its voxels are NaN"):
        read(cohort, Projection(GRID))
    found = np.asarray(read(cohort, Projection(GRID, nan="zero")))
    assert found.size and not np.isnan(found).any()


@pytest.mark.parametrize("read", ONTO_THE_GRID.values(), ids=ONTO_THE_GRID)
def test_every_reader_reads_by_the_recipe_that_it_is_told(folder, read):
    moved = GRID.affine.copy()
    if read is check:  # which warns of an origin that is not there, and by recipe 2 only
        moved[:3, 3] = 0
    else:
        moved[:3, 3] += (2.6 * GRID.spacing, 0, -60)
    cohort = cohort_of(folder, 0, moved)
    first, second = (np.asarray(read(cohort, Projection(GRID, recipe=recipe)), float) for recipe in RECIPES)
    assert first.shape == second.shape and not np.allclose(first, second, rtol=1e-4)


def calls() -> dict[str, list[ast.Call]]:
    """Returns every call of what reads one scan, direct or by `partial`, by the file that makes it."""
    found: dict[str, list[ast.Call]] = {}
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                names = {each.id for each in (node.func, *node.args) if isinstance(each, ast.Name)}
                if names & ONE_SCAN:
                    found.setdefault(str(path.relative_to(ROOT)), []).append(node)
    return found


def test_these_are_all_readers_and_each_is_given_the_reading_whole():
    assert set(calls()) == set(READERS)
    for file, found in calls().items():
        for call in found:
            whole = [isinstance(each, ast.Starred) for each in call.args] + [not each.arg for each in call.keywords]
            assert any(whole), f"{file}:{call.lineno}: give it `*reading`, so that no option is forgotten"


def test_the_defaults_agree():
    assert Reading() == Projection().reading == Reading(Grid(), "refuse", NEWEST)
    recipe = KEYS["volume.recipe"]
    assert (recipe.default, recipe.before) == (NEWEST, 1) and KEYS["volume.nan"].default == NAN[0]
    assert tuple(number for number in range(-1, 9) if recipe.holds(number)) == RECIPES


def test_a_volume_that_lies_on_the_grid_is_read_alike_by_all_recipes(folder):
    scan = cohort_of(folder, 0, GRID.affine).scans[0]
    own = load_volume(scan.path)
    for recipe in RECIPES:
        volume = load_volume(scan.path, *Reading(GRID, recipe=recipe))
        assert volume.data.tobytes("F") == own.data.tobytes("F")
        np.testing.assert_array_equal(volume.affine, own.affine)
