"""One page from the archive to the target, without a cluster."""

import hashlib

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05 import Image as OmeImage

from archive_batch.catalogue import page_path, read_catalogue
from archive_batch.gray_pages import gray_levels, open_gray
from archive_batch.plan import Identity, PageTask
from archive_batch.stores import open_root
from archive_batch.targets import load_map, make_target, open_rgb
from archive_batch.tasks import colorize_page
from training.color import gray
from training.errors import InputFileError, SettingsError
from training.hashes import sha256_file, sha256_pixels
from training.provenance import SENTENCE

PAGES = ["box 1/two.tif#0", "box 1/two.tif#1", "boy.jpg", "black.png"]


@pytest.fixture(scope="module", params=["chroma", "rgb"])
def mode(request):
    return request.param


@pytest.fixture(scope="module")
def made(archive, colorizer, model_file, tmp_path_factory):
    """Function: a target of a mode with all pages, and their lines; made when it is first asked for."""
    targets = {}

    def make(mode):
        if mode not in targets:
            target = str(tmp_path_factory.mktemp("targets") / mode)
            identity = Identity(mode, colorizer.name, sha256_file(model_file))
            make_target(target, identity)
            pages = read_catalogue(open_root(archive, "archive"))
            lines = {
                name: colorize_page(colorizer, PageTask(str(archive), target, pages[name], identity)) for name in PAGES
            }
            targets[mode] = target, lines
        return targets[mode]

    return make


@pytest.fixture(scope="module")
def catalogue(archive):
    return read_catalogue(open_root(archive, "archive"))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_done(made, mode, page):
    line = made(mode)[1][page]
    assert (line.state, line.error) == ("done", "")


@pytest.mark.parametrize("page", PAGES)
def test_the_gray_of_every_level_is_the_windowed_page(made, archive, catalogue, page):
    target = made("rgb")[0]
    for level, stored in enumerate(gray_levels(open_root(archive, "archive"), catalogue[page])):
        rgb = np.moveaxis(open_rgb(target, page, level)[...], 0, -1)
        bits = rgb.dtype.itemsize * 8
        assert (gray(rgb) == catalogue[page].window.apply(stored[...], bits)).all()


def test_the_result_has_colour(made):
    rgb = open_rgb(made("rgb")[0], PAGES[0])[...]
    assert (rgb[0] != rgb[2]).mean() > 0.5


@pytest.mark.parametrize("page", PAGES)
def test_images_are_rendered_from_the_map_that_they_carry(made, archive, page):
    target = made("rgb")[0]
    rendered = load_map(target, page).render(open_gray(archive, page))
    assert (np.moveaxis(open_rgb(target, page)[...], 0, -1) == rendered).all()


def test_both_modes_hold_the_same_maps(made):
    first, second = (load_map(made(mode)[0], PAGES[0]).arrays() for mode in ("chroma", "rgb"))
    assert all((first[name] == second[name]).all() for name in first)


def test_a_map_takes_less_than_80_kb(made):
    assert sum(made("chroma")[1][PAGES[0]].objects.values()) < 80_000


def test_images_are_ome_zarr_with_the_colours_of_rgb(made):
    target = made("rgb")[0]
    for page in PAGES:
        group = zarr.open_group(target, path=page_path(page), mode="r")
        ome = OmeImage.from_zarr(group).attributes.ome
        assert [axis.name for axis in ome.multiscales[0].axes] == ["c", "y", "x"]
        assert [channel["color"] for channel in group.attrs["ome"]["omero"]["channels"]] == [
            "FF0000",
            "00FF00",
            "0000FF",
        ]


def test_every_result_says_what_made_it(made, mode, catalogue, model_file):
    group = zarr.open_group(made(mode)[0], path=page_path(PAGES[1]), mode="r")
    provenance = group.attrs["provenance"]
    assert provenance["statement"] == SENTENCE
    assert provenance["source"] == {"file": "two.tif", "sha256": catalogue[PAGES[1]].sha256, "page": 1}
    assert provenance["colour"]["model_sha256"] == sha256_file(model_file)
    assert provenance["window"] == catalogue[PAGES[1]].window.to_dict()


def test_the_hash_of_the_pixels_is_the_one_that_files_carry(made):
    target = made("rgb")[0]
    provenance = zarr.open_group(target, path=page_path(PAGES[0]), mode="r").attrs["provenance"]
    pixels = np.moveaxis(open_rgb(target, PAGES[0])[...], 0, -1)
    assert provenance["result"] == {"pixels_sha256": sha256_pixels(pixels)}


def test_the_content_hash_is_that_of_what_can_be_read_back(made, mode):
    target, lines = made(mode)
    content = load_map(target, PAGES[0]).content_sha256()
    if mode == "rgb":
        levels = [sha256_pixels(np.moveaxis(open_rgb(target, PAGES[0], level)[...], 0, -1)) for level in (0, 1)]
        content = hashlib.sha256(" ".join([*levels, content]).encode()).hexdigest()
    assert lines[PAGES[0]].content_sha256 == content


def test_the_objects_of_a_line_are_all_that_there_is(made, mode, tmp_path):
    target, lines = made(mode)
    folder = open_root(target, "target").store.root / page_path(PAGES[0])
    found = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    assert lines[PAGES[0]].objects == found


def test_a_target_of_another_identity_is_refused(made, mode):
    with pytest.raises(SettingsError, match="was made with mode"):
        make_target(made(mode)[0], Identity(mode, "other", "ffff"))


def test_maps_have_no_pixels_to_open(made):
    with pytest.raises(InputFileError, match="holds colour maps"):
        open_rgb(made("chroma")[0], PAGES[0])


def test_a_page_that_is_not_there_is_named(made, mode):
    with pytest.raises(InputFileError, match="has no page typo"):
        load_map(made(mode)[0], "typo")
