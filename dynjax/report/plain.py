"""Says in plain words, for a reader who is no engineer, what a run asked, what it found and for whom that holds."""

from collections.abc import Iterator, Sequence

from dynjax.evaluation.resampling import LEVEL
from dynjax.models.build import VOLUMETRIC
from dynjax.models.head import JOINT
from dynjax.percent import in_100, percent
from dynjax.report.facts import Facts
from dynjax.report.glossary import CONTROLS, DIAGNOSES, meaning
from dynjax.report.trust import calibration_sentences
from dynjax.report.whom import CHANCE, fits, fits_not
from dynjax.report.wording import counted, name_folds

# What each baseline makes of a person.
BASELINES = {
    "svm_voxels": "a linear support vector machine on the brightness of every voxel of the scan",
    "svm_mask": "a linear support vector machine on the outline of the head or brain, without what is inside",
    "embedding": "logistic regression on numbers that another program made of each scan",
    "age_sex": "logistic regression on age and sex, which looks at no scan",
    "brain_volume": "logistic regression on one number, the volume of grey and white matter",
    "mean_intensity": "logistic regression on one number, the mean brightness of the scan",
}
IMAGES = {
    "dynamic": "dynamic images, which sum up how brightness changes through the slices",
    "max": "the brightest point along each line through it",
    "mean": "means of its slices",
    "ranksvm": "rank-pooled images, which sum up how brightness changes through the slices",
    "svr": "rank-pooled images, which sum up how brightness changes through the slices",
    "learned": "an image that the network itself learned to make of the slices",
}
AGE_AND_SEX = "age and sex"
CALIBRATED = "Do its probabilities mean what they say?"
SIDES = {"axial": "from above", "coronal": "from the back", "sagittal": "from the side"}


def in_short(facts: Facts) -> list[tuple[str, list[str]]]:
    """Returns the points at the head of a page: (what it is about, sentences or paragraphs)."""
    points = {
        "Asked": [_question(facts), _method(facts)],
        "Answer": list(_answer(facts)),
        CALIBRATED: list(_calibration(facts)),
        "Whom it fits": list(fits(facts)),
        "Whom it does not fit": list(fits_not(facts)),
    }
    return [(name, lines) for name, lines in points.items() if lines]


def heading(facts: Facts) -> str:
    """Returns the heading of a run's page: what was asked, in a few words."""
    negative, positive = facts.classes
    by = AGE_AND_SEX if _model(facts) == "age_sex" else "MRI scans of the head"
    return f"Telling {positive} from {negative} by {by}"


def _question(facts: Facts) -> str:
    negative, positive = facts.classes
    by = AGE_AND_SEX if _model(facts) == "age_sex" else "an MRI scan of the head"
    simulated = "simulated " if facts.synthetic else ""
    return (
        f"Can {simulated}people {_with(positive)} be told from people {_with(negative)} by {by}? "
        f"{meaning(positive)} {meaning(negative)} {facts.people} were tested."
    )


def _method(facts: Facts) -> str:
    """Says how the answers were made and who answered whom."""
    if facts.baseline:
        method = f"The method is a baseline, which anything better has to beat: {BASELINES[_model(facts)]}."
    else:
        method = f"The method is a neural network that looks at {_sight(facts)}. {_schooling(facts)}"
    return f"{method} {_division(facts)}"


def _sight(facts: Facts) -> str:
    name, axis = facts.settings["projection.name"], facts.settings["projection.axis"]
    if _model(facts) in VOLUMETRIC:
        pieces = "small pieces of it, one by one" if _model(facts) == "patches3d" else "all of it at once"
        return f"the scan in three dimensions, {pieces}"
    images = " and ".join(dict.fromkeys(IMAGES[each] for each in name.split("+")))
    planes = SIDES if axis == "triplanar" else axis.split("+")
    sides = " and ".join(SIDES[each] for each in planes)
    slabs = facts.settings["projection.slabs"]
    parts = f", in {slabs} slabs each" if slabs > 1 else ""
    joint = ", with a head for each kind and one for both" if facts.settings["model.head"] == JOINT else ""
    return f"flat pictures of the scan: {images}; seen {sides}{parts}{joint}"


