"""Says what a map may claim, by what was measured of such maps on phantoms whose disease is known voxel by voxel."""

from ml_collections import FrozenConfigDict

from dynjax.run.attribution import projection_lacks

CLAIMS = {
    "gradients": "TODO",
    "cam": "TODO",
    "gradcam": "TODO",
    "occlusion": "TODO",
    "attention": "TODO",
    "pattern": "TODO",
}


def claim_of(method: str, config: FrozenConfigDict) -> str:
    """Returns the sentences that stand beside every map of a method."""
    lacks = projection_lacks(config) if method == "gradients" else ""
    return " ".join(filter(None, (CLAIMS[method], lacks)))
