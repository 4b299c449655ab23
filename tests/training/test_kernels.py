"""The compiled render gives the same bits as the plain NumPy definitions."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import kernels  # the module, for its compiled functions
from training.chroma_map import ChromaMap
from training.color import lightness_of_gray
from training.enlargement import enlarge, grids_of_map
from training.hashes import sha256_pixels
from training.reversible import code_edges, reversible_rgb
from training.window import Window

DEPTHS = {8: np.uint8, 16: np.uint16}


def random_picture(bits: int, shape: tuple[int, int], chroma: int, seed: int) -> tuple[ChromaMap, np.ndarray]:
    rng = np.random.default_rng(seed)
    chroma_map = ChromaMap(
        ab=rng.integers(-chroma, chroma + 1, (2, 8, 12)),
        wraps=bool(seed % 2),
        uncertainty=np.zeros((8, 12)),
        lightness=rng.integers(0, 256, (16, 24)),
        shape=shape,
        window=Window(0, 2**bits - 1),
    )
    return chroma_map, rng.integers(0, 2**bits, shape, DEPTHS[bits])


def defined(chroma: ChromaMap, plane: np.ndarray) -> np.ndarray:
    """The render by its definition."""
    height, width = plane.shape
    lightness = lightness_of_gray(plane.dtype.itemsize * 8)[plane]
    a, b = enlarge(grids_of_map(chroma), lightness, plane.shape, (0, height), (0, width))
    return reversible_rgb(plane, a, b)


@given(
    bits=st.sampled_from([8, 16]),
    height=st.integers(1, 40),
    width=st.integers(1, 70),
    chroma=st.sampled_from([0, 15, 127]),
    seed=st.integers(0, 2**32),
)
def test_a_render_is_what_it_is_defined_to_be(bits, height, width, chroma, seed):
    chroma_map, plane = random_picture(bits, (height, width), chroma, seed)
    np.testing.assert_array_equal(chroma_map.render(plane), defined(chroma_map, plane))


@pytest.mark.parametrize("bits", DEPTHS)
def test_a_large_render_is_what_it_is_defined_to_be(bits):
    """Large enough for colours that have to be mended, and for several bands."""
    chroma_map, plane = random_picture(bits, (700, 900), 120, 3)
    np.testing.assert_array_equal(chroma_map.render(plane), defined(chroma_map, plane))


@pytest.mark.parametrize("bits", DEPTHS)
def test_older_processors_give_the_same_bytes(bits):
    """Without the wider registers and fused operations of newer ones, in NumPy as in compiled code."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_kernels import *;"
        f"m, p = random_picture({bits}, (300, 400), 120, 4); print(sha256_pixels(m.render(p)))"
    )
    plain = {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX", "NUMBA_CPU_NAME": "x86-64"}
    plain |= {"NUMBA_CPU_FEATURES": "", "NUMBA_DISABLE_CACHE": "1"}
    folder = os.path.dirname(__file__)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, folder], env=os.environ | plain, capture_output=True, text=True
    )
    chroma_map, plane = random_picture(bits, (300, 400), 120, 4)
    assert done.stdout.strip() == sha256_pixels(chroma_map.render(plane)), done.stderr


def test_no_memory_layout_compiles_the_kernel_again():
    kernels.compile_all()
    before = len(kernels._render.signatures)
    chroma, plane = random_picture(8, (30, 40), 15, 0)
    read_only = plane.copy()
    read_only.flags.writeable = False
    for layout in (plane, plane[3:20, 5:31], read_only, np.asfortranarray(plane)):
        replace(chroma, shape=layout.shape).render(layout)
    assert len(kernels._render.signatures) == before


@pytest.mark.parametrize("bits", DEPTHS)
def test_a_bin_of_linear_light_holds_one_edge_at_most(bits):
    """Rounding is one comparison: right at every edge, just below it, and at both ends."""
    table, edges = kernels.tables(bits), code_edges(bits)
    linear = np.concatenate([edges, np.nextafter(edges, np.float32(0)), np.float32([-1, 0, 1, 2])])
    bins = (np.sqrt(linear.clip(0, 1)) * np.float32(len(table.first_code) - 1)).astype(np.int32)
    codes = table.first_code[bins] + (linear >= table.next_edge[bins])
    np.testing.assert_array_equal(codes, np.searchsorted(edges, linear, side="right"))
