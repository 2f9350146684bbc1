"""Says with what a map compares a scan, and what it may claim by what was measured on phantoms."""

from ml_collections import FrozenConfigDict

from dynjax.models.build import VOLUMETRIC
from dynjax.report.map_picture import LOGITS
from dynjax.run.attribution import is_cut, projection_lacks

UNMEASURED = "What such a map of a 3D network may claim was not measured: compare it with the scan's own differences."
CUT = "The map is not of the network that answered, but of its first three stages with a linear answer fitted to them."
MEASURED = "Measured on synthetic subjects whose disease is known voxel by voxel:"
CLAIMS = {
    "gradients": f"{MEASURED} the sum of such a map over a structure follows what undoing the disease there changes "
    "(Spearman 0.88 to 0.91 for a linear answer, 0.75 for a fine-tuned network). The plain difference between scan and "
    "mean can follow it nearly as well, and single voxels tell little.",
    "cam": f"{MEASURED} such a map did not find the voxels that the disease changes (ROC AUC 0.47 to 0.49, chance is "
    "0.50). It says in which part of the images the answer arises, not from which tissue.",
    "gradcam": f"{MEASURED} such a map did not find the voxels that the disease changes (ROC AUC 0.47 to 0.49, chance "
    "is 0.50). It says in which part of the images the answer arises, not from which tissue.",
    "occlusion": f"{MEASURED} the sum of such a map over a structure follows what undoing the disease there changes "
    "only loosely (Spearman 0.15 to 0.74).",
    "attention": f"{MEASURED} such a mask did not find the voxels that the disease changes (ROC AUC 0.47, chance is "
    "0.50). It weighs features for both classes alike.",
    "pattern": "What varies with the machine's answer over the training scans (Haufe et al. 2014): the same map for "
    "every scan, and no account of one answer.",
}

# What a scan is compared with, in words.
REFERENCE_TEXT = {
    "undone": "the scan, but as the mean of the negative class where the classes surely differ and the scan deviates "
    "as the positive one does",
    "reliable": "the scan, but as the mean of the negative class where the classes surely differ",
    "negative": "the mean of the negative class",
    "middle": "half way between the means of the classes",
    "difference": "the scan less the difference of the classes' means",
    "projected": "the scan less its own share of the classes' smoothed difference",
}


# What the numbers of a map are; of the first three methods their sum is a difference of logits.
UNITS = dict.fromkeys(("gradients", "cam", "occlusion"), LOGITS) | {
    "gradcam": "maps times mean derivative",
    "attention": "share of the mask per voxel",
    "pattern": "change per unit of the machine's value",
}


def unit_of(method: str, config: FrozenConfigDict) -> str:
    """Returns what the numbers of a method's maps are."""
    return "logit of the cut network per cell" if method == "cam" and is_cut(config) else UNITS[method]


def claim_of(method: str, config: FrozenConfigDict) -> str:
    """Returns the sentences that stand beside every map of a method."""
    if config.model.name in VOLUMETRIC:
        return f"{CUT} {UNMEASURED}" if method == "cam" else UNMEASURED
    lacks = projection_lacks(config) if method == "gradients" else ""
    return " ".join(filter(None, (CLAIMS[method], lacks)))
