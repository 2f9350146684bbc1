"""Scans of every kind that a folder may hold: each with the verdict it has to get and what has to be said of it."""

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np

SHAPE = (12, 14, 16)
AFFINE = np.array([[2.0, 0, 0, -11], [0, 2, 0, -30], [0, 0, 2, 5], [0, 0, 0, 1]])
GIB = 2**30


class Case(NamedTuple):
    """file: its name. says: a part of the reason, '' for a good scan. write: makes it, given its path."""

    file: str
    verdict: str
    says: str
    write: Callable[[Path], object]
    large: bool = False  # too large to be read whole in a test


def brain(dtype="<i2") -> np.ndarray:
    """A bright ball in a background of 0, with some texture."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, size) for size in SHAPE), indexing="ij")
    texture = np.random.default_rng(0).integers(1, 40, SHAPE)
    return np.where(x**2 + y**2 + z**2 < 0.8, 60 + texture, 0).astype(dtype)


def nifti(data=None, version=1, order="<", extensions=b"", after=b"", **fields) -> bytes:
    """A good file, but for the header fields given: dim3=17 is dim[3], srow_x=(..) the whole row."""
    data = brain(order + "i2") if data is None else data
    kind = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    header = kind(endianness=order)
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    header.set_qform(AFFINE, 1)
    header.set_sform(AFFINE, 1)
    header.set_xyzt_units("mm")
    extensions = b"\x01\0\0\0" + extensions if extensions else bytes(4)
    values = header.structarr
    values["scl_slope"], values["scl_inter"] = 1, 0
    values["vox_offset"] = len(header.binaryblock) + len(extensions)
    values["magic"] = b"n+1" if version == 1 else b"n+2"
    for name, value in fields.items():
        if name in values.dtype.names:
            values[name] = value
        else:
            values[name[:-1]][int(name[-1])] = value
    return header.binaryblock + extensions + data.tobytes(order="F") + after


def zipped(content: bytes) -> bytes:
    return gzip.compress(content, 6, mtime=0)


def changed(content: bytes, position: int, value: int) -> bytes:
    content = bytearray(content)
    content[position] ^= value
    return bytes(content)


def zip_in_place(path: Path) -> None:
    path.with_name(path.name + ".gz").write_bytes(zipped(path.read_bytes()))
    path.unlink()


def cases() -> list[Case]:
    made = [*_good(), *_gzip(), *_plain(), *_dims(), *_fields(), *_scales(), *_extensions(), *_affines(), *_values()]
    made += [*_mgh(), *_pairs(), *_no_files(), *_bombs()]
    assert len({case.file for case in made}) == len(made)
    return made


def _case(file, verdict, says, content: bytes) -> Case:
    return Case(file, verdict, says, lambda path: path.write_bytes(content))


def _refused(stem: str, says: str, data=None, **fields) -> Case:
    return _case(stem + ".nii", "refused", says, nifti(data, **fields))


def _warned(stem: str, says: str, **fields) -> Case:
    return _case(stem + ".nii", "warning", says, nifti(**fields))


def _fine(stem: str, data=None, **fields) -> Case:
    return _case(stem + ".nii", "ok", "", nifti(data, **fields))


def _good():
    content = nifti()
    blocks = [content[start : start + 500] for start in range(0, len(content), 500)]
    yield _fine("good")
    yield _fine("good_nifti2", version=2)
    yield _fine("good_big_endian", order=">")
    yield _fine("good_4d", brain()[..., None])
    yield _fine("good_unscaled", scl_slope=0)
    yield _fine("good_unscaled_whatever_is_added", scl_slope=0, scl_inter=np.nan)
    yield _fine("good_extension", extensions=struct.pack("<ii", 32, 6) + b"a comment".ljust(24, b"\0"))
    yield _fine("good_bits_left_out", bitpix=0)
    yield _fine("GOOD_IN_CAPITALS")._replace(file="GOOD.NII")
    yield _case("GOOD.NII.GZ", "ok", "", zipped(content))
    yield _case("good.nii.gz", "ok", "", zipped(content))
    yield _case("good_bgzip.nii.gz", "ok", "", b"".join(map(zipped, [*blocks, b""])))
    yield _case("good_not_zipped.nii.gz", "ok", "", content)


def _gzip():
    good = zipped(nifti())
    text, page = b"subject,age\n" * 99, b"\r\n<!DOCTYPE html>\n<title>504 Gateway Time-out</title>"
    lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    stand_ins = {
        "empty": (b"", "it is empty"),
        "text": (text, "it is text, 'subject,age'"),
        "web_page": (page, "it is a web page or another answer of a server, '<!DOCTYPE html>'"),
        "answer": (
            b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
            'another answer of a server, "<?xml',
        ),
        "lfs": (lfs, "it is a pointer of Git LFS"),
        "annex": (b"/annex/objects/MD5E-s1896--ab.nii.gz\n", "it is a pointer of git-annex"),
        "zipped_twice": (good, "it is compressed twice"),
        "zip_archive": (b"PK\x03\x04" + bytes(99), "it is a zip archive"),
        "bzip2": (b"BZh91AY" + bytes(99), "it is compressed by bzip2"),
        "xz": (b"\xfd7zXZ\0" + bytes(99), "it is compressed by xz"),
        "tar": (bytes(257) + b"ustar" + bytes(250), "it is a tar archive"),
        "dicom": (bytes(128) + b"DICM" + bytes(400), "it is a DICOM file"),
        "noise": (b"\x07\xff\x81\0" * 99, "it has no NIfTI header"),
    }
    for name, (start, says) in stand_ins.items():
        yield _case(f"{name}.nii.gz", "refused", says, zipped(start))
        if name != "zipped_twice":
            yield _case(f"{name}_at_once.nii.gz", "refused", says, start)
        yield _case(f"{name}.mgz", "refused", says.replace("NIfTI", "MGH"), zipped(start))
    yield _case("cut.nii.gz", "refused", "truncated", good[:-500])
    yield _case("cut_in_gzip_header.nii.gz", "refused", "truncated", good[:5])
    yield _case("no_trailer.nii.gz", "refused", "truncated", good[:-8])
    yield _case("half_a_trailer.nii.gz", "refused", "truncated", good[:-3])
    yield _case("crc.nii.gz", "refused", "CRC", changed(good, -6, 1))
    yield _case("length.nii.gz", "refused", "length", changed(good, -2, 1))
    yield _case("bit.nii.gz", "refused", "damaged", changed(good, len(good) // 2, 4))
    yield _case("method.nii.gz", "refused", "damaged", changed(good, 2, 1))
    yield _case("reserved_flag.nii.gz", "refused", "damaged", changed(good, 3, 0x80))
    yield _case("short_stream.nii.gz", "refused", "truncated", zipped(nifti()[:-1]))
    yield _case("second_member_damaged.nii.gz", "refused", "damaged", good + changed(zipped(b"more" * 50), -6, 1))
    yield _case("twice.nii.gz", "refused", "bytes follow its voxels", good + good)
    yield _case("empty_members.nii.gz", "refused", "members", zipped(b"") * 70_000)
    yield _case("trailing_zeros.nii.gz", "warning", "512 bytes follow its gzip stream", good + bytes(512))
    yield _case("trailing_text.nii.gz", "warning", "3 bytes follow its gzip stream", good + b"end")
    yield _case("trailing_byte.nii.gz", "warning", "1 bytes follow its gzip stream", good + b"\x1f")
    yield _case("second_member.nii.gz", "warning", "4 bytes follow its voxels", good + zipped(b"more"))


def _plain():
    content = nifti()
    yield _case("empty.nii", "refused", "it is empty", b"")
    yield _case("three_bytes.nii", "refused", "no NIfTI header", content[:3])
    yield _case("text.nii", "refused", "no NIfTI header", b"this is no image, " * 40)
    yield _case("half_a_header.nii", "refused", "truncated", content[:200])
    yield _case("header_only.nii", "refused", "truncated", content[:352])
    yield _case("short.nii", "refused", "truncated", content[:-1])
    yield _case("slice_more.nii", "refused", "336 bytes follow its voxels", content + bytes(336))
    yield _case("byte_more.nii", "warning", "1 bytes follow its voxels", content + bytes(1))
    yield _case("text_mode.nii", "refused", "", content.replace(b"\n", b"\r\n").replace(b"\0", b""))


def _dims():
    yield _refused("dims_0", "0 dimensions", dim0=0)
    yield _refused("dims_8", "8 dimensions", dim0=8)
    yield _refused("dims_negative", "-3 dimensions", dim0=-3)
    yield _refused("dims_swapped", "768 dimensions", dim0=768)
    yield _refused("dims_2", "one 3D volume", dim0=2)
    yield _refused("flat", "one 3D volume", brain()[:, :, 0])
    yield _refused("slice", "one 3D volume", brain()[:, :, :1])
    yield _refused("film", "one 3D volume", np.stack([brain(), brain()], axis=-1))
    yield _refused("vectors", "one 3D volume", np.stack([brain()[:, :, :, None]] * 3, axis=-1))
    yield _refused("size_0", "shape", dim2=0)
    yield _refused("size_negative", "shape", dim1=-12)
    yield _refused("free_surfer_vector", "shape", dim1=-1, dim2=1, dim3=1, glmin=12 * 14 * 16)
    yield _refused("free_surfer_surface", "one 3D volume", dim1=27307, dim2=1, dim3=6)
    yield _refused("slice_promised", "truncated", dim3=17)
    yield _refused("slice_denied", "bytes follow its voxels", dim3=15)
    yield _refused("column_denied", "bytes follow its voxels", dim1=11)
    yield _refused("claims_all", "GiB of voxels", dim1=32767, dim2=32767, dim3=32767)
    yield _refused("claims_long", "GiB of voxels", dim1=32767)
    yield _refused("claims_int64", "GiB of voxels", version=2, dim1=2**62, dim2=2**62, dim3=2**62)
    yield _refused("claims_wrapping", "GiB of voxels", version=2, dim1=2**32, dim2=2**32, dim3=4)
    yield _refused("negative_int64", "shape", version=2, dim3=-(2**63))
    yield _refused("dims_int64", "dimensions", version=2, dim0=2**40)
    huge = zipped(nifti(dim1=32767, dim2=32767, dim3=32767))
    yield _case("claims_all.nii.gz", "refused", "GiB of voxels", huge)


def _fields():
    yield _refused("sizeof_hdr", "no NIfTI header", sizeof_hdr=347)
    yield _refused("sizeof_hdr_540", "magic", version=1, sizeof_hdr=540)
    yield _refused("magic", "magic", magic=b"n+3")
    yield _refused("magic_none", "magic", magic=b"")
    yield _refused("magic_of_a_pair", "magic", magic=b"ni1")
    yield _refused("magic_2_in_1", "magic", magic=b"n+2")
    yield _refused("line_ends", "end-of-line", version=2, eol_check=(10, 10, 26, 10))
    for code, name in ((0, "unknown"), (1, "bits"), (255, "all"), (12345, "none")):
        yield _refused(f"type_{name}", "voxel type", datatype=code)
    yield _refused("complex", "not plain numbers", brain("<c8"))
    yield _refused("complex_double", "not plain numbers", brain("<c16"))
    yield _refused("rgb", "not plain numbers", np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")]))
    yield _refused("rgba", "not plain numbers", np.zeros(SHAPE, [(c, "u1") for c in "RGBA"]))
    yield _refused("bitpix", "claims voxels of 32 bits", bitpix=32)
    yield _refused("type_promised", "truncated", datatype=64, bitpix=64)
    yield _refused("type_denied", "bytes follow its voxels", datatype=2, bitpix=8)
    for name, offset in (("0", 0), ("in_header", 16), ("negative", -352), ("fraction", 352.5), ("nan", np.nan)):
        yield _refused(f"offset_{name}", "voxels at byte", vox_offset=offset)
    yield _refused("offset_inf", "voxels at byte", vox_offset=np.inf)
    yield _refused("offset_far", "voxels at byte", vox_offset=1e30)
    yield _refused("offset_past_the_end", "truncated", vox_offset=100_000)
    yield _refused("offset_later", "truncated", vox_offset=368)
    yield _refused("offset_int64", "voxels at byte", version=2, vox_offset=2**62)
    yield _refused("offset_negative_int64", "voxels at byte", version=2, vox_offset=-(2**63))
    yield _refused("metres", "metres", xyzt_units=1)
    yield _refused("micrometres", "micrometres", xyzt_units=3)
    yield _refused("no_unit", "unknown unit", xyzt_units=7)


def _scales():
    for name, value in (("inf", np.inf), ("minus_inf", -np.inf), ("nan", np.nan)):
        yield _fine(f"slope_{name}", scl_slope=value, scl_inter=value)
        yield _refused(f"inter_{name}", "scales voxels by", scl_inter=value)
    yield _refused("slope_huge", "too large for float32", scl_slope=1e37)
    yield _refused("slope_overflows", "too large for float32", version=2, scl_slope=1e300)
    yield _refused("slope_tiny", "all its voxels are", scl_slope=1e-38)
    yield _refused("inter_drowns", "all its voxels are 1e+09", scl_slope=0.001, scl_inter=1e9)


def _extensions():
    good = struct.pack("<ii", 16, 6) + bytes(8)
    for name, size in (("0", 0), ("8", 8), ("huge", 2**31 - 16), ("negative", -16), ("over_the_end", 48)):
        yield _refused(f"extension_{name}", "extension", extensions=struct.pack("<ii", size, 6) + bytes(24))
    for size in (17, 20, 24, 40):
        odd = struct.pack("<ii", size, 6) + b"x" * (size - 8)
        yield _fine(f"extension_of_{size}", extensions=odd)
        yield _fine(f"extension_of_{size}_and_another", extensions=odd + good)
        yield _fine(f"extension_of_{size}_in_big_endian", extensions=struct.pack(">ii", size, 6) + odd[8:], order=">")
    for zeros in (4, 8, 16, 300):
        yield _fine(f"extension_and_{zeros}_zeros", extensions=good + bytes(zeros))
    yield _refused("extension_chain_broken", "extension", extensions=good * 3 + struct.pack("<ii", 32, 6) + bytes(8))
    endless = nifti(extensions=good * 1000, vox_offset=1e9)
    yield _case("extension_chain_endless.nii", "refused", "voxels at byte", endless)
    yield _case("extension_chain_million.nii", "ok", "", nifti(extensions=good * (2**20 - 23)))
    yield _refused("extension_offset_short", "extension", extensions=good + good, vox_offset=360)


def _affines():
    for name, value in (("0", 0), ("nan", np.nan), ("inf", np.inf), ("tiny", 0.05), ("huge", 50), ("negative", -2)):
        yield _refused(f"pixdim_{name}", "pixdim", pixdim2=value, sform_code=0)
        yield _refused(f"pixdim_{name}_alone", "pixdim", pixdim2=value, sform_code=0, qform_code=0)
        yield _warned(f"pixdim_{name}_beside_a_qform", "pixdim", pixdim2=value)
        if name != "negative":
            yield _warned(f"pixdim_{name}_beside_a_sform", "by its pixdim", pixdim2=value, qform_code=0)
    yield _fine("pixdim_negative_beside_a_sform", pixdim1=-2, pixdim2=-2, pixdim3=-2, qform_code=0)
    for name, field in (
        ("qfac", {"pixdim0": 3}),
        ("qform_code_99", {"qform_code": 99}),
        ("quaternion_too_long", {"quatern_b": 0.9, "quatern_c": 0.9, "quatern_d": 0.9}),
        ("quaternion_of_nan", {"quatern_b": np.nan}),
        ("qoffset_of_nan", {"qoffset_x": np.nan}),
    ):
        yield _warned(f"{name}_beside_a_sform", "", **field)
        yield _refused(f"{name}_alone", "", sform_code=0, **field)
    yield _refused("sform_code", "sform_code is 17", sform_code=17)
    yield _refused("sform_code_negative", "sform_code is -1", sform_code=-1)
    yield _refused("srow_zero", "affine makes voxels of", srow_x=0, srow_y=0, srow_z=0)
    yield _refused("srow_row_zero", "affine", srow_z=0)
    yield _refused("srow_nan", "not finite", srow_x=(np.nan, 0, 0, 0))
    yield _refused("srow_offset_inf", "not finite", srow_y=(0, 2, 0, np.inf))
    yield _refused("srow_singular", "singular", srow_x=(2, 2, 0, -11), srow_y=(2, 2, 0, -30))
    yield _refused("srow_tiny", "affine makes voxels of", srow_x=(0.002, 0, 0, 0))
    yield _refused("srow_huge", "affine makes voxels of", srow_x=(2000, 0, 0, 0))
    yield _refused("far_away", "field of view", srow_x=(2, 0, 0, 5000))
    yield _refused("farther_away", "field of view", srow_x=(2, 0, 0, -3e38))
    yield _warned("no_orientation", "orientation is unknown", sform_code=0, qform_code=0)
    yield _warned("no_orientation_and_no_origin", "no origin", sform_code=0, qform_code=0)
    for name, origin in (
        ("of_0", (0, 0, 0)),
        ("in_the_middle", (-11, -13, -15)),
        ("in_the_middle_of_mgh", (-12, -14, -16)),
    ):
        rows = {f"srow_{axis}": np.append(2 * np.eye(3)[i], origin[i]) for i, axis in enumerate("xyz")}
        yield _warned(f"origin_{name}", "no origin", qform_code=0, **rows)
    yield _warned("origin_of_0_in_lps", "no origin", srow_x=(-2, 0, 0, 0), srow_y=(0, -2, 0, 0), srow_z=(0, 0, 2, 0))
    yield _warned("forms_disagree", "sform and qform", qoffset_x=100)
    yield _warned("forms_flipped", "sform and qform", srow_x=(-2, 0, 0, 11))
    yield _warned("pixdim_disagrees", "by its pixdim", qform_code=0, pixdim1=1)


def _values():
    def replaced(value, dtype="<f4", where=(5, 6, 7)):
        data = brain(dtype)
        data[where] = value
        return data

    yield _refused("nan", "1 of its voxels are NaN", replaced(np.nan))
    yield _refused("nan_outside", "168 of its voxels are NaN", replaced(np.nan, where=np.s_[:, :, 0]))
    yield _refused("nan_all", "of its voxels are NaN", np.full(SHAPE, np.nan, "<f4"))
    yield _refused("nan_double", "1 of its voxels are NaN", replaced(np.nan, ">f8"), order=">")
    yield _refused("inf", "1 of its voxels are infinite", replaced(np.inf))
    yield _refused("minus_inf", "1 of its voxels are infinite", replaced(-np.inf))
    yield _refused("inf_all", "infinite", np.full(SHAPE, np.inf, "<f4"))
    yield _refused("large", "too large for float32", replaced(3e38))
    yield _refused("too_large_for_float", "too large for float32", replaced(1e300, "<f8"))
    yield _refused("zero", "all its voxels are 0", np.zeros(SHAPE, "<i2"))
    yield _refused("zero_float", "all its voxels are 0", np.zeros(SHAPE, "<f4"))
    yield _refused("constant", "all its voxels are 7", np.full(SHAPE, 7, "u1"))
    yield _refused("nearly_constant", "all its voxels are 0", replaced(1e-40, "<f4", np.s_[:]) * brain("<f4"))
    yield _case("nan.nii.gz", "refused", "1 of its voxels are NaN", zipped(nifti(replaced(np.nan))))
    yield _case("zero.nii.gz", "refused", "all its voxels are 0", zipped(nifti(np.zeros(SHAPE, "<i2"))))


def _mgh():
    content = nibabel.MGHImage(brain("i2"), AFFINE).to_bytes()
    yield _case("good.mgz", "ok", "", zipped(content))
    yield _case("empty.mgh", "refused", "no MGH header", b"")
    yield _case("version.mgh", "refused", "no MGH header", changed(content, 3, 6))
    yield _case("half_a_header.mgh", "refused", "no MGH header", content[:100])
    yield _case("size_0.mgh", "refused", "shape", changed(content, 7, 12))
    yield _case("claims.mgh", "refused", "GiB of voxels", changed(content, 4, 0x7F))
    yield _case("film.mgh", "refused", "one 3D volume", changed(content, 19, 3))
    yield _case("type.mgh", "refused", "voxel type", changed(content, 23, 77))
    yield _case("delta_0.mgh", "refused", "affine", content[:30] + bytes(12) + content[42:])
    yield _case("cosines_nan.mgh", "refused", "not finite", content[:42] + b"\xff" * 36 + content[78:])
    yield _case("short.mgh", "refused", "truncated", content[: 284 + 2 * 12 * 14 * 16 - 1])
    yield _case("no_footer.mgh", "ok", "", content[: 284 + 2 * 12 * 14 * 16])
    yield _case("no_orientation.mgh", "warning", "orientation is unknown", content[:28] + bytes(2) + content[30:])
    yield _case("cut.mgz", "refused", "truncated", zipped(content)[:-9])


def _pairs():
    def pair(name: str, verdict: str, says: str, change: Callable[[Path], object], kind=nibabel.Nifti1Pair) -> Case:
        def write(path: Path) -> None:
            image = kind(brain(), np.diag([-2.0, 2, 2, 1]) if kind is nibabel.AnalyzeImage else AFFINE)
            nibabel.save(image, path)
            change(path)

        return Case(name, verdict, says, write)

    yield pair("good.img", "ok", "", lambda path: None)
    yield pair("GOOD_PAIR.IMG", "ok", "", lambda path: None)
    yield pair("good_pair.img.gz", "ok", "", lambda path: None)
    yield pair("analyze_pair.img.gz", "warning", "which side is left", lambda path: None, nibabel.AnalyzeImage)
    yield pair("half_zipped.img", "ok", "", lambda path: zip_in_place(path.with_suffix(".hdr")))
    yield pair(
        "lfs.img", "refused", "Git LFS", lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1")
    )
    yield pair("page.img", "refused", "web page", lambda path: path.with_suffix(".hdr").write_bytes(b"<html>"))
    yield pair("analyze.img", "warning", "which side is left", lambda path: None, nibabel.AnalyzeImage)
    yield pair("no_img.hdr", "refused", "no such file", lambda path: path.with_suffix(".img").unlink())
    yield pair("no_hdr.img", "refused", "no such file", lambda path: path.with_suffix(".hdr").unlink())
    yield pair("short.img", "refused", "truncated", lambda path: path.write_bytes(path.read_bytes()[:-1]))
    yield pair("long.img", "refused", "bytes follow", lambda path: path.write_bytes(path.read_bytes() + bytes(999)))
    yield pair("empty_hdr.img", "refused", "", lambda path: path.with_suffix(".hdr").write_bytes(b""))
    yield pair("sparse_hdr.img", "refused", ".hdr file", lambda path: os.truncate(path.with_suffix(".hdr"), 64 * GIB))
    endless = b"\x01\0\0\0" + struct.pack("<ii", 0, 6) * 999
    yield pair(
        "extensions.img",
        "refused",
        "extension",
        lambda path: path.with_suffix(".hdr").write_bytes(path.with_suffix(".hdr").read_bytes()[:348] + endless),
    )
    yield pair(
        "mat.img", "refused", ".mat file", lambda path: path.with_suffix(".mat").write_bytes(bytes(10**6)),
        nibabel.Spm99AnalyzeImage,
    )  # fmt: skip
    yield pair(
        "mat_text.img", "refused", "damaged", lambda path: path.with_suffix(".mat").write_bytes(b"no matrix" * 99),
        nibabel.Spm99AnalyzeImage,
    )  # fmt: skip


def _no_files():
    yield Case("missing.nii", "refused", "no such file", lambda path: None)
    yield Case("folder.nii", "refused", "it is a folder", lambda path: path.mkdir())
    yield Case("folder", "refused", "it is a folder", lambda path: path.mkdir())
    yield Case(
        "dangling.nii",
        "refused",
        "it is a link to gone.nii, which is not there",
        lambda path: path.symlink_to("gone.nii"),
    )
    yield Case(
        "unfetched.nii.gz", "refused", "its content was not fetched: it is a link of git-annex",
        lambda path: path.symlink_to("../.git/annex/objects/qF/8V/MD5E-s1896--x.nii.gz/MD5E-s1896--x.nii.gz"),
    )  # fmt: skip
    yield Case("pipe.nii", "refused", "not a regular file", lambda path: os.mkfifo(path))
    yield Case("endless.nii", "refused", "not a regular file", lambda path: path.symlink_to("/dev/zero"))
    yield Case("circle.nii", "refused", "cannot be read", lambda path: path.symlink_to(path))
    yield _case("scan.dcm", "refused", "its name ends in none of", nifti())


def _bombs():
    """What is small on the disk and would be gigabytes in memory."""
    megabyte = zipped(bytes(2**20))

    def header(dtype: str, *shape: int) -> bytes:
        return nifti(np.zeros((2, 2, 2), dtype), dim1=shape[0], dim2=shape[1], dim3=shape[2])[:352]

    def sparse(start: bytes, size: int) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            path.write_bytes(start)
            os.truncate(path, size)

        return write

    def bomb(name: str, says: str, start: bytes, megabytes: int) -> Case:
        return _case(name, "refused", says, zipped(start) + megabyte * megabytes)._replace(large=True)

    yield bomb("bomb_behind.nii.gz", "bytes follow its voxels", nifti(), 8192)
    yield bomb("bomb_shorts.nii.gz", "all its voxels are 0", header("<i2", 512, 512, 256), 128)
    yield bomb("bomb_cut.nii.gz", "truncated", header("<i2", 512, 512, 256), 127)
    yield bomb("bomb_bytes.nii.gz", "all its voxels are 0", header("u1", 512, 512, 512), 128)
    yield bomb("bomb_floats.nii.gz", "all its voxels are 0", header("<f4", 512, 256, 256), 128)
    yield bomb("bomb_doubles.nii.gz", "all its voxels are 0", header("<f8", 256, 256, 256), 128)
    whole = header("<i2", 400, 400, 400)
    yield Case("sparse.nii", "refused", "all its voxels are 0", sparse(whole, 352 + 2 * 400**3), True)
    yield Case(
        "sparse_large.nii", "refused", "GiB of voxels", sparse(header("<i2", 2000, 2000, 2000), 352 + 2 * 2000**3), True
    )
    yield Case("sparse_behind.nii", "refused", "bytes follow its voxels", sparse(nifti(), 2**42), True)
