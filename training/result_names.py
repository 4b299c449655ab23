"""Where results go: their names, and those of their colour maps."""

from collections.abc import Sequence
from pathlib import Path

from training.errors import SettingsError
from training.image_writing import WRITTEN_SUFFIXES

MAP_SUFFIX = ".chroma"
LOSSLESS_SUFFIXES = (".tif", ".tiff", ".png")


def targets(sources: Sequence[Path], out: Path | None, ending: str, *, maps: bool = False) -> list[Path]:
    """Where the results go: `out` itself for one source, a folder for more; beside the source without it.

    Parameters
    ----------
    sources : sequence of Path
        Input files.
    out : Path, optional
        File for one source, else a folder; a name without a suffix is a folder.
    ending : str
        Added to the stem: ``colour`` or ``gray``.
    maps : bool
        Whether colour maps are written beside the results, whose names must differ, too.

    Raises
    ------
    SettingsError
        If two sources would become one file, a result would replace its own source, or a folder is needed and `out`
        is a file.
    """
    results = _results(sources, out, ending)
    first: dict[Path, Path] = {}
    for source, result in zip(sources, results):
        if result.resolve() == source.resolve():
            raise SettingsError(f"{result} is the picture itself: name another result with -o")
        key = result.with_suffix(MAP_SUFFIX) if maps else result
        if other := first.get(key):
            raise SettingsError(f"{other} and {source} would both become {key}: do them one at a time with -o")
        first[key] = source
    return results


def _results(sources: Sequence[Path], out: Path | None, ending: str) -> list[Path]:
    if out is not None and not out.is_dir():
        if len(sources) == 1 and out.suffix:
            return [out]
        if out.exists() or out.suffix.lower() in WRITTEN_SUFFIXES:
            raise SettingsError(f"{out} is a file: for several pictures -o names a folder")
    return [(out or source.parent) / f"{source.stem}-{ending}{_lossless_suffix(source)}" for source in sources]


def _lossless_suffix(source: Path) -> str:
    suffix = source.suffix.lower()
    return suffix if suffix in LOSSLESS_SUFFIXES else ".png"


def map_files(result: Path, pages: int) -> list[Path]:
    """Where the colour maps of a result lie: beside it, one for each page."""
    return [page_file(result, page, pages).with_suffix(MAP_SUFFIX) for page in range(pages)]


def page_file(result: Path, page: int, pages: int) -> Path:
    """The name of what belongs to one page of a result."""
    return result if pages == 1 else result.with_name(f"{result.stem}-p{page:03d}{result.suffix}")
