"""Reading pages of picture files: numbers as stored, upright, whole or not at all."""

import io
import logging
import os
import struct
import subprocess
import sys
import textwrap
import threading
import tracemalloc
import warnings
import zlib

import imagecodecs
import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image, ImageOps

from training.errors import InputFileError
from training.formats.page import reading, spread_bits
from training.images import file_format, iter_pages, page_count, read_page, read_pages

RNG = np.random.default_rng(7)
GRAY = RNG.integers(0, 256, (37, 23), dtype=np.uint8)
GRAY16 = RNG.integers(0, 65536, (37, 23), dtype=np.uint16)
RGB = RNG.integers(0, 256, (37, 23, 3), dtype=np.uint8)
RGB16 = RNG.integers(0, 65536, (37, 23, 3), dtype=np.uint16)
ALPHA = RNG.integers(1, 256, (37, 23), dtype=np.uint8)


def write_tiff(path, data, **settings):
    tifffile.imwrite(path, data, metadata=None, **settings)
    return path


def raw_tiff(tags: dict[int, int | list[int] | bytes], data: bytes) -> bytes:
    """A little-endian TIFF of one strip, built by hand: tag 273 is set to where the data lies."""
    size = 8 + 2 + 12 * (len(tags) + 1) + 4
    tags = tags | {273: size}
    entries, extra = b"", data
    for code, value in sorted(tags.items()):
        kind = 7 if isinstance(value, bytes) else 4
        values = value if isinstance(value, bytes) else struct.pack(f"<{np.size(value)}I", *np.atleast_1d(value))
        if len(values) <= 4:
            entries += struct.pack("<HHI", code, kind, len(values) if kind == 7 else 1) + values.ljust(4, b"\0")
        else:
            count = len(values) if kind == 7 else len(values) // 4
            entries += struct.pack("<HHII", code, kind, count, size + len(extra))
            extra += values
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + extra


def plain_tags(height=4, width=6, bits=8, photometric=1, count=None, **more):
    named = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 277: 1, 278: height}
    return named | {279: count if count is not None else height * width * bits // 8} | more


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return png[:33] + chunk + png[33:]


def saved(image: Image.Image, name: str, **settings) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **settings)
    return file.getvalue()


# TIFF


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int16", "float16", "float32", "float64"])
def test_gray_tiff_keeps_its_numbers(tmp_path, dtype):
    data = (RNG.random((20, 30)) * 100).astype(dtype)
    page = read_page(write_tiff(tmp_path / "a.tif", data, photometric="minisblack"))
    assert page.pixels.dtype == dtype
    np.testing.assert_array_equal(page.pixels, data)
    assert (page.alpha, page.bits_stored, page.negative, page.curve, page.notes) == (None, None, False, None, ())


@pytest.mark.parametrize("layout", [{"tile": (16, 16)}, {"bigtiff": True}, {"byteorder": ">"}, {"rowsperstrip": 5}])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd", "packbits"])
def test_tiff_of_any_layout_gives_the_same_numbers(tmp_path, layout, compression):
    path = write_tiff(tmp_path / "a.tif", GRAY16, photometric="minisblack", compression=compression, **layout)
    np.testing.assert_array_equal(read_page(path).pixels, GRAY16)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("rgb", [RGB, RGB16], ids=["8", "16"])
def test_rgb_tiff_puts_the_channels_last(tmp_path, planar, rgb):
    data = rgb if planar == "contig" else np.moveaxis(rgb, -1, 0)
    page = read_page(write_tiff(tmp_path / "a.tif", data, photometric="rgb", planarconfig=planar))
    np.testing.assert_array_equal(page.pixels, rgb)
    assert page.bits_stored == 16


def test_three_gray_planes_are_three_pages_and_no_rgb(tmp_path):
    stack = np.stack([GRAY, GRAY + 1, GRAY + 2])
    pages = read_pages(write_tiff(tmp_path / "a.tif", stack, photometric="minisblack"))
    np.testing.assert_array_equal([page.pixels for page in pages], stack)


