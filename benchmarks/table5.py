"""Times Table 5 of the paper on this machine: python -m benchmarks.table5 (`make table5`).

Times a few steps of each network, or a few epochs on an accelerator, and extrapolates to a fold of the protocol: 150
epochs on 80 of 100 subjects. Reading and projecting scans is not included.
"""

import os
import statistics
from typing import NamedTuple

from benchmarks.figures import EPOCHS, TRAINED_ON, Setting, setting
from benchmarks.turns import Side, take_turns
from dynjax.memory import keep_freed_memory


class Row(NamedTuple):
    """A network of the paper's table. paper: its seconds there. batch: its batch size here."""

    title: str
    network: str
    paper: int
    batch: int


ROWS = (Row("3D-VGG", "vgg3d", 2359, 8), Row("3D-ResNet", "resnet3d", 3916, 8), Row("Ours", "vgg11", 414, 16))
VOLUMES_ON_CPU = 2  # per step: eight need more memory than a small machine has
REPEATS, BUDGET = 5, 20.0


def main() -> None:
    at = setting(None, quick=False)
    print(f"Seconds of training for a fold of {EPOCHS} epochs on {TRAINED_ON} subjects, on {at.device}", end="")
    print(f" ({os.cpu_count()} cores), EXTRAPOLATED from what was timed; ratios are to Ours.\n", flush=True)
    timed = {row.title: _timed(row, at) for row in ROWS}
    seconds = {title: fold_seconds(each, count) for title, (each, count, _) in timed.items()}
    print(f"{'':10}{'here':>10}{'ratio':>8}{'paper':>8}{'ratio':>8}   timed here")
    for row in ROWS:
        ratios = seconds[row.title] / seconds["Ours"], row.paper / ROWS[-1].paper
        here = f"{seconds[row.title]:10.0f}{ratios[0]:8.2f}"
        print(f"{row.title:10}{here}{row.paper:8}{ratios[1]:8.2f}   {timed[row.title][2]}")


def fold_seconds(seconds: float, count: int) -> float:
    """Extrapolates the seconds of training on `count` examples once to those of a fold."""
    return seconds * TRAINED_ON / count * EPOCHS


def _timed(row: Row, at: Setting) -> tuple[float, int, str]:
    """Returns the median seconds, the number of examples trained on in them, and what was timed in words."""
    batch = row.batch if at.gpu or row.title == "Ours" else VOLUMES_ON_CPU
    count = TRAINED_ON if at.gpu else batch
    arguments = {"network": row.network, "extent": 110, "count": count, "batch": batch, "dtype": at.dtype}
    turns = take_turns({"jax": Side("benchmarks.jax_side:epoch", arguments)}, REPEATS, BUDGET)
    seconds, rounds = statistics.median(turns.seconds["jax"]), len(turns.seconds["jax"])
    unit = "epochs" if at.gpu else "steps"
    return seconds, count, f"the median of {rounds} {unit} in batches of {batch}, {seconds:.3g} s each"


if __name__ == "__main__":
    keep_freed_memory()
    main()
