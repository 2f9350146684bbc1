"""Page and card of every kind of run: what is so is said by both, and nothing is said that is not."""

import json

import pytest

from dynjax.evaluation import resampling
from dynjax.report.card import model_card, to_markdown
from dynjax.report.page import render
from dynjax.report.run_page import run_page
from tests.report.fabricated import facts, results

TRAINED_ON = {
    **{"source": "/home/somebody/theirs.csv", "synthetic": False, "shuffled": False},
    **{"n_subjects": 90, "folds": 3, "repeats": 1},
}
WITHIN = "roc_auc_within_folds"
ALL_LIKE = {"verdicts": {"ok": 36}}
SOME_UNLIKE = {
    "verdicts": {"ok": 33, "warning": 2, "refused": 1},
    "without_unlike": {"n_subjects": 33, "metrics": {"roc_auc": {"value": 0.61, "ci95": [0.5, 0.7]}}},
}


def run(cohort=(), repeat=None, **changes):
    """A run of real subjects, unless its `cohort` says otherwise."""
    whole = results(**changes)
    whole["cohort"] = whole["cohort"] | {"synthetic": False} | dict(cohort)
    whole["metrics"] = whole["metrics"] | {WITHIN: {"value": 0.71, "ci95": [0.5, 0.9]}}
    return facts(results=whole, images=None, events=[], repeat=repeat)


def part(*folds):
    """A run of which only these folds are evaluated."""
    made = run()
    kept = [index for index, fold in enumerate(made.folds) if fold in folds]
    arrays = {name: getattr(made, name)[kept] for name in ("folds", "labels", "probabilities")}
    some = {"folds": [fold for fold in made.results["folds"] if fold["fold"] in folds]}
    some |= {"folds_missing": [fold for fold in range(3) if fold not in folds]}
    return made._replace(results=made.results | some, subjects=[made.subjects[index] for index in kept], **arrays)


def external(cohort=(), networks=3, selection="last", recorded=True, likeness=None, **trained_on):
    """Real subjects that the networks of another run predicted."""
    made = run(cohort, selection=selection)
    theirs = {"run": "/home/somebody/w", "networks": networks, "trained_on": TRAINED_ON | trained_on}
    one = made.results["folds"][0] | {"n_test": 36, "threshold": 0.4}
    undefined = {WITHIN: {"value": None, "ci95": None}}
    metrics = made.results["metrics"] | undefined
    theirs = theirs if recorded else {"run": "/home/somebody/w", "networks": networks}
    theirs = theirs | ({"likeness": likeness} if likeness else {})
    changes = {"external": theirs, "folds": [one], "metrics": metrics}
    return made._replace(results=made.results | changes, folds=made.folds * 0)


def baseline():
    made = run(weights={"pretrained": False, "source": "scikit-learn 1", "sha256": None})
    folds = [fold | {"epoch": None, "train_loss": None} for fold in made.results["folds"]]
    settings = made.settings | {"model.name": "brain_volume", "projection.name": "none"}
    return made._replace(results=made.results | {"folds": folds}, settings=settings)


def of_an_earlier_version():
    """Its results.json lacks what was added since."""
    made = run()
    added = ("intervals", "subgroups", "folds_missing")
    older = {key: value for key, value in made.results.items() if key not in added}
    older["metrics"] = {key: value for key, value in older["metrics"].items() if key != WITHIN}
    return made._replace(results=older)


KINDS = {
    "plain": run,
    "synthetic": lambda: run({"synthetic": True}),
    "shuffled": lambda: run({"shuffled": True}),
    "selected by validation": lambda: run(selection="validation"),
    "selected on test subjects": lambda: run(selection="test"),
    "two folds": lambda: part(0, 2),
    "one fold": lambda: part(1),
    "a repeat": lambda: run(repeat=(1, 10)),
    "a baseline": baseline,
    "of an earlier version": of_an_earlier_version,
    "external": external,
    "external, synthetic networks": lambda: external(synthetic=True),
    "external, all synthetic": lambda: external({"synthetic": True}, synthetic=True),
    "external, shuffled networks": lambda: external(shuffled=True),
    "external, selected on other subjects": lambda: external(selection="test"),
    "external, one network": lambda: external(networks=1),
    "external, of repeats": lambda: external(networks=6, repeats=2),
    "external, not compared": lambda: external(likeness={"verdicts": None, "note": "why"}),
    "external, too few to compare": lambda: external(likeness={"verdicts": {"unknown": 36}}),
    "external, all alike": lambda: external(likeness=ALL_LIKE),
    "external, some unlike": lambda: external(likeness=SOME_UNLIKE),
    "external, of an earlier version": lambda: external(recorded=False),
}


def is_partial(made):
    networks, whole = (made.external or {}).get("networks", 0), made.trained_on.get("folds", 0)
    return bool(made.missing) or networks < whole * made.trained_on.get("repeats", 0)


