"""The plain sentences at the head of a page: each kind of run has its own, and none has another's."""

import numpy as np
import pytest

from dynjax.baselines.features import BASELINES as ALL_BASELINES
from dynjax.models.build import VOLUMETRIC
from dynjax.projection.project import PROJECTIONS
from dynjax.report import plain
from dynjax.report.glossary import METRICS, explain_class, glossary
from dynjax.report.page import Glossary, Page, Section, Table, render
from dynjax.report.plain import in_short
from dynjax.report.wording import METRIC_NAMES
from tests.report.fabricated import facts, results
from tests.report.test_sentences import SOME_UNLIKE, external, part, run

COLUMNS = {"age": ["70"] * 18 + ["80"] * 17 + [""], "sex": ["F", "M", "Female"] * 12, "site": ["1", "2", "3"] * 12}


def changed(made, model=(), metrics=(), excluded=(), **settings):
    """A run of another method, or with other results."""
    whole = made.results | {
        "model": made.results["model"] | dict(model),
        "metrics": made.results["metrics"] | dict(metrics),
        "cohort": made.results["cohort"] | {"excluded": dict(excluded)},
    }
    return made._replace(
        results=whole, settings=made.settings | {key.replace("__", "."): settings[key] for key in settings}
    )


def baseline(name="brain_volume"):
    made = changed(run(), model__name=name, projection__name="none")
    return made._replace(results=made.results | {"folds": [fold | {"epoch": None} for fold in made.results["folds"]]})


def at_chance():
    return changed(run(), metrics={"roc_auc": {"value": 0.55, "ci95": [0.4, 0.7]}})


def surely_better(made, value=0.91, ends=(0.9, 0.92)):
    return changed(made, metrics={"roc_auc": {"value": value, "ci95": list(ends)}})


FROZEN = {"solved": True, "parameters": 10, "total_parameters": 1000}
WIDE = {"projection__axis": "axial+coronal+sagittal", "projection__slabs": 6, "projection__name": "mean"}
KINDS = {
    "plain": lambda: surely_better(run(), ends=(0.9, 0.92)),
    "with a table that says more": lambda: run()._replace(columns=COLUMNS, guarded=True),
    "synthetic": lambda: run({"synthetic": True}),
    "shuffled": lambda: run({"shuffled": True}),
    "optimistic": lambda: run(selection="test"),
    "at chance": at_chance,
    "worse than chance": lambda: surely_better(run(), 0.2, (0.1, 0.3)),
    "some folds": lambda: part(0, 2),
    "a repeat": lambda: run(repeat=(1, 10)),
    "a baseline": baseline,
    "age and sex": lambda: baseline("age_sex"),
    "frozen": lambda: changed(run(), FROZEN, **WIDE),
    "a head alone": lambda: changed(run(), FROZEN | {"solved": False}),
    "without weights": lambda: run(weights={"pretrained": False, "source": None, "sha256": None}),
    "3D": lambda: changed(run(), model__name="vgg3d", projection__name="none"),
    "3D patches": lambda: changed(run(), model__name="patches3d", projection__name="none"),
    "joint": lambda: changed(run(), model__head="joint", projection__name="mean+dynamic"),
    "three planes": lambda: changed(run(), projection__axis="triplanar"),
    "external": lambda: external(likeness=SOME_UNLIKE),
    "external, one network": lambda: external(networks=1),
    "external, synthetic networks": lambda: external(synthetic=True),
    "external, shuffled networks": lambda: external(shuffled=True),
    "refused scans": lambda: changed(run(), excluded={"refused: truncated": 2, "later visit": 3}),
    "other labels": lambda: run()._replace(classes=("blue", "red")),
}  # fmt: skip


def model(made):
    return made.settings["model.name"]


def low(made):
    return made.results["metrics"]["roc_auc"]["ci95"][0]


def is_network(made):
    return not made.baseline


