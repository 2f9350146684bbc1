"""Refuses NaN: no comparison with it holds, so that a metric would rank it, call it or bin it by accident."""

from typing import Any

import numpy as np


def refuse_nan(**values: Any) -> None:
    """Raises ValueError that names the values, numbers or arrays of numbers, in which there is a NaN."""
    found = {name: int(np.isnan(np.asarray(value, float)).sum()) for name, value in values.items()}
    if any(found.values()):
        counts = ", ".join(f"{count} of the {name}" for name, count in found.items() if count)
        raise ValueError(f"{counts} are not a number (NaN); only numbers can be scored")
