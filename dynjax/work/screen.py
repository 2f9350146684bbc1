"""How wide what is printed may be: one rule for tables, sentences, lists and help."""

import shutil

UNKNOWN = (80, 24)  # columns and lines, in a file or a log


def screen_width() -> int:
    """Returns the columns that COLUMNS says, or those of the terminal, or 80 where there is neither."""
    return shutil.get_terminal_size(UNKNOWN).columns
