"""Explains one scan by one network, by any method that is defined for it."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import FrozenConfigDict

from dynjax.errors import InputError, UsageError
from dynjax.explanation.cells import attention_mask, cam, cam_of_cut_network, grad_cam
from dynjax.explanation.occlusion import occlude
from dynjax.explanation.path import integrate
from dynjax.explanation.reference import REFERENCES, Means, reference_volume
from dynjax.explanation.voxels import ATTRIBUTABLE, interpolate, paint
from dynjax.linear.answer import LinearAnswer
from dynjax.models.build import VOLUMETRIC
from dynjax.models.head import LINEAR, POOLED
from dynjax.run import settings
from dynjax.run.inputs import scale
from dynjax.run.sight import Sight, answer_volumes, sight_of, whole_network
from dynjax.run.trained import Trained
from dynjax.volumes.intensity import intensity_range

METHODS = ("gradients", "cam", "gradcam", "occlusion", "attention")
WITH_REFERENCE = ("gradients", "occlusion")
REFERENCE = "undone"  # the default: the measures on phantoms chose it


class Attribution(NamedTuple):
    """A map, float64 [X, Y, Z] on the grid, and how the logit is made up.

    parts: numbers by name. seen: what the map is made of before it meets the scan, by which networks are compared: the
    mean gradient by the raw images, or the cells of maps.
    """

    values: np.ndarray
    logit: float
    parts: dict[str, Any]
    seen: np.ndarray


def methods_of(config: FrozenConfigDict) -> list[str]:
    """Lists the methods that are defined for a config's network."""
    name, is_3d = config.model.name, config.model.name in VOLUMETRIC
    found = []
    if set(config.projection.name.split("+")) <= set(ATTRIBUTABLE):
        found.append("gradients")
    if is_cut(config) or (not is_3d and config.model.head in (LINEAR, POOLED)):
        found.append("cam")
    if name != "patches3d":
        found.append("gradcam")
    found.append("occlusion")
    if not is_3d and config.model.attention != "none":
        found.append("attention")
    return found


def is_cut(config: FrozenConfigDict) -> bool:
    """Whether a network has to be cut, and an answer fitted, for a class activation map."""
    return hasattr(VOLUMETRIC.get(config.model.name), "EARLY_PLACES")


def check_method(config: FrozenConfigDict, method: str, reference: str) -> None:
    """Raises UsageError for a method that is not defined for the network, or a reference that it does not take."""
    defined = methods_of(config)
    if method not in defined:
        why = "there is no such method" if method not in METHODS else f"not defined for this {config.model.name}"
        raise UsageError(f"--method={method}: {why}; choose one of {', '.join(defined)}")
    if reference and method not in WITH_REFERENCE:
        raise UsageError(f"--reference={reference}: {method} compares with no reference; leave it out")
    if reference and reference not in REFERENCES:
        raise UsageError(f"--reference={reference}: there is no such reference; choose one of {', '.join(REFERENCES)}")


def explain_volume(
    path: Path,
    volume: np.ndarray,
    trained: Trained,
    means: Means | None,
    method: str,
    reference: str = REFERENCE,
    cut: LinearAnswer | None = None,
) -> Attribution:
    """Explains the answer of one network to a scan.

    Args: path, for messages; volume [X, Y, Z], on the grid; means, of the network's training scans, for WITH_REFERENCE;
    cut, the answer to the early maps of a network that `is_cut`, for cam.
    Raises: InputError for a scan that has no reference.
    """
    if method in WITH_REFERENCE:
        assert means is not None
        try:
            other = reference_volume(volume, *intensity_range(volume), means, reference)
        except ValueError as error:
            raise InputError(f"{path}: has no reference: {error}; choose --method=gradcam") from None
        return (
            _by_gradients(volume, other, trained) if method == "gradients" else _occluded(path, volume, other, trained)
        )
    return _by_cells(volume, trained, method, cut)


def _by_gradients(volume: np.ndarray, reference: np.ndarray, trained: Trained) -> Attribution:
    """Integrates gradients from the reference to the scan, both scaled as the scan is.

    The logit is the reference's, and scaling, the voxels' sum, the error of that sum and, for 'byte', rounding.
    """
    sight = sight_of(trained)
    raw = sight.project(volume)
    window = sight.window(raw)
    start, end = window.inputs(sight.project(reference)), window.inputs(raw)
    path = integrate(sight.network, start, end, sight.weight)
    slopes = window.by_raw(path.gradient)
    values = sight.to_voxels(slopes, volume, reference)
    own = _own_logit(trained, sight, reference)
    logit = _own_logit(trained, sight, volume)
    total = float(values.sum())
    parts = {
        "reference": own,
        "scaling": float(path.start - own),
        "voxels": total,
        "rounding": float(logit - path.end),
        "error": float(path.end - path.start - total),
        "steps": path.steps,
        "converged": bool(path.is_fine),
    }
    return Attribution(values, logit, parts, slopes)


def _own_logit(trained: Trained, sight: Sight, volume: np.ndarray) -> float:
    """Returns the logit of a volume in its own scale, with its rounding."""
    raw, of = sight.project(volume), trained.config.projection
    if of.name == "none" or of.name == "learned":
        return float(sight.network.logits(sight.window(raw).inputs(raw)[None])[0])
    return float(sight.network.logits(scale(trained.config, raw[None]))[0])


def _occluded(path: Path, volume: np.ndarray, reference: np.ndarray, trained: Trained) -> Attribution:
    answer = answer_volumes(trained, whole_network(trained), path)
    values = occlude(answer, volume, reference)
    logit, other = answer(np.stack([volume, reference]))
    return Attribution(values, float(logit), {"reference": float(other), "voxels": float(values.sum())}, values)


def _by_cells(volume: np.ndarray, trained: Trained, method: str, cut: LinearAnswer | None) -> Attribution:
    config, is_3d = trained.config, trained.config.model.name in VOLUMETRIC
    network, sight = whole_network(trained), sight_of(trained)
    raw = volume if config.projection.name == "learned" else sight.project(volume)
    inputs = scale(config, raw[None])[0]
    logit = float(network.logits(inputs[None])[0])
    parts: dict[str, Any] = {}
    if method == "cam" and is_3d:
        assert cut is not None
        cells, parts["intercept"] = cam_of_cut_network(network, inputs, *cut.of_raw())
        parts["cut_network"] = float(cells.sum() + parts["intercept"])
    elif method == "cam":
        cells, parts["intercept"] = cam(network, inputs)
    elif method == "gradcam":
        cells = grad_cam(network, inputs)
    else:
        cells = attention_mask(network, inputs, config.model.attention)
    if is_3d:
        network_of = VOLUMETRIC[config.model.name]
        places = network_of.EARLY_PLACES if method == "cam" else network_of.MAP_PLACES
        values = interpolate(cells[0], volume.shape, *places)
    else:
        values = paint(cells, sight.views, volume.shape, sight.size)
    return Attribution(values, logit, parts | {"cells": float(cells.sum())}, cells)


def projection_lacks(config: FrozenConfigDict) -> str:
    """Says what a map of this projection cannot tell, in a sentence; '' where every axis is seen."""
    views = settings.count_views(config)
    if config.projection.name == "none" or views > 1 or config.projection.axis == "triplanar":
        return ""
    return (
        f"The network sees one image, pooled along one axis ({config.projection.axis}): along it a map says only where "
        "the scan differs from its reference, not where the network looked."
    )
