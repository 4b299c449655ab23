from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import LocalStore, MemoryStore

from archive_batch import parts
from archive_batch.parts import PartWriter, part_numbers, read_parts
from training.errors import InputFileError

LINES = st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5)), max_size=8)


@given(sessions=st.lists(LINES, max_size=4))
def test_lines_come_back_in_the_order_in_which_they_were_added(sessions):
    store = MemoryStore()
    for lines in sessions:
        with PartWriter(store, "table") as writer:
            for line in lines:
                writer.add(line)
    assert list(read_parts(store, "table")) == [line for lines in sessions for line in lines]


def test_a_part_is_written_once_there_are_many_lines(monkeypatch):
    monkeypatch.setattr(parts, "MOST_LINES", 3)
    store = MemoryStore()
    writer = PartWriter(store, "table")
    for number in range(7):
        writer.add({"number": number})
    assert [line["number"] for line in read_parts(store, "table")] == list(range(6))


def test_what_was_added_before_an_error_is_written():
    store = MemoryStore()
    with suppress(KeyboardInterrupt), PartWriter(store, "table") as writer:
        writer.add({"number": 1})
        raise KeyboardInterrupt
    assert list(read_parts(store, "table")) == [{"number": 1}]


def test_parts_are_in_the_order_of_their_numbers_and_leftovers_of_a_kill_are_none(tmp_path):
    (tmp_path / "table").mkdir()
    for number in (2, 10, 9):
        (tmp_path / f"table/part-{number}.jsonl").write_text(f'{{"number": {number}}}\n')
    (tmp_path / "table/part-11.0123456789abcdef.partial").write_text('{"num')
    store = LocalStore(tmp_path)
    assert part_numbers(store, "table") == [2, 9, 10]
    assert [line["number"] for line in read_parts(store, "table")] == [2, 9, 10]


def test_a_damaged_part_is_named(tmp_path):
    (tmp_path / "table").mkdir()
    (tmp_path / "table/part-0.jsonl").write_text('{"num')
    with pytest.raises(InputFileError, match=r"table/part-0.jsonl is damaged"):
        list(read_parts(LocalStore(tmp_path), "table"))