def test_three_gray_channels_in_one_page_are_no_rgb_and_it_says_so(tmp_path):
    path = tmp_path / "a.tif"
    page = read_page(write_tiff(path, np.moveaxis(RGB, -1, 0), photometric="minisblack", planarconfig="separate"))
    np.testing.assert_array_equal(page.pixels, RGB[..., 0])
    assert page.notes == ("2 further channels of no stated meaning were left out",)


def test_min_is_white_is_negative_and_keeps_its_numbers(tmp_path):
    page = read_page(write_tiff(tmp_path / "a.tif", GRAY, photometric="miniswhite"))
    np.testing.assert_array_equal(page.pixels, GRAY)
    assert page.negative


def test_a_tiff_that_does_not_say_what_black_is_is_no_negative(tmp_path):
    tags = plain_tags()
    del tags[262]
    (tmp_path / "a.tif").write_bytes(raw_tiff(tags, bytes(range(24))))
    assert not read_page(tmp_path / "a.tif").negative


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_are_spread_over_eight(tmp_path, bits):
    packed = bytes([0b00011011, 0b11100100])
    per_row = 16 // bits
    (tmp_path / "a.tif").write_bytes(raw_tiff(plain_tags(1, per_row, bits), packed))
    page = read_page(tmp_path / "a.tif")
    numbers = np.array([int(f"{packed[0]:08b}{packed[1]:08b}"[i : i + bits], 2) for i in range(0, 16, bits)])
    np.testing.assert_array_equal(page.pixels[0], numbers * (255 // (2**bits - 1)))
    assert page.pixels.dtype == np.uint8


def test_twelve_bits_are_kept_and_stated(tmp_path):
    numbers = np.array([[0, 1, 2, 0xABC, 4095, 7]])
    packed = int("".join(f"{number:03x}" for number in numbers[0]), 16).to_bytes(9, "big")
    (tmp_path / "a.tif").write_bytes(raw_tiff(plain_tags(1, 6, 12), packed))
    page = read_page(tmp_path / "a.tif")
    np.testing.assert_array_equal(page.pixels, numbers)
    assert (page.pixels.dtype, page.bits_stored) == (np.uint16, 12)


@pytest.mark.parametrize(("greatest", "bits"), [(4095, 12), (16383, 14), (4000, None), (511, None)])
def test_max_sample_value_states_the_bits_where_the_numbers_keep_to_it(tmp_path, greatest, bits):
    data = np.arange(4000, dtype=np.uint16).reshape(40, 100)
    tag = [(281, "H", 1, greatest, True)]
    path = write_tiff(tmp_path / "a.tif", data, photometric="minisblack", extratags=tag)
    assert read_page(path).bits_stored == bits


def test_rgb_of_twelve_bits_is_spread_over_sixteen():
    np.testing.assert_array_equal(spread_bits(np.array([0, 2048, 4095], np.uint16), 12), [0, 32776, 65535])


@pytest.mark.parametrize("entries", ["uint16", "uint8"])
def test_a_palette_of_colours_becomes_rgb(tmp_path, entries):
    colors = RNG.integers(0, 256, (3, 256))
    colormap = (colors * (257 if entries == "uint16" else 1)).astype(np.uint16)
    page = read_page(write_tiff(tmp_path / "a.tif", GRAY, photometric="palette", colormap=colormap))
    np.testing.assert_array_equal(page.pixels, colors.T[GRAY])


def test_a_palette_of_grays_becomes_gray(tmp_path):
    colormap = np.stack([np.arange(255, -1, -1) * 257] * 3).astype(np.uint16)
    page = read_page(write_tiff(tmp_path / "a.tif", GRAY, photometric="palette", colormap=colormap))
    np.testing.assert_array_equal(page.pixels, 255 - GRAY)


def test_equal_channels_become_one(tmp_path):
    page = read_page(write_tiff(tmp_path / "a.tif", np.stack([GRAY] * 3, -1), photometric="rgb"))
    np.testing.assert_array_equal(page.pixels, GRAY)
    assert page.bits_stored == 16


def test_cmyk_becomes_rgb(tmp_path):
    cmyk = np.zeros((3, 4, 4), np.uint8)
    cmyk[0, 0] = (255, 0, 0, 0)
    cmyk[0, 1] = (0, 0, 0, 128)
    page = read_page(write_tiff(tmp_path / "a.tif", cmyk, photometric="separated"))
    assert page.pixels[0, :3].tolist() == [[0, 255, 255], [127, 127, 127], [255, 255, 255]]


def test_lab_becomes_rgb(tmp_path):
    (tmp_path / "a.tif").write_bytes(saved(Image.new("LAB", (8, 8), (136, 208, 192)), "TIFF"))
    red, green, blue = read_page(tmp_path / "a.tif").pixels[0, 0].tolist()
    assert red > 220
    assert max(green, blue) < 60


@pytest.mark.parametrize("shape", ["gray", "rgb"])
def test_opacity_is_kept_apart(tmp_path, shape):
    pixels = GRAY if shape == "gray" else RGB
    data = np.dstack([pixels, ALPHA])
    photometric = "minisblack" if shape == "gray" else "rgb"
    page = read_page(write_tiff(tmp_path / "a.tif", data, photometric=photometric, extrasamples=["unassalpha"]))
    np.testing.assert_array_equal(page.pixels, pixels)
    np.testing.assert_array_equal(page.alpha, ALPHA)


def test_premultiplied_opacity_is_divided_out(tmp_path):
    data = np.zeros((1, 3, 2), np.uint8)
    data[0] = [(100, 200), (255, 255), (0, 0)]
    page = read_page(
        write_tiff(
            tmp_path / "a.tif", data, photometric="minisblack", planarconfig="contig", extrasamples=["assocalpha"]
        )
    )
    assert page.pixels.tolist() == [[128, 255, 0]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_pillow_does(tmp_path, orientation):
    path = write_tiff(
        tmp_path / "a.tif",
        GRAY,
        photometric="minisblack",
        extratags=[(274, "H", 1, orientation, True)],
        resolution=(300, 200),
        resolutionunit="inch",
    )
    page = read_page(path)
    with path.open("rb") as file, Image.open(file) as image:  # by name Pillow 13 gets 5 to 8 wrong
        image.load()
        np.testing.assert_array_equal(page.pixels, np.asarray(image))
    assert page.resolution == ((300, 200, "inch") if orientation < 5 else (200, 300, "inch"))


def test_resolution_without_a_unit_is_none(tmp_path):
    path = write_tiff(tmp_path / "a.tif", GRAY, photometric="minisblack", resolution=(1, 1), resolutionunit="none")
    assert read_page(path).resolution is None


def test_what_a_person_wrote_is_kept_and_what_a_program_wrote_is_not(tmp_path):
    tags = [(315, "s", 0, "Ida Keel", True), (269, "s", 0, "C:\\Users\\ida\\plate 7.tif", True)]
    path = write_tiff(tmp_path / "a.tif", GRAY, photometric="minisblack", extratags=tags, description="ImageJ=1.54")
    assert read_page(path).metadata == {"artist": "Ida Keel", "document_name": "plate 7.tif"}


def test_pages_may_differ_in_size_and_kind(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for data, photometric in [(GRAY, "minisblack"), (RGB[:5], "rgb"), (GRAY16[:9], "miniswhite")]:
            tif.write(data, photometric=photometric, metadata=None)
    assert [page.pixels.shape for page in read_pages(tmp_path / "a.tif")] == [(37, 23), (5, 23, 3), (9, 23)]
    assert page_count(tmp_path / "a.tif") == 3
    np.testing.assert_array_equal(read_page(tmp_path / "a.tif", 2).pixels, GRAY16[:9])


def test_thumbnails_and_masks_are_no_pages(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(GRAY[::4, ::4], photometric="minisblack", metadata=None, subfiletype=1)
        tif.write(GRAY, photometric="minisblack", metadata=None)
        tif.write(GRAY > 9, photometric="minisblack", metadata=None, subfiletype=4)
    assert page_count(tmp_path / "a.tif") == 1
    np.testing.assert_array_equal(read_page(tmp_path / "a.tif").pixels, GRAY)


def test_pages_are_decoded_one_by_one(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for _ in range(60):
            tif.write(np.zeros((500, 1000), np.uint8), photometric="minisblack", metadata=None, compression="zlib")
    tracemalloc.start()
    count = sum(1 for _ in iter_pages(tmp_path / "a.tif"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 60
    assert peak < 10 * 500_000


def test_a_page_that_is_not_there_is_an_error(tmp_path):
    path = write_tiff(tmp_path / "a.tif", GRAY, photometric="minisblack")
    with pytest.raises(InputFileError, match="has no page 4: it has 1"):
        read_page(path, 3)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_ycbcr_without_jpeg_is_converted(tmp_path, orientation, compression):
    image = Image.fromarray(RGB).convert("YCbCr")
    image.save(tmp_path / "a.tif", compression=compression, tiffinfo={274: orientation})
    wanted = np.rot90(np.asarray(image.convert("RGB")), -1 if orientation == 6 else 0)
    np.testing.assert_allclose(read_page(tmp_path / "a.tif").pixels, wanted, atol=1)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits", "zstd", "jpeg"])
@pytest.mark.parametrize("lost", [1, 40, 1500])
def test_a_truncated_tiff_is_an_error(tmp_path, compression, lost):
    data = np.ascontiguousarray(skimage.data.camera()[:120, :200])
    path = write_tiff(tmp_path / "a.tif", data, photometric="minisblack", compression=compression, rowsperstrip=16)
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(InputFileError, match=r"a\.tif is damaged, cut off"):
        read_page(path)


def test_a_jpeg_strip_without_an_end_is_an_error(tmp_path):
    path = write_tiff(tmp_path / "a.tif", GRAY, photometric="minisblack", compression="jpeg")
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags[279].overwrite(tif.pages[0].databytecounts[0] // 2)
    with pytest.raises(InputFileError, match="has no end"):
        read_page(path)


def test_strips_that_were_never_written_are_an_error(tmp_path):
    path = write_tiff(tmp_path / "a.tif", GRAY, photometric="minisblack", compression="zlib", rowsperstrip=8)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags[279].overwrite((0, *tif.pages[0].databytecounts[1:]))
    with pytest.raises(InputFileError, match="strips or tiles are missing"):
        read_page(path)


def test_a_chain_of_pages_that_leaves_the_file_is_an_error(tmp_path):
    data = bytearray(raw_tiff(plain_tags(), bytes(24)))
    end_of_directory = 8 + 2 + 12 * 9
    data[end_of_directory : end_of_directory + 4] = struct.pack("<I", 50_000)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(InputFileError, match="page 2 lies beyond its end"):
        page_count(tmp_path / "a.tif")


def test_a_chain_of_pages_that_loops_ends(tmp_path):
    data = bytearray(raw_tiff(plain_tags(), bytes(24)))
    end_of_directory = 8 + 2 + 12 * 9
    data[end_of_directory : end_of_directory + 4] = struct.pack("<I", 8)
    (tmp_path / "a.tif").write_bytes(data)
    assert len(read_pages(tmp_path / "a.tif")) == 1


def test_an_error_names_the_page(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for _ in range(3):
            tif.write(GRAY, photometric="minisblack", metadata=None, compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        offset = tif.pages[1].dataoffsets[0]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[offset : offset + 40] = bytes(40)
    (tmp_path / "a.tif").write_bytes(data)
    pages = iter_pages(tmp_path / "a.tif")
    next(pages)
    with pytest.raises(InputFileError, match=r"a\.tif, page 2 of 3, is damaged"):
        next(pages)


# sizes that files claim


@pytest.mark.parametrize(("height", "width"), [(2**17, 2**17), (60_000, 60_000), (2**31, 2**31)])
def test_a_tiff_that_claims_too_much_is_refused_before_memory_is_taken(tmp_path, height, width):
    (tmp_path / "a.tif").write_bytes(raw_tiff(plain_tags(height, width, count=20) | {259: 8}, bytes(20)))
    with pytest.raises(InputFileError, match="decompression bomb"):
        read_page(tmp_path / "a.tif")


def test_a_png_that_claims_too_much_is_refused(tmp_path):
    png = bytearray(imagecodecs.png_encode(GRAY))
    png[16:24] = struct.pack(">II", 100_000, 80_000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    (tmp_path / "a.png").write_bytes(png)
    with pytest.raises(InputFileError, match="decompression bomb"):
        read_page(tmp_path / "a.png")


def test_a_jpeg_that_claims_too_much_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_bytes(claiming(saved(Image.fromarray(GRAY), "JPEG"), 65_000))
    with pytest.raises(InputFileError, match="decompression bomb"):
        read_page(tmp_path / "a.jpg")


def claiming(jpeg: bytes, side: int) -> bytes:
    start = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:start] + struct.pack(">HH", side, side) + jpeg[start + 4 :]


def test_a_strip_that_claims_too_much_is_refused(tmp_path):
    strip = claiming(saved(Image.fromarray(GRAY), "JPEG"), 65_000)
    (tmp_path / "a.tif").write_bytes(raw_tiff(plain_tags(37, 23, count=len(strip)) | {259: 7}, strip))
    with pytest.raises(InputFileError, match="claims 65000 x 65000 pixels"):
        read_page(tmp_path / "a.tif")


def test_a_blank_page_of_a_fax_is_no_bomb(tmp_path):
    bits_of_zero_rows = bytes([0xFF] * 1600)  # G4: one bit says "as the row above"
    tags = plain_tags(9921, 7016, 1, 0, count=1600) | {259: 4}
    (tmp_path / "a.tif").write_bytes(raw_tiff(tags, bits_of_zero_rows))
    assert read_page(tmp_path / "a.tif").pixels.shape == (9921, 7016)


# PNG


@pytest.mark.parametrize("data", [GRAY, GRAY16, RGB, RGB16], ids=["gray8", "gray16", "rgb8", "rgb16"])
def test_png_keeps_its_numbers(tmp_path, data):
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
    page = read_page(tmp_path / "a.png")
    assert page.pixels.dtype == data.dtype
    np.testing.assert_array_equal(page.pixels, data)


@pytest.mark.parametrize("pixels", [GRAY, RGB16], ids=["gray8", "rgb16"])
def test_png_opacity_is_kept_apart(tmp_path, pixels):
    alpha = ALPHA.astype(pixels.dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.dstack([pixels, alpha])))
    page = read_page(tmp_path / "a.png")
    np.testing.assert_array_equal(page.pixels, pixels)
    np.testing.assert_array_equal(page.alpha, alpha)


def test_one_bit_png_is_black_and_white(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(GRAY > 128), "PNG"))
    np.testing.assert_array_equal(read_page(tmp_path / "a.png").pixels, np.where(GRAY > 128, 255, 0))


def test_png_palette_is_resolved(tmp_path):
    image = Image.fromarray(RGB).quantize(16)
    (tmp_path / "a.png").write_bytes(saved(image, "PNG"))
    np.testing.assert_array_equal(read_page(tmp_path / "a.png").pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(("greatest", "bits"), [(4095, 12), (65520, 16)])
def test_sbit_states_the_bits_unless_the_numbers_were_scaled_up(tmp_path, greatest, bits):
    data = np.linspace(0, greatest, 600).astype(np.uint16).reshape(20, 30)
    (tmp_path / "a.png").write_bytes(with_chunk(imagecodecs.png_encode(data), b"sBIT", b"\x0c"))
    page = read_page(tmp_path / "a.png")
    assert page.bits_stored == bits
    np.testing.assert_array_equal(page.pixels, data)


def test_png_resolution_and_orientation_are_read(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(GRAY), "PNG", dpi=(254, 508), exif=exif))
    page = read_page(tmp_path / "a.png")
    np.testing.assert_array_equal(page.pixels, np.rot90(GRAY, -1))
    assert page.resolution == (200, 100, "centimeter")


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.95])
def test_a_truncated_png_is_an_error(tmp_path, kept):
    data = imagecodecs.png_encode(RGB)
    (tmp_path / "a.png").write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputFileError):
        read_page(tmp_path / "a.png")


@pytest.mark.parametrize("kind", [b"iCCP", b"eXIf"])
def test_a_damaged_extra_of_a_png_spoils_no_pixel(tmp_path, kind):
    (tmp_path / "a.png").write_bytes(with_chunk(imagecodecs.png_encode(GRAY), kind, b"xyz\0\0 nonsense"))
    np.testing.assert_array_equal(read_page(tmp_path / "a.png").pixels, GRAY)


# JPEG and JPEG 2000


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_of_a_jpeg_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    camera = Image.fromarray(skimage.data.camera()[:64, :96])
    (tmp_path / "a.jpg").write_bytes(saved(camera, "JPEG", exif=exif, dpi=(300, 200)))
    with Image.open(tmp_path / "a.jpg") as image:
        wanted = np.asarray(ImageOps.exif_transpose(image))
    page = read_page(tmp_path / "a.jpg")
    np.testing.assert_array_equal(page.pixels, wanted)
    assert page.resolution == ((300, 200, "inch") if orientation < 5 else (200, 300, "inch"))


def test_a_gray_jpeg_stored_as_rgb_is_gray(tmp_path):
    (tmp_path / "a.jpg").write_bytes(saved(Image.fromarray(GRAY).convert("RGB"), "JPEG"))
    assert read_page(tmp_path / "a.jpg").pixels.ndim == 2


def test_a_cmyk_jpeg_becomes_rgb(tmp_path):
    (tmp_path / "a.jpg").write_bytes(saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100))
    red, green, blue = read_page(tmp_path / "a.jpg").pixels[8, 8].tolist()
    assert red > 250
    assert max(green, blue) < 5


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_jpeg_is_an_error_and_no_half_gray_picture(tmp_path, kept):
    data = saved(Image.fromarray(skimage.data.camera()), "JPEG")
    (tmp_path / "a.jpg").write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputFileError, match="damaged, cut off"):
        read_page(tmp_path / "a.jpg")


@pytest.mark.parametrize("codec", ["jp2", "j2k"])
@pytest.mark.parametrize(("data", "bits"), [(GRAY, None), (GRAY16 >> 4, 12), (GRAY16, None), (RGB, None)])
def test_jpeg_2000_keeps_its_numbers(tmp_path, codec, data, bits):
    (tmp_path / "a.jp2").write_bytes(
        imagecodecs.jpeg2k_encode(data, level=0, reversible=True, codecformat=codec, bitspersample=bits)
    )
    page = read_page(tmp_path / "a.jp2")
    np.testing.assert_array_equal(page.pixels, data)
    assert page.bits_stored == (16 if data.ndim == 3 else bits)


def test_jpeg_2000_reads_profile_and_resolution(tmp_path):
    data = imagecodecs.jpeg2k_encode(GRAY, level=0, reversible=True, codecformat="jp2")
    profile = imagecodecs.cms_profile("gray", gamma=1.8)
    color = struct.pack(">I", len(profile) + 11) + b"colr\2\0\0" + profile
    resolution = struct.pack(">I4sI4s4H2b", 26, b"res ", 18, b"resc", 11811, 1, 11811, 2, 0, 0)
    start = data.index(b"colr") - 4
    header = data.index(b"jp2h") - 4
    size = struct.unpack_from(">I", data, header)[0] - 15 + len(color) + len(resolution)
    changed = (
        data[:header] + struct.pack(">I", size) + data[header + 4 : start] + color + resolution + data[start + 15 :]
    )
    (tmp_path / "a.jp2").write_bytes(changed)
    page = read_page(tmp_path / "a.jp2")
    np.testing.assert_array_equal(page.pixels, GRAY)
    assert page.curve
    assert page.resolution == pytest.approx((59.055, 118.11, "centimeter"))


@pytest.mark.parametrize("kept", [0.3, 0.98])
def test_a_truncated_jpeg_2000_is_an_error(tmp_path, kept):
    data = imagecodecs.jpeg2k_encode(GRAY, level=0, reversible=True, codecformat="jp2")
    (tmp_path / "a.jp2").write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputFileError, match="damaged, cut off"):
        read_page(tmp_path / "a.jp2")


# what is no picture


def test_the_first_bytes_tell_the_format_not_the_name(tmp_path):
    (tmp_path / "a.tif").write_bytes(imagecodecs.png_encode(GRAY))
    assert file_format(tmp_path / "a.tif") == "png"
    np.testing.assert_array_equal(read_page(tmp_path / "a.tif").pixels, GRAY)


@pytest.mark.parametrize(("content", "what"), [(b"", "is empty"), (b"GIF89a", "is no picture that can be read")])
def test_other_files_are_refused_with_the_formats_that_are_read(tmp_path, content, what):
    (tmp_path / "a.gif").write_bytes(content)
    with pytest.raises(InputFileError, match=f"{what}.*TIFF, PNG, JPEG and JPEG 2000"):
        read_pages(tmp_path / "a.gif")


def test_a_missing_file_and_a_folder_are_errors(tmp_path):
    with pytest.raises(InputFileError, match="does not exist"):
        read_pages(tmp_path / "a.tif")
    with pytest.raises(InputFileError, match="is no file"):
        read_pages(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.tif")
    with pytest.raises(InputFileError, match="is no file"):
        read_pages(tmp_path / "a.tif")


def test_reading_leaves_no_filter_behind_and_other_threads_their_log(caplog):
    filters, warning_filters = list(logging.getLogger("tifffile").filters), list(warnings.filters)
    with reading("a.tif"):
        logging.getLogger("tifffile").warning("of the reading thread")
        warnings.warn("of a decoder", stacklevel=1)
        thread = threading.Thread(target=logging.getLogger("tifffile").warning, args=("of another thread",))
        thread.start()
        thread.join()
    assert [record.message for record in caplog.records] == ["of another thread"]
    assert (logging.getLogger("tifffile").filters, warnings.filters) == (filters, warning_filters)


# files that others made


READ_ALL = """
import resource, sys
from pathlib import Path
from training.errors import InputFileError
from training.gray_page import gray_plane
from training.images import page_count, read_pages
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        pages = read_pages(path)
        for page in pages:
            gray_plane(page)
        print(path.name, "read", len(pages) == page_count(path))
    except InputFileError as error:
        print(path.name, "refused", path.name in str(error) and len(str(error)) < 700)
"""


def read_folder(folder) -> dict[str, str]:
    """Name and outcome of each file of a folder, read in a process of its own under limits of memory and time."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(READ_ALL), str(folder)], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "False" not in done.stdout
    return dict(line.split()[:2] for line in done.stdout.splitlines())


def test_every_damaged_file_is_read_or_refused_in_silence(test_data):
    outcome = read_folder(test_data / "corrupt")
    assert len(outcome) >= 52
    must_be_refused = [
        name for name in outcome if "truncated_image" in name or ("broken" in name and "200dpi" not in name)
    ]
    assert len(must_be_refused) >= 7
    assert {outcome[name] for name in must_be_refused} == {"refused"}


def test_every_scan_is_read(test_data):
    outcome = read_folder(test_data / "scans")
    assert {name for name, what in outcome.items() if what == "refused"} == {"pages.md"}
    assert len(outcome) > 30


def test_scans_agree_with_pillow(test_data):
    for name in ["tm_BigTIFF.tif", "tm_flower-palette-08.tif", "tm_flower-separated-planar-08.tif", "lep_wet-day.jpg"]:
        with Image.open(test_data / "scans" / name) as image:
            np.testing.assert_array_equal(
                read_page(test_data / "scans" / name).pixels, np.asarray(image.convert("RGB"))
            )
