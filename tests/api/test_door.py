"""Shows what one sees of dynjax from Python: its names, its help, its types and its examples, which are run."""

import contextlib
import doctest
import inspect
import io
import pydoc
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib import pyplot

import dynjax

ROOT = Path(dynjax.__file__).parents[1]
FUNCTIONS = [name for name in dynjax.__all__ if not name[0].isupper()]
SLOW = [pytest.param("explain", marks=pytest.mark.slow)]  # by gradients, in many steps
WITH_EXAMPLES = [
    "DynamicImageClassifier", "plot_dynamic_image", "load_config", "load_run", "train", "evaluate", "predict", *SLOW,
]  # fmt: skip


def test_dir_shows_all_and_each_is_there():
    assert set(dynjax.__all__) <= set(dir(dynjax)) and "__version__" in dir(dynjax)
    assert set(dynjax.__all__) == set(dynjax._HOME) and dynjax.__all__ == sorted(dynjax.__all__)
    for name in dynjax.__all__:
        found = getattr(dynjax, name)
        assert callable(found) and found.__module__ == dynjax._HOME[name], name
        assert name in dynjax.__doc__, f"the module's docstring does not name {name}"
    with pytest.raises(AttributeError, match="module 'dynjax' has no attribute 'trian'"):
        dynjax.trian  # noqa: B018


def test_help_shows_every_function_with_its_signature():
    text = pydoc.plain(pydoc.render_doc(dynjax))
    for name in FUNCTIONS:
        assert f"    {name}(" in text, name
    assert "class DynamicImageClassifier(" in text and "radiological" in text


def test_each_says_in_a_line_what_it_does():
    for name in FUNCTIONS:
        first = inspect.getdoc(getattr(dynjax, name)).splitlines()[0]
        assert (first[0].isupper() and first.endswith((".", ":"))) or name == "scale_images", first


def test_importing_it_loads_no_jax():
    program = "import sys, dynjax; dir(dynjax); print({'jax', 'sklearn', 'matplotlib', 'nibabel'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.slow
def test_type_checkers_know_the_names(tmp_path):
    assert (ROOT / "dynjax" / "py.typed").exists()
    (tmp_path / "use.py").write_text(
        "import dynjax\nreveal_type(dynjax.load_run('x').predictions.probabilities)\ndynjax.trian\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file=pyproject.toml", str(tmp_path / "use.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "ndarray" in done.stdout and 'Module has no attribute "trian"' in done.stdout, done.stdout


@pytest.fixture
def somewhere(workdir, scans, tmp_path, monkeypatch):
    """A user's folder: configs, runs/mine and a scan like the run's."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    shutil.copytree(workdir, tmp_path / "runs" / "mine")
    shutil.copy(scans[0][0].path, tmp_path / "scan.nii.gz")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    pyplot.close("all")


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_do_what_they_say(name, somewhere):
    """Runs the lines of a docstring; what they print besides is not compared, but values are."""
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(getattr(dynjax, name)))
    assert 2 <= len(examples) <= 4
    names: dict = {}
    for example in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(example.source, name, "single"), names)
        if example.want:
            end = printed.getvalue()[-len(example.want) - 200 :]
            assert matches(example.want, end), f"{example.source}{end}"


def matches(wanted, printed):
    lines = printed.splitlines()[-wanted.count("\n") :]
    return doctest.OutputChecker().check_output(wanted, "\n".join(lines) + "\n", doctest.ELLIPSIS)
