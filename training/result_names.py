"""Where results go: their names, and those of their colour maps."""

from collections.abc import Sequence
from pathlib import Path

from training.errors import SettingsError
from training.image_writing import WRITTEN_SUFFIXES

MAP_SUFFIX = ".chroma"
LOSSLESS_SUFFIXES = {".tif": ".tif", ".tiff": ".tiff", ".png": ".png"}


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
    names_a_file = out is not None and out.suffix.lower() in WRITTEN_SUFFIXES and not out.is_dir()
    if out is not None and len(sources) == 1 and (names_a_file or (out.suffix and not out.is_dir())):
        return [out]
    if names_a_file or (out is not None and out.exists() and not out.is_dir()):
        raise SettingsError(f"{out} is a file: for several pictures -o names a folder")
    names = [f"{source.stem}-{ending}{LOSSLESS_SUFFIXES.get(source.suffix.lower(), '.png')}" for source in sources]
    return [(out or source.parent) / name for source, name in zip(sources, names)]


def map_files(result: Path, pages: int) -> list[Path]:
    """Where the colour maps of a result lie: beside it, one for each page."""
    return [page_file(result, page, pages).with_suffix(MAP_SUFFIX) for page in range(pages)]


def page_file(result: Path, page: int, pages: int) -> Path:
    """The name of what belongs to one page of a result."""
    return result if pages == 1 else result.with_name(f"{result.stem}-p{page:03d}{result.suffix}")
