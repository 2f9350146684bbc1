"""Pages of fabricated runs: what stands on them, what must not, and that they are one whole file."""

import csv
import html.parser
import json
import re

import numpy as np
import pytest

from dynjax.report.canvas import COLOURS
from dynjax.report.card import model_card, to_markdown
from dynjax.report.named import SETTINGS
from dynjax.report.page import Figure, Page, Points, Section, Table, Text, render, save_parts
from dynjax.report.run_page import PARTS, run_page, subjects_to_show
from dynjax.report.sentences import limits
from dynjax.report.wording import METRIC_NAMES
from dynjax.run.keys import KEYS
from tests.report.fabricated import facts, results


class Elements(html.parser.HTMLParser):
    """The elements of a page, (tag, attributes), and the text in each kind of them."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("h1", "h2", "figcaption", "li", "p", "dd"):
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_data(self, data):
        if self.open:
            self.texts[self.open[-1]][-1] += data

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def attributes(self, name):
        return [attributes[name] for _, attributes in self.elements if attributes.get(name)]


PLAIN = {"images": None, "events": []}  # fewer figures, which take most of the time


@pytest.fixture(scope="module")
def made():
    return run_page(facts())


@pytest.fixture(scope="module")
def page(made):
    return render(made)


def test_every_figure_says_that_it_is_synthetic(made, page):
    seen = Elements(page)
    assert seen.texts["li"][0].startswith("SYNTHETIC: the subjects do not exist")
    drawn = [block for block in made.blocks() if isinstance(block, Figure)]
    assert all(block.svg.count("SYNTHETIC") == 1 for block in drawn), "who sees a figure alone has to know it too"
    tables = [block.caption for block in made.blocks() if isinstance(block, Table)]
    assert len(tables) >= 7 and all(text.startswith("SYNTHETIC subjects. ") for text in tables)
    assert page.count("SYNTHETIC") == 1 + len(drawn) + len(tables), "and nowhere else"
    described = [attributes.get("aria-describedby") for tag, attributes in seen.elements if tag == "svg"]
    assert described == [f"{block.name}-mark" for block in drawn], "who cannot see a figure has to know it as well"
    real = results(cohort=results()["cohort"] | {"synthetic": False})
    assert "SYNTHETIC" not in render(run_page(facts(results=real, **PLAIN)))


def test_it_is_one_file_for_everybody(page):
    """No request, no script, names that are unique, headings in order, words for each image."""
    seen = Elements(page)
    assert not {"script", "iframe", "img", "object"} & {tag for tag, _ in seen.elements}
    addresses = seen.attributes("src") + seen.attributes("href") + seen.attributes("xlink:href")
    assert all(address.startswith(("#", "data:")) for address in addresses) and "@import" not in page
    ids = seen.attributes("id")
    used = [name[1:] for name in addresses if name.startswith("#")] + re.findall(r"url\(#([^)]+)\)", page)
    named = seen.attributes("aria-labelledby") + seen.attributes("aria-describedby")
    used += [name for names in named for name in names.split()]
    assert len(ids) == len(set(ids)) and set(used) <= set(ids) and used
    headings = [tag for tag, _ in seen.elements if re.fullmatch("h[1-6]", tag)]
    assert headings == ["h1", *["h2"] * (len(headings) - 1)]
    pictures = [attributes for tag, attributes in seen.elements if tag == "svg"]
    assert len(pictures) == 11 and all(each["role"] == "img" and len(each["aria-label"]) > 30 for each in pictures)
    assert "#1d2126" not in page.partition("</style>")[2], "ink is the page's colour, on dark screens too"


def test_nobody_is_named_unless_asked(made, page, tmp_path):
    card, shown = model_card(facts()), run_page(facts(show_ids=True, **PLAIN))
    save_parts(shown, tmp_path, PARTS)
    assert "participant-900" in (tmp_path / "refused.csv").read_text()
    save_parts(made, tmp_path, PARTS)
    everything = [page, json.dumps(card), to_markdown(card), *(path.read_text() for path in tmp_path.iterdir())]
    assert not any("participant-" in text or "somebody" in text for text in everything)
    named = render(shown)
    assert facts().subjects[facts().most_wrong(1)[0]] in named and "participant-900" in named


def test_the_same_run_gives_the_same_page(page):
    assert render(run_page(facts())) == page


def test_texts_from_tables_cannot_break_it():
    name = '<script>alert("x")</script> & $a_1$ 認知'
    made = facts(classes=("CN", name), results=results(positive_class=name), **PLAIN)
    text = render(run_page(made))
    assert "<script>" not in text and "&lt;script&gt;" in text and "認知" in text
    assert Elements(text).texts["h1"] == [f"Telling {name} from CN by MRI scans of the head"]


def test_parts_for_papers(made, tmp_path):
    (tmp_path / "subgroups.csv").write_text("of an earlier page")
    (tmp_path / "mine.csv").write_text("mine")
    save_parts(made, tmp_path, PARTS)
    names = {path.name for path in tmp_path.iterdir()}
    assert not (tmp_path / "subgroups.csv").exists() and {"mine.csv", "roc.svg", "metrics.csv"} <= names
    assert {block.name for block in made.blocks() if isinstance(block, Figure | Table)} <= set(PARTS)
    with open(tmp_path / "metrics.csv", newline="") as file:
        rows = {row["metric"]: row for row in csv.DictReader(file)}
    auc = results()["metrics"]["roc_auc"]
    assert [float(rows["roc_auc"][key]) for key in ("value", "low", "high")] == [auc["value"], *auc["ci95"]]
    assert rows["roc_auc"]["mark"] == "SYNTHETIC subjects" and float(rows["accuracy"]["fold 2"]) > 0


def test_each_folds_threshold_is_where_its_subjects_are_called():
    made = facts(**PLAIN)
    folds = [fold | {"threshold": [0.0, 0.5, 1.1][fold["fold"]]} for fold in made.results["folds"]]
    moved = made._replace(results=results(folds=folds))
    called = np.select([made.folds == 0, made.folds == 1], [True, made.probabilities >= 0.5], False)
    expected = [[int(((made.labels == i) & (called == j)).sum()) for j in (0, 1)] for i in (0, 1)]
    assert moved.confusion.tolist() == expected != made.confusion.tolist()
    assert set(moved.most_wrong(99)) == set(np.flatnonzero(called != (made.labels == 1)).tolist())
    assert "own threshold" in render(run_page(moved))


def test_the_most_wrong_lie_farthest_on_the_wrong_side():
    made = facts(**PLAIN)
    wrong = made.most_wrong(99)
    distances = np.abs(made.probabilities - made.labels)[wrong]
    assert (
        (np.diff(distances) <= 0).all()
        and (distances > 0.5).all()
        and len(wrong) == made.confusion[[0, 1], [1, 0]].sum()
    )
    right = made._replace(probabilities=np.where(made.labels == 1, 0.9, 0.1))
    assert right.most_wrong(9) == [] and "No subject was misclassified." in render(run_page(right))


def test_subgroups_stand_there_and_those_too_small_say_so(tmp_path):
    group = {"column": "sex", "group": "F", "n": 20, "n_positive": 9, "metrics": results()["metrics"], "note": ""}
    small = {"column": "site", "group": "7", "n": 3, "n_positive": 1, "metrics": None, "note": "too small"}
    made = facts(results=results(subgroups=[group, small]), **PLAIN)
    page = run_page(made)
    (table,) = (block for block in page.blocks() if isinstance(block, Table) and block.name == "subgroups")
    assert table.rows[0][:4] == ["sex: F", "20", "9", ""] and "(" in table.rows[0][4]
    assert table.rows[1][3:] == ["too small", "-", "-", "-", "-"]
    assert "sex: F" in to_markdown(model_card(made))
    assert any("women and men" in line for line in limits(facts())) and not any("women" in x for x in limits(made))


def test_what_is_missing_is_said(page):
    """Folds, images, events, curves of a baseline."""
    text = render(run_page(facts(results=results(folds_missing=[3, 4]), **PLAIN)))
    assert "Incomplete: folds 3, 4 not evaluated yet." in text and "no image is shown" in text
    assert "events.jsonl), so no learning curve" in text and "<image" not in text and "<image" in page
    baseline = [fold | {"epoch": None, "train_loss": None} for fold in results()["folds"]]
    weights = {"pretrained": False, "source": "scikit-learn 1", "sha256": None}
    settings = facts().settings | {"model.name": "svm_voxels", "projection.name": "none"}
    text = render(run_page(facts(results=results(folds=baseline, weights=weights), settings=settings, **PLAIN)))
    assert "it has no epochs" in text and "last epoch" not in text and "was fitted 3 times" in text


def test_a_selection_on_test_subjects_is_marked_everywhere():
    made = facts(results=results(selection="test"), **PLAIN)
    seen = Elements(render(run_page(made)))
    assert any(text.startswith("OPTIMISTIC: each fold's epoch") for text in seen.texts["li"])
    marked = [block for block in run_page(made).blocks() if isinstance(block, Figure | Table)]
    text = render(run_page(made))
    assert len(marked) >= 13 and text.count("OPTIMISTIC selection") == len(marked)
    assert "OPTIMISTIC" in to_markdown(model_card(made)) and model_card(made)["notices"][1].startswith("OPTIMISTIC")


def test_one_class_alone_has_no_curve():
    made = facts(**PLAIN)
    kept = made.labels == 1
    arrays = {name: getattr(made, name)[kept] for name in ("folds", "labels", "probabilities")}
    subjects = [subject for subject, keep in zip(made.subjects, kept) if keep]
    alone = made._replace(subjects=subjects, **arrays)
    text = render(run_page(alone))
    assert "all of one class" in text and set(subjects_to_show(alone)) <= set(subjects)


def test_a_card_for_machines_and_readers():
    made = facts()
    card = json.loads(json.dumps(model_card(made), allow_nan=False))
    assert card["synthetic"] is True and "not a medical device" in card["intended_use"]
    assert card["data"]["n_subjects"] == {"CN": 18, "AD": 18} and card["data"]["source"] == "scans.csv (SYNTHETIC)"
    assert card["evaluation"]["metrics"] == made.results["metrics"] and card["training"]["cohort.table"] == "scans.csv"
    text = to_markdown(card)
    auc = made.results["metrics"]["roc_auc"]
    assert f"| ROC AUC | {auc['value']:.2f} ({auc['ci95'][0]:.2f} to {auc['ci95'][1]:.2f}) |" in text
    assert text.startswith("# Dyn + VGG11 + Att\n\n**SYNTHETIC") and "SYNTHETIC value (95 % interval)" in text


def test_a_card_says_in_plain_words_what_the_page_says(made):
    card = model_card(facts())
    text, (short,) = to_markdown(card), (block for block in made.blocks() if isinstance(block, Points))
    assert card["in_short"] == dict(short.points) and next(iter(card["in_short"])) == "Asked"
    assert text.index("## In short") < text.index("## Intended use") < text.index("## Glossary")
    assert all(line in text for _, lines in short.points for line in lines)
    assert card["glossary"]["AD"] in text and set(METRIC_NAMES.values()) < set(card["glossary"])


def test_keys_of_the_config_have_names_in_plain_words(made):
    """Also those that will be added: a new key needs a name."""
    assert set(SETTINGS) == set(KEYS) and len(set(SETTINGS.values())) >= len(KEYS)
    (table,) = (block for block in made.blocks() if isinstance(block, Table) and block.name == "settings")
    assert ["Learning rate (train.learning_rate)", "0.0001"] in table.rows
    assert ["train.learning_rate", "0.0001"] in table.numbers[1], "the CSV is for programs"
    heads = [*made.heads(), made.title, *(section.title for section in made.sections)]
    assert not [head for head in heads if re.search(r"\w[._]\w|sha256", head)], "names of code"
    (origin,) = (block for block in made.blocks() if isinstance(block, Table) and block.name == "provenance")
    assert not [name for name, _ in origin.rows if "_" in name or "sha256" in name]


def test_how_the_scan_table_was_read_is_said():
    note = "2 subjects have another label in an earlier scan (MCI)"
    made, before = facts(), facts()
    made.results["cohort"]["notes"] = [note, "dates read from the column EXAMDATE"]
    for text in (render(run_page(made)), to_markdown(model_card(made))):
        assert note in text and "EXAMDATE" in text
    assert "How the scan table was read" not in render(run_page(before)), "results of an earlier version"


def luminance(colour):
    """WCAG's relative luminance of #rrggbb."""
    channels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ [
        0.2126,
        0.7152,
        0.0722,
    ]


