"""Says how a scan is read: onto which grid, with which treatment of NaN, by which recipe."""

from typing import NamedTuple

from dynjax.volumes.grid import NEWEST, Grid

NAN = ("refuse", "zero")  # how to treat a scan with NaN
RECIPES = tuple(range(1, NEWEST + 1))


class Reading(NamedTuple):
    """Says how a scan is read: what `load_volume` and `inspect_scan` take after its path, given whole, as `*reading`.

    grid: onto which the volume is resampled. nan: one of NAN. recipe: one of RECIPES, by which the volume gets onto the
    grid; a run's scans are always read by the recipe with which the run began.

    Recipe 1 takes a volume of the grid's shape and spacing as it lies, wherever its origin is. Others are interpolated
    linearly, with 0 outside their field of view.
    Recipe 2 resamples such a volume if its origin is not the grid's, and centres one without an origin on the grid. It
    smooths before it goes to coarser voxels, and fills with the background's value outside the field of view.
    """

    grid: Grid = Grid()
    nan: str = "refuse"
    recipe: int = NEWEST

    @property
    def native(self) -> tuple[None, str, int]:
        """The same for `load_volume`, but leaves the volume on its own grid."""
        return None, self.nan, self.recipe
