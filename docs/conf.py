"""Settings of the documentation site: ``sphinx-build -W --keep-going -b dirhtml docs site``."""

import sys
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).with_name("_extensions")))

project: Final = "imagesync"
language: Final = "en"
extensions: Final = ["myst_parser", "pages"]
exclude_patterns: Final = ["_*"]
nitpicky: Final = True

myst_heading_anchors: Final = 6

html_theme: Final = "furo"
html_title: Final = project
html_static_path: Final = ["_static"]
html_favicon: Final = "_static/icon.svg"
html_css_files: Final = ["site.css"]
html_js_files: Final = ["scrolling.js"]
templates_path: Final = ["_templates"]
html_sidebars: Final = {
    "**": [f"sidebar/{part}.html" for part in ("brand", "search", "scroll-start", "navigation", "scroll-end")]
}
html_copy_source: Final = False
html_show_copyright: Final = False
html_use_index: Final = False
html_domain_indices: Final = False
html_theme_options: Final[dict[str, Any]] = {"top_of_page_buttons": []}
pygments_style: Final = "a11y-high-contrast-light"
pygments_dark_style: Final = "a11y-high-contrast-dark"