def likeness_of(made):
    return (made.external or {}).get("likeness", {})


def has_within(made):
    return WITHIN in made.results["metrics"] and not made.external


def is_whole(made):
    return not made.external and not made.missing


# What is said, in page and card alike, if and only if it is so.
SAID = {
    "EXTERNAL": lambda made: made.external,
    "none of them was trained or tested on": lambda made: made.external,
    "the mean of theirs": lambda made: made.external,
    "theirs.csv": lambda made: made.trained_on,
    "not recorded here": lambda made: made.external and not made.trained_on,
    "SYNTHETIC": lambda made: made.synthetic or made.trained_on.get("synthetic"),
    "SYNTHETIC: the subjects do not exist": lambda made: made.synthetic,
    "90 SYNTHETIC subjects of theirs.csv": lambda made: made.trained_on.get("synthetic"),
    "trained on subjects who do not exist": lambda made: made.trained_on.get("synthetic"),
    "SHUFFLED": lambda made: made.shuffled or made.trained_on.get("shuffled"),
    "SHUFFLED between subjects": lambda made: made.shuffled,
    "OPTIMISTIC": lambda made: made.results["selection"] == "test" and not made.external,
    "Epochs were selected on the test subjects": lambda made: made.optimistic,
    "none of whom is among these": lambda made: made.results["selection"] == "test" and made.external,
    "last epoch": lambda made: made.results["selection"] == "last" and not made.baseline,
    "not compared with the networks": lambda made: "note" in likeness_of(made),
    "too few to tell": lambda made: likeness_of(made) == {"verdicts": {"unknown": 36}},
    "0 of 36 scans are unlike": lambda made: likeness_of(made) == ALL_LIKE,
    "3 of 36 scans are unlike the networks": lambda made: likeness_of(made) == SOME_UNLIKE,
    "without, of 33 subjects, the ROC AUC is 0.61 (0.50 to 0.70)": lambda made: likeness_of(made) == SOME_UNLIKE,
    "Selection:": lambda made: not made.baseline,
    "Folds are by subject": lambda made: not made.external,
    "cross-validation": lambda made: not made.external,
    "within one cohort of 36 subjects": is_whole,
    "was trained 3 times, each time without one of 3 folds": lambda made: is_whole(made) and not made.baseline,
    "was trained 2 times so far, fold 1 to follow": lambda made: made.missing == [1],
    "was trained 1 time so far, folds 0, 2 to follow": lambda made: made.missing == [0, 2],
    "was fitted 3 times": lambda made: made.baseline,
    "of fitting": lambda made: made.baseline,
    "Incomplete": is_partial,
    "repeat 1 of 10": lambda made: made.repeat,
    "other repeats have": lambda made: made.repeat,
    "dynjax audit": lambda made: not made.external,
    "no volume is identical": lambda made: made.external,
    "ROC AUC within folds": has_within,
    "which need not have the same scale": has_within,
    "other initial weights or other folds": lambda made: not made.external and not made.baseline,
    "folds share training subjects": lambda made: len(made.results["folds"]) > 1,
}
# What is said by the page alone.
SHOWN = {
    "it has no epochs": lambda made: made.baseline,
    "the learning curves are on its own page": lambda made: made.external,
    "and by fold": lambda made: not made.external,
    "Training data and cost of each fold": lambda made: not made.external,
    "0.40, the mean of the networks": lambda made: made.external,
    "networks trained on SYNTHETIC subjects": lambda made: made.trained_on.get("synthetic"),
}
NEVER = ("1 folds", "1 times", "1 networks", "None", "nan ", "somebody", "  ")


@pytest.mark.parametrize("kind", KINDS)
def test_page_and_card_say_what_is_so_and_nothing_else(kind, monkeypatch):
    monkeypatch.setattr(resampling, "RESAMPLES", 40)  # of the bands, which take most of the time
    made = KINDS[kind]()
    card = model_card(made)
    texts = {"page": render(run_page(made)), "card.md": to_markdown(card), "card.json": json.dumps(card)}
    for said, is_so in SAID.items():
        for name, text in texts.items():
            in_numbers = name == "card.json" and said in ("ROC AUC within folds", "which need not have the same scale")
            assert in_numbers or (said in text) == bool(is_so(made)), (name, said)
    for said, is_so in SHOWN.items():
        assert (said in texts["page"]) == bool(is_so(made)), said
    sentences = [card["evaluation"]["scheme"], card["evaluation"]["description"], card["cost"]["description"]]
    for sentence in [*sentences, *card["limits"], *card["notices"]]:
        assert not [word for word in NEVER if word in sentence], sentence


def test_every_claim_is_made_by_one_kind_and_not_by_another():
    """Or the test above would not notice that it is always made, or never."""
    kinds = [make() for make in KINDS.values()]
    for said, is_so in (SAID | SHOWN).items():
        assert {bool(is_so(made)) for made in kinds} == {True, False}, said