def contrast(*colours):
    low, high = sorted(map(luminance, colours))
    return (high + 0.05) / (low + 0.05)


def test_everything_can_be_read_on_light_and_on_dark_screens(page):
    schemes = [dict(re.findall(r"--([\w-]+): (#\w{6})", rule)) for rule in re.findall(r":root \{(.*?)\}", page)]
    assert len(schemes) == 2 and contrast("#ffffff", "#000000") == pytest.approx(21)
    for scheme in schemes:
        assert contrast(scheme["ink"], scheme["paper"]) > 7 and contrast(scheme["warn-ink"], scheme["warn"]) > 7
        assert contrast(scheme["soft"], scheme["paper"]) > 4.5 and contrast(scheme["soft"], scheme["tint"]) > 4.5
        assert all(contrast(colour, scheme["paper"]) > 3 for colour in COLOURS)


def test_wide_tables_and_long_words_are_boxed():
    """Tables stand in a box of their own that scrolls and that a keyboard reaches."""
    table = Table("wide", "caption", ["h"] * 30, [["w" * 60] * 30])
    text = render(Page("t", [], [Section("s", [Text("x" * 300), table])], "f"))
    boxes = [attributes for _, attributes in Elements(text).elements if "scroll" in attributes.get("class", "")]
    box = {"role": "region", "tabindex": "0", "aria-labelledby": "table-wide"}
    assert boxes == [{"class": f"scroll foldable needs-{table.needs}", **box}]
