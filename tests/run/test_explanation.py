"""Reads for the page what `explain` left: whole, absent, damaged."""

import json

import numpy as np
import pytest
from nibabel import Nifti1Image

from dynjax.errors import InputError
from dynjax.run.explanation import read_explanation
from tests.report.fabricated import about_explanation

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


@pytest.fixture
def folder(tmp_path):
    about = about_explanation(["a", "b", "c"])
    for number, group in enumerate(about["groups"]):
        for name, value in ((group["map"], number), (group["volume"], 10 + number)):
            Nifti1Image(np.full((4, 5, 6), value, np.float32), AFFINE).to_filename(tmp_path / name)
    for scan in about["scans"]:
        (tmp_path / scan["subject"]).mkdir()
        (tmp_path / scan["picture"]).write_bytes(scan["subject"].encode())
    write(tmp_path, about)
    return tmp_path


def write(folder, about):
    (folder / "explanation.json").write_text(json.dumps(about))


def test_maps_and_the_pictures_of_the_largest_errors(folder):
    found = read_explanation(folder, ["zz", "c", "a", "b"], 2)
    assert [(volume.max(), values.max()) for volume, values in found.maps] == [(10, 0), (11, 1)]
    assert list(found.errors.items()) == [("c", b"c"), ("a", b"a")], "worst first"
    np.testing.assert_array_equal(found.affine, AFFINE)


def test_of_several_sessions_the_first_is_shown(folder):
    scans = about_explanation(["a", "b"])["scans"]
    again = scans[0] | {"session": "m06", "picture": scans[1]["picture"]}
    write(folder, about_explanation([], scans=[scans[0], again]))
    assert read_explanation(folder, ["a"], 8).errors == {"a": b"a"}


def test_nothing_is_read_before_the_verb_has_ended(folder):
    (folder / "explanation.json").unlink()
    assert read_explanation(folder, [], 8) is None and read_explanation(folder / "nowhere", [], 8) is None


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", json.dumps(about_explanation(["a"], schema=2)), json.dumps(about_explanation([], groups=[{}]))]
    + [json.dumps(about_explanation([], **{key: 1})) for key in ("scans", "regions", "agreement", "groups")],
)
def test_a_damaged_index_is_one_line(folder, text):
    (folder / "explanation.json").write_text(text)
    with pytest.raises(InputError, match=r"^[^\n]*explanation.json: damaged[^\n]*run explain[^\n]*$"):
        read_explanation(folder, [], 8)


def test_missing_and_damaged_files_are_one_line(folder):
    (folder / "a" / "attribution.png").unlink()
    with pytest.raises(InputError, match=r"^[^\n]*attribution.png: cannot be read[^\n]*run explain[^\n]*$"):
        read_explanation(folder, ["a"], 8)
    Nifti1Image(np.zeros((4, 5, 7), np.float32), AFFINE).to_filename(folder / "a.nii.gz")
    with pytest.raises(InputError, match="different shapes"):
        read_explanation(folder, [], 8)
    (folder / "a.nii.gz").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"^[^\n]*a.nii.gz: [^\n]*run explain[^\n]*$"):
        read_explanation(folder, [], 8)