def _schooling(facts: Facts) -> str:
    """Says what the network learned from."""
    model, pretrained = facts.results["model"], facts.results["weights"]["pretrained"]
    before = "learned from everyday photographs" if pretrained else "never learned anything"
    if facts.solved:
        return f"It had {before} and stayed as it was (frozen); one linear rule on top of it was fitted to the scans."
    if model.get("total_parameters", model["parameters"]) > model["parameters"]:
        return f"It had {before} and stayed as it was (frozen), but for its head, which was trained on the scans."
    return f"It had {before} before it was trained on the scans."


def _division(facts: Facts) -> str:
    """Says who was trained on whom."""
    external, folds = facts.external, facts.settings["train.folds"]
    if external:
        known = f"the {facts.trained_on['n_subjects']:,} people" if facts.trained_on else "the people"
        many = counted(external["networks"], "network")
        return f"The answer is the mean of {many} of another run; none of these people was among {known} they had seen."
    own = "a fit" if facts.baseline or facts.solved else "a network"
    text = f"People were divided into {folds} groups, and each group was answered by {own} made from the others."
    if facts.missing:
        done = name_folds([fold["fold"] for fold in facts.results["folds"]])
        text += f" This page is of a part: {done} alone."
    if facts.repeat:
        number, count = facts.repeat
        text += f" It is one of {count} such divisions (number {number}, from 0); the others may differ by chance."
    return text


def _answer(facts: Facts) -> Iterator[str]:
    negative, positive = facts.classes
    area = facts.results["metrics"]["roc_auc"]
    if area["value"] is None:
        yield "There is none: the people tested are all of one class."
        return
    other = "one without" if positive in DIAGNOSES and negative in CONTROLS else f"one {_with(negative)}"
    person = "simulated person" if facts.synthetic else "person"
    times = f"{in_100(area['value'])} times in 100{_between(area['ci95'])}"
    yield (
        f"Of a {person} {_with(positive)} and {other}, {_who(facts)} gives the person {_with(positive)} the "
        f"higher probability {times}. {_against_chance(area['ci95'])}"
    )
    (tn, fp), (fn, tp) = facts.confusion
    yield (
        f"Called by its threshold: {tp} of the {tp + fn} {_with(positive)} were found, and {fp} of the {tn + fp} "
        f"{_with(negative)} were called {positive} wrongly."
    )
    yield from filter(None, [_shuffled(facts), _optimistic(facts)])


def _between(ends: Sequence[float] | None) -> str:
    return f" ({percent(LEVEL)} interval {in_100(ends[0])} to {in_100(ends[1])})" if ends else ""


def _against_chance(ends: Sequence[float] | None) -> str:
    if ends is None:
        return "There are too few people to say how sure that is."
    if ends[0] > CHANCE:
        return "Guessing gives 50."
    if ends[1] < CHANCE:
        return "That is worse than guessing, which gives 50."
    return "That may be chance: guessing gives 50, which lies within that interval."


def _shuffled(facts: Facts) -> str:
    if not facts.shuffled:
        return ""
    return "This run is a control whose labels were mixed at random: anything surely above 50 would be an error."


def _optimistic(facts: Facts) -> str:
    if not facts.optimistic:
        return ""
    return "These numbers are too good: of all stages of training, the one that did best on these very people was kept."


def _calibration(facts: Facts) -> Iterator[str]:
    if 0 < facts.labels.sum() < len(facts.labels):
        had = f"had {facts.classes[1]}" if facts.classes[1] in DIAGNOSES else f"were {facts.classes[1]}"
        metrics = facts.results["metrics"]
        yield calibration_sentences(facts.labels, facts.probabilities, metrics, had, _who(facts))


def _who(facts: Facts) -> str:
    """Names what gave the probabilities."""
    if facts.external:
        return "the mean of the networks" if facts.external["networks"] > 1 else "the network"
    return "the baseline" if facts.baseline else "the network"


def _with(label: str) -> str:
    return f"with {label}" if label in DIAGNOSES else f"labelled {label}"


def _model(facts: Facts) -> str:
    return facts.settings["model.name"]
