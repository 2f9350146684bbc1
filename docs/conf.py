"""How Sphinx builds these pages: `make docs`."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS)]  # the checkout's dynjax, and these pages' extensions

os.environ["JAX_PLATFORMS"] = "cpu"  # pages are the same wherever they are built

import dynjax  # noqa: E402

project = "dynjax"
author = "the dynjax authors"
copyright = "the dynjax authors, Apache License 2.0"
version = release = dynjax.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "extensions.docstrings",
    "extensions.keys",
    "extensions.public",
]
exclude_patterns = ["_build", "examples", "generated/extra", "generated/tutorial/GALLERY_HEADER.rst"]
default_role = "code"
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types of numpy and jax, whose pages are elsewhere

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_use_param = False
napoleon_use_rtype = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "generated/tutorial",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "min_reported_time": 1,
    "write_computation_times": False,
    "show_signature": False,
    "reset_modules": ("matplotlib",),
    "capture_repr": (),
}

html_theme = "furo"
html_title = f"dynjax {release}"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["pages.css"]

# The tutorial's run ends with a page, which is published beside these.
PAGES = DOCS / "generated" / "extra"
PAGES.mkdir(parents=True, exist_ok=True)
os.environ["DYNJAX_DOCS"] = str(PAGES)
html_extra_path = ["generated/extra"]