# What is said if and only if it is so.
SAID = {
    "by an MRI scan of the head": lambda made: model(made) != "age_sex",
    "by age and sex?": lambda made: model(made) == "age_sex",
    "AD: Alzheimer's disease, diagnosed as dementia. CN: cognitively normal": lambda made: made.classes[1] == "AD",
    "red: a label of the scan table, which does not explain it": lambda made: made.classes[1] == "red",
    "Can simulated people": lambda made: made.synthetic,
    "is a baseline, which anything better has to beat": lambda made: made.baseline,
    "is a neural network": is_network,
    "dynamic images, which sum up how brightness changes": lambda made: "dynamic" in made.settings["projection.name"],
    "in three dimensions": lambda made: model(made) in VOLUMETRIC,
    "small pieces of it": lambda made: model(made) == "patches3d",
    "with a head for each kind and one for both": lambda made: made.settings["model.head"] == "joint",
    "seen from above and from the back and from the side": lambda made: made.settings["projection.axis"] != "axial",
    "in 6 slabs each": lambda made: made.settings["projection.slabs"] == 6,
    "stayed as it was (frozen); one linear rule": lambda made: made.solved,
    "stayed as it was (frozen), but for its head": lambda made: made.results["model"] == (
        run().results["model"] | FROZEN | {"solved": False}
    ),
    "It had never learned anything": lambda made: is_network(made) and not made.results["weights"]["pretrained"],
    "each group was answered by a network made from the others": lambda made: is_network(made)
    and not made.solved and not made.external,
    "each group was answered by a fit": lambda made: made.baseline or made.solved,
    "This page is of a part: folds 0, 2 alone.": lambda made: made.missing,
    "one of 10 such divisions (number 1, from 0)": lambda made: made.repeat,
    "The answer is the mean of 3 networks of another run": lambda made: made.external
    and made.external["networks"] == 3,
    "none of these people was among the 90 people they had seen": lambda made: made.external,
    "Of a person with AD and one without, the network gives": lambda made: is_network(made)
    and not made.synthetic and made.classes[1] == "AD" and (made.external or {"networks": 1})["networks"] == 1,
    "the baseline gives the person with AD": lambda made: made.baseline,
    "the mean of the networks gives": lambda made: made.external and made.external["networks"] > 1,
    "Of a person labelled red and one labelled blue": lambda made: made.classes[1] == "red",
    "Of a simulated person with AD": lambda made: made.synthetic,
    "91 times in 100 (95 % interval 90 to 92). Guessing gives 50.": lambda made: low(made) == 0.9,
    "may be chance: guessing gives 50, which lies within": lambda made: low(made) == 0.4,
    "worse than guessing": lambda made: low(made) == 0.1,
    "a control whose labels were mixed at random": lambda made: made.shuffled,
    "These numbers are too good": lambda made: made.optimistic,
    "Simulated people only.": lambda made: made.synthetic,
    "Nobody, as far as this run shows.": lambda made: low(made) in (0.1, 0.4) or made.shuffled,
    "People like those tested": lambda made: low(made) > 0.5 and not made.synthetic and not made.shuffled,
    "70 to 80 years old, half of them 70 to 80; 24 female, 12 male; from 3 sites.": lambda made: made.columns,
    "has no age, no sex, no site of them": lambda made: not made.columns,
    "are on the page of their own run": lambda made: made.external,
    "learned from labels that were mixed at random": lambda made: made.trained_on.get("shuffled"),
    "Any real person": lambda made: made.synthetic,
    "the networks had seen simulated people only": lambda made: made.trained_on.get("synthetic"),
    "like 2 of this table (truncated)": lambda made: made.results["cohort"]["excluded"].get("refused: truncated"),
    "the command predict compares a new scan": lambda made: made.guarded,
    "Scans unlike those of training: 3 of 36 scans here.": lambda made: (made.external or {}).get("likeness"),
    "which of these are was not found out": lambda made: made.external and "likeness" not in made.external,
}  # fmt: skip
NEVER = ("None", "nan", "{", "  ", " .", "..", "1 networks")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_so_is_said_and_nothing_else(kind):
    made = KINDS[kind]()
    points = dict(in_short(made))
    assert list(points) == ["Asked", "Answer", plain.CALIBRATED, "Whom it fits", "Whom it does not fit"]
    text = " ".join(line for lines in points.values() for line in lines)
    for said, is_so in SAID.items():
        assert (said in text) == bool(is_so(made)), (said, text)
    assert not [word for word in NEVER if word in text], text


def test_every_sentence_is_said_of_one_kind_and_not_of_another():
    kinds = [make() for make in KINDS.values()]
    for said, is_so in SAID.items():
        assert {bool(is_so(made)) for made in kinds} == {True, False}, said


def test_the_counts_are_those_of_the_confusion_matrix():
    made = facts()
    (_, fp), (_, tp) = made.confusion
    text = " ".join(dict(in_short(made))["Answer"])
    assert f"{tp} of the 18 with AD were found, and {fp} of the 18 labelled CN were called AD wrongly." in text


def test_one_class_alone_has_no_answer():
    made = run()
    made = changed(made, metrics={"roc_auc": {"value": None, "ci95": None}})._replace(labels=np.ones(36, int))
    points = dict(in_short(made))
    assert points["Answer"] == ["There is none: the people tested are all of one class."]
    assert plain.CALIBRATED not in points and points["Whom it fits"][0].startswith("Nobody")


def test_an_age_that_could_identify_a_person_is_not_told():
    ages = ["60", "70", "70.5", "80", "97", "unknown"]
    lines = dict(in_short(run()._replace(columns={"age": ages, "sex": ["", "X"], "site": [""]})))["Whom it fits"]
    assert "60 to over 89 years old, half of them 70 to 80; 1 X." in lines[1] and "no site of them" in lines[2]


def test_every_method_has_words():
    assert set(plain.BASELINES) == set(ALL_BASELINES)
    assert set(plain.IMAGES) == {*PROJECTIONS, "learned"}


def test_every_metric_is_explained_and_every_table_that_has_it_links_to_it():
    terms = list(glossary(results(), ("CN", "AD")))
    assert {term.anchor for term in terms} >= set(METRIC_NAMES) >= set(METRICS)
    assert len({term.anchor for term in terms}) == len(terms) and all(len(term.text) > 20 for term in terms)
    assert not [term.text for term in terms if "{" in term.text]
    table = Table("t", "caption", ["", "AD", "ROC", "other"], [["Brier (0 is best)", "1", "2", "3"]])
    text = render(Page("t", [], [Section("s", [table, Glossary(terms)])], "f"))
    for anchor, shown in (("class-0", "AD"), ("roc_auc", "ROC"), ("brier", "Brier (0 is best)")):
        assert f'<a class="term" href="#term-{anchor}">{shown}</a>' in text and f'<dt id="term-{anchor}">' in text
    assert text.count('class="term"') == 3


def test_only_known_labels_are_explained():
    assert explain_class("AD") == "Alzheimer's disease, diagnosed as dementia."
    assert explain_class("patient") == "A label of the scan table, which does not explain it."
