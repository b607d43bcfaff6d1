"""Files that the site brings along so that no page asks another server: Vega, icons. May touch: charts.

The theme loads every icon there is on every page, as a script of 1.5 MB (542 kB compressed) or as a web font; here its own font
is cut to the icons in use and lies in a style sheet, and the script is empty.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

from txray_lib.charts.theme import VEGA_LITE

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

STATIC = Path(__file__).parent / "static"
ICONS = (
    "f00d f010 f015 f019 f030 f044 f05a f058 f05e f057 f060 f062 f064 f065 f066 f06a f06e f071 f078 f0c9 f0eb f0f3"
    " f002 f03a f03b f03e f04b f042 f104 f105 f106 f107 f0e2 f121 f128 f135 f15b f15c f185 f186 f1c1 f303 f35d f040 f06b"
)
"""Code points of the icons of the theme's templates and of its admonitions; one that is missing comes from the whole font."""
SCRIPT = "scripts/fontawesome.js"


def provide_static_files(app: Sphinx, config: Config) -> None:
    """Sphinx's `config-inited`: write what is missing into a folder beside the site, and name it as a static path."""
    folder = Path(app.outdir).parent / ".txray-static"
    write_bundle(folder / "txray" / "vega-bundle.js")
    write_icons(folder)
    written = [folder, Path(app.srcdir) / "build" / "static"]
    config.html_static_path = [*config.html_static_path, *(str(f) for f in written if f.is_dir()), str(STATIC)]


def write_bundle(path: Path) -> None:
    """Vega, Vega-Lite and vega-embed in a function scope: their top-level names would collide with Sphinx's `_`."""
    import vl_convert

    head = f"/* vl-convert {vl_convert.__version__}, vega-lite {VEGA_LITE} */"
    if _begins(path, head):
        return
    bundle = vl_convert.javascript_bundle(vl_version=VEGA_LITE)
    _write(path, f"{head}\n(function(){{{bundle}\n}})();")


def write_icons(folder: Path) -> None:
    """The theme's icon font cut to `ICONS`, in a style sheet, and an empty file in place of the theme's script."""
    import pydata_sphinx_theme

    head = f"/* icons of pydata-sphinx-theme {pydata_sphinx_theme.__version__}: {ICONS} */"
    style = folder / "txray-icons.css"
    if _begins(style, head):
        return
    fonts = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/vendor/fontawesome/webfonts"
    source = base64.b64encode(_cut(fonts / "fa-solid-900.ttf")).decode()
    licence = "/* Font Awesome Free, icons CC BY 4.0, font SIL OFL 1.1, https://fontawesome.com/license/free */"
    face = f'@font-face{{font-family:"Font Awesome 6 Free";font-weight:900;src:url(data:font/woff;base64,{source})}}'
    _write(folder / SCRIPT, "/* The icons in use are in txray-icons.css. */\n")
    _write(style, f"{head}\n{licence}\n{face}\n")


def _cut(font: Path) -> bytes:
    from fontTools import subset

    options = subset.Options(flavor="woff", layout_features=[], notdef_outline=False, glyph_names=False, hinting=False)
    loaded = subset.load_font(str(font), options)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=[int(code, 16) for code in ICONS.split()])
    cutter.subset(loaded)
    out = io.BytesIO()
    loaded.flavor = "woff"
    loaded.save(out)
    return out.getvalue()


def _begins(path: Path, head: str) -> bool:
    if not path.exists():
        return False
    with path.open(encoding="utf-8") as old:
        return old.readline().rstrip("\n") == head


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
