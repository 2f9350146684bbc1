"""The .pth reader and the converter: right files read exactly, everything else refused in one line."""

import json
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from dynjax.errors import InputError
from dynjax.pretrained.pth import read_pth
from dynjax.pretrained.source import convert_checkpoint
from dynjax.pretrained.state_dict import read_state_dict
from dynjax.pretrained.weights import read_weights, write_weights
from tests import golden
from tests.command import script
from tests.fake_pth import save_legacy, save_zip

PTH = golden.FOLDER / "pth"
BAD = sorted(path.name for path in PTH.glob("*.pth") if not path.name.startswith("tiny_"))
SCRIPT = Path(__file__).parents[2] / "weights" / "convert_torchvision.py"


def convert(*arguments, cwd):
    return script(SCRIPT, *arguments, cwd=cwd)


@pytest.mark.parametrize("name", ["tiny_zip.pth", "tiny_legacy.pth"])
def test_files_of_both_formats_are_read_exactly(name):
    """Strided, viewed, half, double, int64, empty and Parameter entries."""
    expected = np.load(PTH / "tiny_expected.npz")
    state = read_pth(PTH / name)
    assert list(state) == expected.files
    for key in expected.files:
        assert state[key].dtype == expected[key].dtype and state[key].shape == expected[key].shape
        np.testing.assert_array_equal(state[key], expected[key])


def test_seven_bad_files_are_here():
    assert len(BAD) == 7


@pytest.mark.parametrize("name", BAD)
def test_bad_files_end_in_one_line_and_run_nothing(name, tmp_path):
    done = convert("vgg11", f"--checkpoint={PTH / name}", "--out=out.npz", cwd=tmp_path)
    assert done.returncode == 3 and done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1 and name in done.stderr and "refused" in done.stderr
    if name.startswith("evil"):
        assert "asks for posix.system; only tensors are allowed" in done.stderr
    assert list(tmp_path.iterdir()) == [], "no output file, and nothing that the pickle would have made"


@pytest.mark.parametrize("save", [save_zip, save_legacy])
def test_any_cut_or_flipped_byte_is_refused_or_without_effect(tmp_path, save):
    """Cuts are always refused. A zip's checksums catch every flip of its data; a legacy file has none."""
    path = save(tmp_path / "a.pth", {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, np.float32)})
    good, content = read_pth(path), path.read_bytes()
    for end in range(0, len(content), 7):
        path.write_bytes(content[:end])
        with pytest.raises(InputError):
            read_pth(path)
    rng = np.random.default_rng(0)
    for _ in range(500):
        changed = bytearray(content)
        changed[rng.integers(len(content))] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        try:
            state = read_pth(path)
        except InputError:
            continue
        if save is save_zip and list(state) == list(good):
            assert all((state[name] == good[name]).all() for name in good)


@pytest.mark.parametrize("save", [save_zip, save_legacy])
def test_a_tensor_that_reaches_one_element_beyond_its_storage_is_refused(tmp_path, save):
    state = {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}
    assert (read_pth(save(tmp_path / "good.pth", state))["w"] == state["w"]).all()
    with pytest.raises(InputError, match=r"tensor w of shape .* reaches beyond its storage"):
        read_pth(save(tmp_path / "beyond.pth", state, offset=1))


