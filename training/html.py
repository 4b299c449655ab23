"""Reports: one HTML page each, complete in itself."""

import base64
import io
from pathlib import Path

import numpy as np

from training import __version__
from training.atomic import put_whole
from training.errors import SettingsError


def write_html(path: Path, template: str, **values: object) -> None:
    """Write a report from a template of this package, whole or not at all, in place of an earlier one.

    Raises
    ------
    SettingsError
        If it names no HTML file.
    OutputError
        If it cannot be written.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise SettingsError(f"{path} is no name for a report: let it end in .html")
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("training", "."), autoescape=True, undefined=StrictUndefined)
    environment.filters.update(as_png=_as_png, as_data_url=_as_data_url)
    text = environment.get_template(template).render(version=__version__, **values)
    with put_whole(path, overwrite=True) as partial:
        partial.write_text(text, encoding="utf-8")


def _as_png(picture: np.ndarray) -> str:
    """A picture as a data URL."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return _as_data_url(buffer.getvalue(), "png")


def _as_data_url(encoded: bytes, kind: str) -> str:
    """An encoded picture, "png" or "jpeg", as a data URL."""
    return f"data:image/{kind};base64," + base64.b64encode(encoded).decode()
