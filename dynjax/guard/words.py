"""Says in words why a scan is unlike a cohort."""

from collections.abc import Sequence

import numpy as np

from dynjax.guard.deviation import Judgement, Reference

MOST = 2  # reasons that are named
NEAR = 0.6  # of the largest deviation: further reasons must be at least as large


def reasons(judgement: Judgement, reference: Reference, names: Sequence[str], values: np.ndarray, change: str) -> str:
    """Names the largest deviations of a scan.

    Args: names [J] of the measures; values [J], the scan's own; change, what `likely_change` says of it.
    """
    parts = [f"as a scan {change} would be"] if change else []
    sizes = np.where(reference.one_sided, np.maximum(judgement.deviations, 0), np.abs(judgement.deviations))
    apart = dict(zip(names, values - reference.middle))
    for index in np.argsort(-sizes):
        text = _text(names[index], apart)
        if sizes[index] < NEAR * sizes.max() or len(parts) == MOST:
            break
        if text not in parts:
            parts.append(text)
    far = f"{judgement.deviation:.0f} robust deviations, p = {judgement.p:.2g}"
    return f"unlike the training scans ({far}): {'; '.join(parts)}"


def _text(name: str, apart: dict[str, float]) -> str:
    kind = name.split()[0]
    if kind == "centre":
        distance = np.linalg.norm([apart[f"centre {axis}"] for axis in "xyz"])
        return f"shifted by about {distance:.0f} mm"
    if kind in ("extent", "litres"):
        return _size(np.exp(apart["litres"]), np.exp([apart[f"extent {axis}"] for axis in "xyz"]))
    return TEXTS[kind](apart[name])


def _size(litres: float, sides: np.ndarray) -> str:
    """Describes a head of so many times the usual volume, and of sides so many times as long."""
    if litres > 1.15:
        return f"it fills {litres:.1f} times as much: a skull, or a background that is not empty?"
    if litres < 0.9:
        return f"it fills {litres:.1f} times as much: is a part missing?"
    axis = int(np.argmax(np.abs(np.log(sides))))
    return f"it is {sides[axis]:.2f} times as long along {'xyz'[axis]}"


# The text of each measure by the first word of its name, given how far it is above what is usual.
TEXTS = {
    "likeness": lambda _: "its picture is another: is it registered to the same template?",
    "blocks": lambda _: "its picture is another: is it registered to the same template?",
    "worst": lambda _: "a part of it looks unlike any training scan's",
    "features": lambda _: "the network sees in it what it saw in no training scan",
    "background": lambda _: "its background is another",
    "faces": lambda _: "the head reaches the edge of the field of view, or its background is not empty",
    "tilt": lambda _: "turned?",
    "intensity": lambda _: "its intensities are distributed otherwise: another contrast?",
    "peak": lambda more: "single voxels are far brighter than the rest" if more > 0 else "its brightest voxels are cut",
    "roughness": lambda more: "it is noisier" if more > 0 else "it is smoother: blurred, or thick slices?",
    "flatness": lambda _: "it has few different values: a mask or an atlas?",
}