@pytest.mark.parametrize("save", [save_zip, save_legacy])
def test_a_state_dict_becomes_a_converted_file(tmp_path, save):
    state = golden.state_dict("vgg11") | {"classifier.0.weight": np.ones((2, 2), np.float32)}
    source = save(tmp_path / "mine.pth", state)
    done = convert("vgg11", f"--checkpoint={source}", f"--out={tmp_path / 'a.npz'}", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and "a.npz" in done.stdout
    weights = read_weights(tmp_path / "a.npz", "vgg11")
    assert weights.source == "mine.pth" and len(weights.sha256) == 64
    np.testing.assert_array_equal(
        weights.params["convs"][2]["kernel"][1, 2, 3, 4], state["features.6.weight"][4, 3, 1, 2]
    )


def test_safetensors_and_npz_are_taken_too(tmp_path):
    state = golden.state_dict("vgg11")
    safetensors.numpy.save_file(state, tmp_path / "a.safetensors")
    np.savez(tmp_path / "b.npz", **state)
    for name in ("a.safetensors", "b.npz"):
        convert_checkpoint("vgg11", tmp_path / name, tmp_path / "out.npz")
        weights = read_weights(tmp_path / "out.npz", "vgg11")
        np.testing.assert_array_equal(weights.params["convs"][7]["bias"], state["features.18.bias"])
        assert weights.source == name
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-5])
        with pytest.raises(InputError, match=f"{name}: refused"):
            convert_checkpoint("vgg11", tmp_path / name, tmp_path / "out.npz")
    np.savez(tmp_path / "c.npz", a=np.array([{}], object))
    with pytest.raises(InputError, match=r"c\.npz: refused"):
        convert_checkpoint("vgg11", tmp_path / "c.npz", tmp_path / "out.npz")


def test_bfloat16_of_a_safetensors(tmp_path):
    values = np.array([1.5, -2], ml_dtypes.bfloat16)
    header = json.dumps({"w": {"dtype": "BF16", "shape": [2, 1], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + values.tobytes())
    array = read_state_dict(tmp_path / "a.safetensors")["w"]
    np.testing.assert_array_equal(array.astype(np.float32), [[1.5], [-2]])


def test_every_difference_is_listed(tmp_path):
    state = golden.state_dict("mobilenet_v2")
    del state["features.3.conv.2.weight"]
    state["features.0.0.weight"] = np.ones((32, 3, 3, 2), np.float32)
    state["extra.weight"] = np.ones(1, np.float32)
    with pytest.raises(InputError) as error:
        write_weights(tmp_path / "a.npz", "mobilenet_v2", state, "x", "y")
    message = str(error.value)
    assert "missing: features.3.conv.2.weight" in message and "unknown: extra.weight" in message
    assert "shape: features.0.0.weight is (32, 3, 3, 2)" in message and message.count("\n") == 3
    assert not (tmp_path / "a.npz").exists()


def test_converted_files_are_checked_when_read(tmp_path):
    path = tmp_path / "a.npz"
    write_weights(path, "vgg11", golden.state_dict("vgg11"), "x", "y")
    with pytest.raises(InputError, match="holds vgg11, layout 1, not mobilenet_v2"):
        read_weights(path, "mobilenet_v2")
    arrays = dict(np.load(path))
    arrays["params/trunk/convs/9/bias"] = arrays.pop("params/trunk/convs/7/bias")
    arrays["params/trunk/convs/0/bias"] = np.ones(3, np.float32)
    np.savez(path, **arrays)
    with pytest.raises(InputError) as error:
        read_weights(path, "vgg11")
    for part in ("unknown: params/trunk/convs/9/bias", "missing: params/trunk/convs/7/bias", "convs/0/bias is (3,)"):
        assert part in str(error.value)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"convert_torchvision\.py vgg11"):
        read_weights(path, "vgg11")


def test_an_official_name_promises_a_digest(tmp_path):
    source = save_zip(tmp_path / "vgg11-8a719046.pth", golden.state_dict("vgg11"))
    done = convert("vgg11", f"--checkpoint={source}", "--out=a.npz", cwd=tmp_path)
    assert done.returncode == 3 and "its name promises 8a719046" in done.stderr and not (tmp_path / "a.npz").exists()


def test_usage(tmp_path):
    started = [sys.executable, SCRIPT, "vgg12"]
    done = subprocess.run(started, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "vgg11" in done.stderr
    done = convert("vgg11", "--checkpoint=gone.pth", cwd=tmp_path)
    assert done.returncode == 3 and "gone.pth" in done.stderr
