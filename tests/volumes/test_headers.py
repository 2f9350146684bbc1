"""Headers as nibabel, SimpleITK, dcm2niix and older programs write them: the array and affine that nibabel reads."""

import gzip
import itertools
import logging
import struct
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest

from dynjax.volumes.grid import Grid
from dynjax.volumes.inspection import inspect_scan
from dynjax.volumes.nifti import load_volume
from tests.volumes.bad_nifti import AFFINE, brain, nifti

NAN = float("nan")
TURN = np.array([[0.98, -0.17, 0.1, 0], [0.17, 0.985, 0, 0], [-0.1, 0.017, 0.995, 0], [0, 0, 0, 1]])

# Of each kind of choice that a program makes, what it may be.
CHOICES = {
    "version": (1, 2),
    "order": ("<", ">"),
    "dtype": ("u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"),
    "scale": ((1, 0), (0, 0), (0, NAN), (NAN, NAN), (NAN, 0), (np.inf, 0), (2, 0), (0.5, -3), (-1, 300)),
    "forms": (
        "sform",
        "qform",
        "both",
        "sform of MNI",
        "sform, old pixdim",
        "sform, broken qform",
        "other qform",
    ),
    "axes": ("RAS", "LAS", "LPS", "PIR", "ASR", "oblique"),
    "dims": (3, 4, 5, 7),
    "before": (b"", b"\x20", b"\x14", b"\x20 padded", b"nothing but padding"),
    "units": (0, 2, 10),
    "bits": ("right", "left out"),
    "file": (".nii", ".nii.gz", ".NII", ".NII.GZ"),
}
SAID = {"sform, old pixdim": "sform and qform", "sform, broken qform": "qform", "other qform": "sform and qform"}
COUNT = 240


def draws():
    rng = np.random.default_rng(0)
    orders = {kind: rng.permutation(np.arange(COUNT) % len(of)) for kind, of in CHOICES.items()}  # each equally often
    for number in range(COUNT):
        yield {kind: of[orders[kind][number]] for kind, of in CHOICES.items()}


def affine_of(axes: str) -> np.ndarray:
    if axes == "oblique":
        return AFFINE @ TURN
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(AFFINE), nibabel.orientations.axcodes2ornt(tuple(axes))
    )
    return AFFINE @ nibabel.orientations.inv_ornt_aff(turn, (12, 14, 16))


