"""The decoder against Pillow's own operations, and the exported graph against the decoder: equal to the last bit."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from support.image_files import FILES, VARIANTS, bmp, encode, noise, picture, png, with_orientation, without_segment
from support.places import ROOT, shared
from zoo.kinds.images import decoding
from zoo.kinds.images.decoding import DecodeError, crop_box, decode, orientation, probe

ANIMATED = encode(picture(), "WEBP", save_all=True, append_images=[Image.fromarray(noise(67, 45, 3, seed=4))])
HUGE = encode(Image.new("1", (30_000, 30_000)), "PNG")


# The decoder, against Pillow's own operations.


@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_crop_and_resize_are_those_of_pillow(value):
    encoded = FILES[f"jpeg exif {value}"]
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded)))
    left, top, right, bottom = crop_box(*upright.size, (33, 20), 0.6)
    expected = upright.crop((left, top, right, bottom)).resize((20, 33), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(decode(encoded, (33, 20), 0.6), np.asarray(expected))


def test_every_source_of_the_same_pixels_is_equal(tmp_path):
    image, encoded = picture(), encode(picture(), "PNG")
    path = tmp_path / "picture.png"
    path.write_bytes(encoded)
    for source in (encoded, path, str(path), image, np.asarray(image)):
        np.testing.assert_array_equal(decode(source, (67, 45)), np.asarray(image))
    grey = noise(9, 7, 1)
    np.testing.assert_array_equal(decode(grey, (9, 7)), np.repeat(grey, 3, 2))
    np.testing.assert_array_equal(decode(grey[..., 0], (9, 7)), np.repeat(grey, 3, 2))
    assert decode(encoded, (5, 6)).dtype == np.uint8 and decode(encoded, (5, 6)).flags.writeable


def test_alpha_is_composited_on_white_by_the_documented_integers():
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    rgba = np.stack([colour, 255 - colour, colour // 2, alpha], -1).astype(np.uint8)
    expected = (rgba[..., :3] * alpha[..., None] + 255 * (255 - alpha[..., None]) + 127) // 255
    np.testing.assert_array_equal(decode(rgba, (256, 256)), expected)
    np.testing.assert_array_equal(decode(encode(Image.fromarray(rgba), "PNG"), (256, 256)), expected)


def test_16_bits_keep_their_high_byte():
    samples = np.random.default_rng(0).integers(0, 2**16, (5, 6, 3))
    np.testing.assert_array_equal(decode(png(samples, 16, 2), (5, 6)), samples >> 8)
    np.testing.assert_array_equal(decode(png(samples[..., :1], 16, 0), (5, 6)), np.repeat(samples[..., :1] >> 8, 3, 2))
    tiff = encode(Image.fromarray(samples[..., 0].astype(np.uint16)), "TIFF")
    np.testing.assert_array_equal(decode(tiff, (5, 6)), np.repeat(samples[..., :1] >> 8, 3, 2))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_transparent_grey_becomes_white(depth):
    samples = np.arange(2**depth)[None, :, None]
    found = decode(png(samples, depth, 0, ((b"tRNS", b"\0\1"),)), (1, 2**depth))
    expected = samples * 255 // (2**depth - 1)
    expected[0, 1] = 255
    np.testing.assert_array_equal(found, np.repeat(expected, 3, 2))


def test_cmyk_with_and_without_adobe_marker():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # red
    adobe = encode(image, "JPEG", quality=100)
    red, black_and_cyan = decode(adobe, (1, 1)), decode(without_segment(adobe, b"\xff\xee"), (1, 1))
    np.testing.assert_allclose(red[0, 0], [255, 0, 0], atol=3)
    np.testing.assert_allclose(black_and_cyan[0, 0], [0, 0, 0], atol=3)
    np.testing.assert_allclose(decode(encode(image, "TIFF"), (1, 1))[0, 0], [255, 0, 0])


def test_tiff_is_read_upright():
    for value in (1, 6):
        tiff = encode(picture(), "TIFF", compression="tiff_lzw", exif=with_orientation(value))
        expected = picture() if value == 1 else picture().transpose(Image.Transpose.ROTATE_270)
        np.testing.assert_array_equal(decode(tiff, expected.size[::-1]), np.asarray(expected))


def test_the_first_frame_is_the_picture():
    for animated in (FILES["gif animated"], ANIMATED):
        first = Image.open(io.BytesIO(animated)).convert("RGB")
        np.testing.assert_array_equal(decode(animated, (67, 45)), np.asarray(first))


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 500), st.integers(1, 500), st.floats(0.01, 1))
def test_crop_box_is_inside_centred_and_in_proportion(width, height, out_height, out_width, crop):
    left, top, right, bottom = crop_box(width, height, (out_height, out_width), crop)
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert 0 <= (width - right) - left <= 1 and 0 <= (height - bottom) - top <= 1
    scale = crop * min(width / out_width, height / out_height)
    assert right - left == pytest.approx(max(1, out_width * scale), abs=0.51 + 1e-4 * width)
    assert bottom - top == pytest.approx(max(1, out_height * scale), abs=0.51 + 1e-4 * height)


@given(st.binary(max_size=80), st.sampled_from([b"II*\0", b"MM\0*", b"Exif\0\0II*\0\x08\0\0\0\x02\0"]))
def test_any_exif_has_an_orientation(rest, start):
    assert 1 <= orientation(start + rest) <= 8


# What can't be read.


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"", r"empty file \(0 bytes\)"),
        (b"just some text", "not an image.*begins with b'just some te'"),
        (b"RIFF\0\0\0\0WAVEfmt ", "not an image"),
        (HUGE, "30000 x 30000 pixels is over the limit of 178956970"),
        (png(np.zeros((2, 2, 3)), 16, 2, ((b"tRNS", bytes(6)),)), "16-bit PNG with a transparent colour"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_reason_is_told(encoded, reason):
    for read in (probe, lambda source: decode(source, (8, 8))):
        with warnings.catch_warnings(), pytest.raises(DecodeError, match=reason):
            warnings.simplefilter("error")
            read(encoded)


@pytest.mark.parametrize("name", ["jpeg", "jpeg progressive", "png", "png palette", "gif", "bmp", "webp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files(name, share):
    encoded = FILES[name]
    with pytest.raises(DecodeError, match=r"truncated|empty|not an image"):
        decode(encoded[: int(len(encoded) * share)], (8, 8))


def test_files_that_are_not_there(tmp_path):
    for path in (tmp_path / "nothing.png", tmp_path):
        with pytest.raises(DecodeError, match="cannot be read"):
            decode(path, (8, 8))


def test_wrong_use():
    for size, crop in (((0, 8), 1.0), ((8, 8), 0.0), ((8, 8), 1.5)):
        with pytest.raises(ValueError, match="expected"):
            decode(FILES["png"], size, crop)
    for array in (np.zeros((4, 4, 3)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(DecodeError, match="expected"):
            decode(array, (8, 8))


def test_probe_tells_misnamed_files(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(FILES["gif"])
    assert probe(path) == ("GIF", 45, 67)
    assert probe(path).format != decoding.EXTENSIONS[path.suffix]
    assert {probe(encoded).format for encoded in FILES.values()} == decoding.GRAPH_FORMATS
    assert probe(FILES["jpeg of several"]).format == "JPEG"


def test_large_but_allowed_files_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert probe(encode(Image.new("1", (12_000, 12_000)), "PNG")).width == 12_000


def test_threads_read_the_same():
    names = list(FILES) * 2
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda name: decode(FILES[name], (16, 16)), names))
    for name, pixels in zip(names, found, strict=True):
        np.testing.assert_array_equal(pixels, decode(FILES[name], (16, 16)), err_msg=name)


def test_tensorflow_is_not_imported():
    code = "import sys, zoo.kinds.images.decoding; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# The graph, against the decoder.


@pytest.mark.parametrize("variant", VARIANTS)
def test_graph_is_equal_on_every_kind_of_file(decoder_graph, variant):
    expected = {name: decode(encoded, *VARIANTS[variant]) for name, encoded in FILES.items()}
    found = dict(zip(FILES, decoder_graph(variant, list(FILES.values())), strict=True))
    assert [name for name in FILES if not np.array_equal(found[name], expected[name])] == []


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from(sorted(VARIANTS)), st.integers(0, 2**32 - 1))
def test_graph_is_equal_at_any_size(decoder_graph, height, width, variant, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    encoded = encode(Image.fromarray(pixels), "PNG", compress_level=1)
    np.testing.assert_array_equal(decoder_graph(variant, [encoded])[0], decode(encoded, *VARIANTS[variant]))


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (ANIMATED, "animated WebP"),
        (encode(picture(), "TIFF"), "not a JPEG, PNG, GIF, BMP or WebP"),
        (b"", "not a JPEG"),
        (b"just some text", "not a JPEG"),
        (HUGE, "over the limit"),
        (bmp(bytes(21 * 36), 17, 21, 16), "BMP of a kind"),
        (png(np.zeros((2, 2, 3)), 16, 2, ((b"tRNS", bytes(6)),)), "16-bit PNG with a transparent colour"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_graph_refuses_what_it_can_not_give_exactly(decoder_graph, encoded, reason):
    with pytest.raises(Exception, match=reason) as raised:
        decoder_graph("wide", [FILES["png"], encoded])
    assert type(raised.value).__name__ == "InvalidArgumentError"


@pytest.mark.parametrize("name", ["jpeg", "jpeg progressive", "png", "png palette", "gif", "bmp", "webp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_graph_refuses_truncated_files(decoder_graph, name, share):
    with pytest.raises(Exception, match=r".") as raised:
        decoder_graph("wide", [FILES[name][: int(len(FILES[name]) * share)]])
    assert type(raised.value).__name__ == "InvalidArgumentError"


@pytest.mark.parametrize("folder", ["ants_bees", "imagenet-sample"])
def test_graph_is_equal_on_photos(decoder_graph, folder):
    paths = [path for path in sorted(shared(folder).rglob("*")) if path.suffix.lower() in decoding.EXTENSIONS]
    encoded = [path.read_bytes() for path in paths[:: len(paths) // 30]]
    readable = [image for image in encoded if image[:3] == b"\xff\xd8\xff"]
    assert len(readable) >= 25
    expected = [decode(image, *VARIANTS["photo"]) for image in readable]
    np.testing.assert_array_equal(decoder_graph("photo", readable), expected)
