import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from archive_batch.catalogue import CataloguePage, CatalogueWriter, page_id, page_path, read_catalogue
from archive_batch.parts import read_parts
from training.window import Window

SEGMENT = st.text(min_size=1, max_size=300).filter(lambda text: "/" not in text and text not in (".", ".."))
WHOLE = Window(0, 255)
PAGE_ID = st.lists(SEGMENT, min_size=1, max_size=3).map("/".join)


def page(number: int, window: Window | None = WHOLE) -> CataloguePage:
    return CataloguePage(page_id("a.tif", number), "a.tif", number, "00ff", (3, 4), "uint8", (300, 300, "inch"), window)


def test_the_page_of_an_ordinary_file_lies_where_its_id_says():
    assert page_path("box 1/letter.tif#3") == "pages/box 1/letter.tif#3"


@given(first=PAGE_ID, second=PAGE_ID)
def test_different_pages_lie_at_different_places(first, second):
    assert (page_path(first) == page_path(second)) == (first == second)


@given(PAGE_ID)
def test_places_are_names_that_stores_take(name):
    for segment in page_path(name).split("/"):
        assert segment not in ("", ".", "..", "zarr.json")
        assert not segment.startswith("__")
        assert not set(segment) & set('\\:*?"<>|\0')
        assert len(segment.encode()) <= 200


def test_pages_come_back_as_they_were_added():
    root = zarr.create_group(MemoryStore())
    pages = [page(0), page(1, Window(9, 2, curve=(0.0, 0.4, 1.0), note="negative")), page(2, None)]
    with CatalogueWriter(root) as catalogue:
        for each in pages:
            catalogue.add_pages([each])
    assert read_catalogue(root) == {each.id: each for each in pages}


def test_a_curve_is_written_once_however_many_pages_have_it():
    root = zarr.create_group(MemoryStore())
    with CatalogueWriter(root) as catalogue:
        for number in range(5):
            catalogue.add_pages([page(number, Window(0, 255, curve=(0.0, 0.25, 1.0)))])
    assert sum("curve" in line for line in read_parts(root.store, "catalogue")) == 1
    assert {each.window.curve for each in read_catalogue(root).values()} == {(0.0, 0.25, 1.0)}