def content(made: dict) -> bytes:
    data = brain(made["order"] + made["dtype"])
    affine, fields = affine_of(made["axes"]), {}
    header = nibabel.Nifti1Header()
    header.set_data_shape(data.shape)
    header.set_qform(affine, 1)
    names = ("pixdim", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
    fields |= {name: header[name] for name in names}
    fields |= {f"srow_{axis}": affine[row] for row, axis in enumerate("xyz")}
    forms = made["forms"]
    fields["sform_code"] = 0 if forms == "qform" else 4 if "MNI" in forms else 1
    fields["qform_code"] = 0 if forms.startswith("sform") and "qform" not in forms else 1
    if "old pixdim" in forms:
        fields["pixdim"] = [0, -2, 0, NAN, 0, 0, 0, 0]
    elif "broken" in forms:
        fields |= {"quatern_b": 0.9, "quatern_c": 0.9, "quatern_d": 0.9}
    elif "other" in forms:
        fields["qoffset_x"] = 55
    extension = {b"": b"", b"n": bytes(48)}.get(made["before"][:1])
    if extension is None:
        size = made["before"][0]
        extension = struct.pack(made["order"] + "ii", size, 6)
        extension += b"x" * (size - 8) + (bytes(8) if b"padded" in made["before"] else b"")
    data = data.reshape(data.shape + (1,) * (made["dims"] - 3))
    bits = {} if made["bits"] == "right" else {"bitpix": 0}
    slope, inter = made["scale"]
    more = {"scl_slope": slope, "scl_inter": inter, "xyzt_units": made["units"], **bits}
    written = nifti(data, made["version"], made["order"], extension, **fields, **more)
    if made["before"].startswith(b"n"):  # the voxels begin later, but no extension is announced
        written = written[: len(written) - data.nbytes - 52] + bytes(4) + written[len(written) - data.nbytes - 48 :]
    return gzip.compress(written, 1) if made["file"].lower().endswith(".gz") else written


def as_nibabel_reads(path: Path) -> nibabel.Nifti1Image:
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            return nibabel.as_closest_canonical(nibabel.squeeze_image(nibabel.load(path)))
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("part", range(8))
def test_headers_of_every_kind_are_read_as_nibabel_reads_them(tmp_path, part):
    for number, made in itertools.islice(enumerate(draws()), part, None, 8):
        path = tmp_path / f"{number}{made['file']}"
        path.write_bytes(content(made))
        expected, volume = as_nibabel_reads(path), load_volume(path)
        with np.errstate(over="ignore"):
            np.testing.assert_allclose(volume.data, expected.get_fdata(dtype=np.float32), rtol=1e-6, err_msg=str(made))
        np.testing.assert_allclose(volume.affine, expected.affine, atol=1e-4, err_msg=str(made))
        kinds = {finding.kind for finding in inspect_scan(path, Grid()).findings} - {"background"}
        assert kinds == ({SAID[made["forms"]]} if made["forms"] in SAID else set()), made


@pytest.mark.parametrize("suffixes", [(".img", ".hdr"), (".img.gz", ".hdr.gz"), (".IMG", ".HDR"), (".img.gz", ".hdr")])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Spm99AnalyzeImage, nibabel.AnalyzeImage])
@pytest.mark.parametrize("named", [0, 1])
def test_pairs_compressed_or_in_capitals(tmp_path, suffixes, kind, named):
    if kind is not nibabel.Nifti1Pair and len({suffix.endswith(".gz") for suffix in suffixes}) == 2:
        pytest.skip("nibabel, which reads these, takes both files compressed or none")
    affine = AFFINE if kind is nibabel.Nifti1Pair else np.diag([-2.0, 2, 2, 1])
    image = kind(brain(), affine)
    nibabel.save(image, tmp_path / "plain.img")
    for suffix, part in zip(suffixes, ("plain.img", "plain.hdr")):
        raw = (tmp_path / part).read_bytes()
        (tmp_path / f"a{suffix}").write_bytes(gzip.compress(raw) if suffix.endswith(".gz") else raw)
    expected = nibabel.as_closest_canonical(nibabel.load(tmp_path / "plain.img"))
    volume = load_volume(tmp_path / f"a{suffixes[named]}")
    np.testing.assert_array_equal(volume.data, expected.get_fdata(dtype=np.float32))
    if kind is not nibabel.Spm99AnalyzeImage:  # whose affine is in a .mat file
        np.testing.assert_allclose(volume.affine, expected.affine, atol=1e-5)


ITK = ("Int16", "UInt8", "UInt16", "Int32", "Float32", "Float64")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".hdr", ".img.gz"])
def test_what_simpleitk_writes(tmp_path, suffix):
    sitk = pytest.importorskip("SimpleITK")
    for kind, direction in itertools.product(ITK, (np.eye(3), np.diag([-1, -1, 1]), TURN[:3, :3])):
        image = sitk.Cast(sitk.GetImageFromArray(np.ascontiguousarray(brain().T)), getattr(sitk, f"sitk{kind}"))
        image.SetSpacing((2.0, 1.5, 3.0))
        image.SetOrigin((10.0, -20.0, 30.0))
        image.SetDirection(np.linalg.qr(direction)[0].ravel().tolist())
        path = tmp_path / f"{kind}{suffix}"
        sitk.WriteImage(image, path)
        expected, volume = as_nibabel_reads(path), load_volume(path)
        np.testing.assert_array_equal(volume.data, expected.get_fdata(dtype=np.float32))
        np.testing.assert_allclose(volume.affine, expected.affine, atol=1e-4)
        assert inspect_scan(path, Grid()).verdict == "ok"
