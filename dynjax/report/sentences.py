"""Says in sentences what a run was and what its numbers do not show, from its facts alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from dynjax.percent import percent
from dynjax.report.facts import Facts
from dynjax.report.wording import counted, estimate_text, name_folds, selection_text, trained_on_text


def how_evaluated(facts: Facts) -> str:
    """Says which networks or fits were scored on whom, for the head of the page and the card."""
    sentences = [_scored(facts)]
    if facts.external:
        sentences.append(_likeness(facts.external.get("likeness") or {}))
    else:
        sentences.append("Folds are by subject and stratified by class.")
    if not facts.baseline and not facts.solved:
        sentences.append(f"Selection: {selection_text(facts.results)}.")
    if facts.repeat:
        number, count = facts.repeat
        sentences.append(f"This is repeat {number} of {count}, numbered from 0; each has other folds and another seed.")
    if facts.shuffled:
        sentences.append("Labels were SHUFFLED between subjects: a score above chance would be a leak.")
    return " ".join(filter(None, sentences))


def _likeness(found: Mapping[str, Any]) -> str:
    """Says how many scans are like the networks' training scans, and how the scores are without the others."""
    if not found:
        return ""
    if not (verdicts := found["verdicts"]):
        return "The scans were not compared with the networks' training scans."
    if "unknown" in verdicts:
        return "The networks' training scans are too few to tell which scans are unlike them."
    whole, unlike = sum(verdicts.values()), sum(verdicts.get(verdict, 0) for verdict in ("warning", "refused"))
    text = (
        f"{unlike:,} of {counted(whole, 'scan')} {'is' if unlike == 1 else 'are'} unlike the networks' training scans"
    )
    if without := found.get("without_unlike"):
        area = estimate_text(without["metrics"]["roc_auc"])
        text += f"; without, of {counted(without['n_subjects'], 'subject')}, the ROC AUC is {area}"
    return f"{text}."


def _scored(facts: Facts) -> str:
    external, folds = facts.external, facts.settings["train.folds"]
    if external:
        return (
            f"{counted(external['networks'], 'network')} of {facts.name}, {trained_on_text(external)}, predicted these "
            "subjects, whom none of them was trained or tested on; a subject's probability is the mean of theirs."
        )
    done, how = len(facts.results["folds"]), "fitted" if facts.baseline or facts.solved else "trained"
    so_far = f" so far, {name_folds(missing)} to follow" if (missing := facts.missing) else ""
    times = f"{counted(done, 'time')}{so_far}"
    without = "without one" if done == 1 else "each time without one"
    tested = "the subjects of that fold only"
    return f"{facts.name} was {how} {times}, {without} of {folds} folds, and then evaluated on {tested}."


def scheme(facts: Facts) -> str:
    """Names how the subjects were predicted, in a few words."""
    if facts.external:
        return f"an external cohort, predicted by the mean of {counted(facts.external['networks'], 'network')}"
    whole = f"{facts.settings['train.folds']}-fold cross-validation by subject, stratified by class"
    if facts.missing:
        whole = f"{name_folds([fold['fold'] for fold in facts.results['folds']])} alone of a {whole}"
    return f"repeat {facts.repeat[0]} of {facts.repeat[1]} of a {whole}" if facts.repeat else whole


def cost(facts: Facts) -> str:
    """Says how long training took, and where if that is known."""
    folds = facts.results["folds"]
    seconds = sum(fold["train_seconds"] for fold in folds)
    if facts.external:  # evaluated on this machine, trained on any
        return f"{_parameters(facts)} in each network; {seconds:,.0f} s of training for each, on average."
    device = facts.results["provenance"].get("device", "an unknown device")
    what = "fitting" if facts.baseline or facts.solved else "training"
    return f"{_parameters(facts)}; {seconds:,.0f} s of {what} for {counted(len(folds), 'fold')} on {device}."


def _parameters(facts: Facts) -> str:
    model = facts.results["model"]
    trained, total = model["parameters"], model.get("total_parameters", model["parameters"])
    what = "solved" if facts.solved else "trained"
    return f"{trained:,} parameters" if trained == total else f"{trained:,} of {total:,} parameters {what}"


def learning_curves_lack(facts: Facts) -> str:
    """Says why a run has no learning curve."""
    if facts.external:
        return "The networks were trained in another run; the learning curves are on its own page."
    if facts.baseline:
        return "A baseline is fitted in one step: it has no epochs and no learning curve."
    if facts.solved:
        return "The linear answer is solved in one step: it has no epochs and no learning curve."
    return "The record of these folds' training is missing (the file events.jsonl), so no learning curve is shown."


def limits(facts: Facts) -> list[str]:
    """Lists what the numbers do not show."""
    return list(_limits(facts))


def _limits(facts: Facts) -> Iterator[str]:
    negative, positive = facts.classes
    if facts.synthetic:
        yield "The subjects do not exist, so the results say nothing about patients."
    if facts.trained_on.get("synthetic"):
        yield "The networks were trained on subjects who do not exist."
    yield _whom(facts)
    share = f"{percent(facts.labels.mean())} of the subjects are {positive}"
    yield f"{share}. Accuracy, precision and F1 apply only at this prevalence."
    yield (
        f"The labels {negative} and {positive} were taken from the scan table and not verified. Subjects with other "
        "diseases were not included."
    )
    yield _spread(facts)
    yield _leaks(facts)
    if not facts.results.get("subgroups"):
        yield "Subgroups, such as women and men or old and young, were not evaluated separately."
    if facts.optimistic:
        yield "Epochs were selected on the test subjects: expect lower scores on other subjects."


def _whom(facts: Facts) -> str:
    count = len(facts.labels)
    others = "Scans from another site, scanner or protocol were not tested; scores on those are often lower."
    if facts.external:
        return f"The results are those of one other cohort, of {count} subjects; scores on a third can differ again."
    if facts.missing:
        folds = name_folds([fold["fold"] for fold in facts.results["folds"]])
        return f"The results come from {folds} alone, {count} subjects, of a cross-validation in one cohort. {others}"
    return f"The results come from cross-validation within one cohort of {count} subjects. {others}"


def _spread(facts: Facts) -> str:
    """Says what the intervals do not account for."""
    if facts.external:
        return "The intervals account for the choice of these subjects, not for networks of other initial weights."
    others = "other folds" if facts.baseline or facts.solved else "other initial weights or other folds"
    text = f"The intervals account for the choice of test subjects, not for {others}"
    text += ", which this run's other repeats have." if facts.repeat else "."
    if len(facts.results["folds"]) > 1:
        text += " The values of the folds are not independent, because folds share training subjects."
    return text


def _leaks(facts: Facts) -> str:
    if facts.external:
        return (
            "No subject here has the id of a subject of the networks' own run, and no volume is identical to one of "
            "theirs; a changed copy of a scan under another id would not have been noticed."
        )
    return (
        "These results do not show whether a subject, or a copy of a scan, is in both training and test data. "
        "The command dynjax audit checks that, and whether the label is associated with age, sex, site or scanner."
    )
