from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from archive_batch.catalogue import CataloguePage
from archive_batch.ledger import LedgerLine, latest
from archive_batch.plan import Identity, page_settings, pages_per_second, pending, status
from training.window import Window

IDENTITY = Identity("chroma", "photo", "ab12")
PAGES = [
    CataloguePage(f"{n}.tif", f"{n}.tif", None, f"sha{n}", (3, 4), "uint8", None, Window(0, 255)) for n in range(6)
]


def line(page: CataloguePage, state="done", **more) -> LedgerLine:
    return LedgerLine(page.id, state, page.sha256, page_settings(page, IDENTITY), **more)


def all_intact(page, line):
    return True


def test_pages_without_a_line_are_pending():
    lines = {PAGES[0].id: line(PAGES[0])}
    assert pending(PAGES, lines, IDENTITY, all_intact) == PAGES[1:]


def test_pages_that_failed_are_tried_again_and_kept_ones_are_not():
    lines = {PAGES[0].id: line(PAGES[0], "failed"), PAGES[1].id: line(PAGES[1], "kept")}
    assert pending(PAGES[:2], lines, IDENTITY, all_intact) == PAGES[:1]


def test_a_done_page_whose_objects_are_not_there_is_pending():
    lines = {page.id: line(page) for page in PAGES}
    assert pending(PAGES, lines, IDENTITY, lambda page, _: page != PAGES[2]) == [PAGES[2]]


def test_a_page_whose_source_or_window_changed_is_pending():
    lines = {page.id: line(page) for page in PAGES}
    changed = [replace(PAGES[0], sha256="other"), replace(PAGES[1], window=Window(255, 0)), *PAGES[2:]]
    assert pending(changed, lines, IDENTITY, all_intact) == changed[:2]


def test_the_last_line_of_a_page_counts():
    lines = latest([line(PAGES[0], "failed"), line(PAGES[0])])
    assert pending(PAGES[:1], lines, IDENTITY, all_intact) == []


@given(states=st.lists(st.sampled_from(["done", "kept", "failed", None]), min_size=6, max_size=6))
def test_every_page_is_counted_once(states):
    lines = {page.id: line(page, state, error="x") for page, state in zip(PAGES, states) if state}
    counts = status(PAGES, lines, IDENTITY, all_intact)
    assert counts.pages == counts.done + counts.kept + counts.neutral + counts.failed + counts.pending == 6
    assert (counts.done, counts.pending) == (states.count("done"), states.count(None))
    assert [failure["page"] for failure in counts.failures] == [p.id for p, s in zip(PAGES, states) if s == "failed"]


def test_the_pace_is_that_of_the_last_run():
    lines = [
        line(PAGES[0], run=10.0, finished=1000.0),
        line(PAGES[1], run=2000.0, finished=2002.0),
        line(PAGES[2], run=2000.0, finished=2004.0),
    ]
    assert pages_per_second(lines) == 0.5
    assert status(PAGES, latest(lines), IDENTITY, all_intact).eta_seconds == 6.0


def test_without_a_run_there_is_no_pace():
    counts = status(PAGES, {}, IDENTITY, all_intact)
    assert (counts.pages_per_second, counts.eta_seconds) == (None, None)
