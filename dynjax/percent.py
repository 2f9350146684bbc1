"""Writes shares as percentages: one style for pages, terminal and messages, with a space before the sign."""


def percent(share: float) -> str:
    """Formats a share, 0 to 1, as whole percent, such as '49 %'; see `in_100` for those near 0 and 100."""
    return f"{in_100(share)} %"


def in_100(share: float) -> str:
    """Formats a share, 0 to 1, as a whole number in 100, but never rounds to 0 or 100 what is neither."""
    rounded = f"{100 * share:.0f}"
    exact = min(share, 1 - share) < 1e-9  # to rounding
    return rounded if exact or rounded not in ("0", "100") else ("under 1" if rounded == "0" else "over 99")
