"""Provenance: the record, its XMP packet, reading it back, and hashes."""

import getpass
import hashlib
import json
import socket
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from training import __version__
from training.errors import InputFileError
from training.hashes import sha256_file, sha256_pixels
from training.image_writing import OutputPage, write_pages
from training.provenance import SENTENCE, SOURCE_TYPE, provenance_record, read_record, xmp_packet

RGB = np.random.default_rng(7).integers(0, 256, (12, 9, 3), dtype=np.uint8)
CHROMA_RECORD = {
    "model": "/home/ida/models/photo.safetensors",
    "model_sha256": "ab" * 32,
    "saturation": np.float32(1.25),
    "seed": None,
    "hints": ({"y": 3.5, "x": 4.0, "rgb": (180, 40, 30), "source": "uniform roll, 1907", "by": "Ida"},),
    "working_size": np.int64(192),
    "versions": {"napari-colorize": __version__},
}
NAMES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}


def record(**more) -> dict:
    return provenance_record(
        CHROMA_RECORD, source=Path("/home/ida/archive/plate 7.tif"), source_sha256="cd" * 32, page=2, **more
    )


def test_the_record_says_what_made_the_colour_from_what():
    made = record(result_sha256="ef" * 32, window={"lo": 0.0, "hi": 255.0})
    assert made["statement"] == SENTENCE
    assert "inferred by a machine" in SENTENCE
    assert made["digital_source_type"] == SOURCE_TYPE
    assert made["tool"] == f"napari-colorize {__version__}"
    assert made["source"] == {"file": "plate 7.tif", "sha256": "cd" * 32, "page": 2}
    assert made["result"] == {"pixels_sha256": "ef" * 32}
    assert made["colour"]["model"] == "photo.safetensors"
    assert made["colour"]["hints"][0]["source"] == "uniform roll, 1907"
    assert made["colour"]["saturation"] == 1.25


def test_the_record_is_plain_json():
    assert json.loads(json.dumps(record())) == record()


def test_the_record_names_no_folder_machine_or_user():
    text = json.dumps(record()) + xmp_packet(record()).decode()
    for word in ("/home", "archive", socket.gethostname(), f"/{getpass.getuser()}/"):
        assert word not in text


def test_other_values_are_refused():
    with pytest.raises(TypeError, match="plain values, not object"):
        record(thing=object())


def test_the_packet_has_the_standard_properties():
    description = ET.fromstring(xmp_packet(record())).find(".//rdf:Description", NAMES)
    assert description.findtext("Iptc4xmpExt:DigitalSourceType", None, NAMES) == SOURCE_TYPE
    assert description.findtext("dc:description/rdf:Alt/rdf:li", None, NAMES) == SENTENCE
    assert description.findtext("xmp:CreatorTool", None, NAMES) == f"napari-colorize {__version__}"


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
def test_the_record_comes_back_from_a_file(tmp_path, suffix):
    write_pages(tmp_path / f"a{suffix}", [OutputPage(RGB)], xmp_packet(record()))
    assert read_record(tmp_path / f"a{suffix}") == record()


@settings(max_examples=25)
@given(st.dictionaries(st.text(), st.text() | st.integers() | st.floats(allow_nan=False) | st.none()))
def test_any_words_come_back_from_a_packet(tmp_path_factory, words):
    path = tmp_path_factory.mktemp("any") / "a.png"
    write_pages(path, [OutputPage(RGB)], xmp_packet(words))
    assert read_record(path) == words


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg"])
def test_a_file_of_others_has_no_record(tmp_path, name):
    Image.fromarray(RGB).save(tmp_path / name)
    assert read_record(tmp_path / name) is None


def test_xmp_with_entities_is_not_expanded(tmp_path):
    packet = xmp_packet(record()).replace(b"<x:xmpmeta", b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x:xmpmeta', 1)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    Image.fromarray(RGB).save(tmp_path / "a.png", pnginfo=info)
    assert read_record(tmp_path / "a.png") is None


def test_a_damaged_packet_is_an_error(tmp_path):
    write_pages(tmp_path / "a.png", [OutputPage(RGB)], xmp_packet(record()).replace(b"</rdf:RDF>", b""))
    with pytest.raises(InputFileError, match=r"a\.png is damaged"):
        read_record(tmp_path / "a.png")


def test_a_page_that_is_not_there_is_an_error(tmp_path):
    write_pages(tmp_path / "a.tif", [OutputPage(RGB)], xmp_packet(record()))
    with pytest.raises(InputFileError, match="has no page 6"):
        read_record(tmp_path / "a.tif", 5)


def test_a_file_is_hashed_by_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(256)) * 9000)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(bytes(range(256)) * 9000).hexdigest()


def test_pixels_are_hashed_by_their_numbers_not_by_their_layout():
    array = np.arange(24, dtype="<u2").reshape(4, 6)
    assert sha256_pixels(array) == sha256_pixels(np.asfortranarray(array)) == sha256_pixels(array.astype(">u2"))
    assert len({sha256_pixels(x) for x in (array, array.reshape(6, 4), array.astype("<u4"), array + 1)}) == 4
