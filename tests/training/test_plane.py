import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from training.plane import row_bands


class Chunked:
    """A plane that knows its chunks, as zarr and dask do."""

    def __init__(self, shape, chunks):
        self.shape, self.chunks, self.dtype = shape, chunks, np.dtype(np.uint8)


@given(
    height=st.integers(1, 5000),
    width=st.sampled_from([1, 700, 3_000_000]),
    chunk=st.sampled_from([1, 7, 64, 512]),
    data=st.data(),
)
def test_bands_cover_every_row_once_and_end_where_chunks_end(height, width, chunk, data):
    start = data.draw(st.integers(0, height - 1))
    stop = data.draw(st.integers(start, height))
    bands = row_bands(Chunked((height, width), (chunk, chunk)), start, stop)
    assert [row for first, last in bands for row in range(first, last)] == list(range(start, stop))
    assert all(last % chunk == 0 for _, last in bands[:-1])


@pytest.mark.parametrize("chunks", [((64, 64, 22), (90,)), (64, 90)])
def test_chunks_may_be_told_as_dask_or_as_zarr_tells_them(chunks):
    bands = row_bands(Chunked((150, 2_000_000), chunks))
    assert bands == [(0, 64), (64, 128), (128, 150)]


def test_no_chunk_of_a_zarr_array_is_read_twice():
    array = zarr.create_array(zarr.storage.MemoryStore(), shape=(4096, 3000), chunks=(512, 3000), dtype="u1")
    bands = row_bands(array)
    assert all(first % 512 == 0 for first, _ in bands)
    assert len(bands) == 8
