"""The decoder against Pillow's own operations, and the exported graph against the decoder: equal to the last bit."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

from zoo.kinds.images import decoding
from zoo.kinds.images.decoding import DecodeError, crop_box, decode, orientation, probe

VARIANTS = {"photo": ((224, 224), 0.875), "wide": ((9, 31), 1.0), "small": ((33, 20), 0.6)}
PHOTOS = Path(__file__).parents[2] / "shared" / "data"


def noise(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """Smooth enough for JPEG to keep it, rough enough for every pixel to differ."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 5 + 2, width // 5 + 2, channels), dtype=np.uint8)
    layers = [
        Image.fromarray(coarse[..., i]).resize((width, height), Image.Resampling.BICUBIC) for i in range(channels)
    ]
    return np.stack([np.asarray(layer) for layer in layers], -1)


def picture(mode: str = "RGB", height: int = 67, width: int = 45) -> Image.Image:
    channels = {"RGB": 3, "RGBA": 4, "CMYK": 4, "LA": 2, "L": 1}[mode]
    pixels = noise(height, width, channels)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels, mode if mode == "CMYK" else None)


def encode(image: Image.Image, name: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def with_orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "maker"
    exif[ExifTags.Base.Orientation] = value
    return exif


def png(pixels: np.ndarray, depth: int, colour: int, chunks: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
    """A PNG by hand, for what Pillow does not write; `pixels` are samples (height, width, channels)."""
    height, width, _ = pixels.shape
    if depth == 16:
        rows = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    else:
        bits = np.unpackbits(pixels.reshape(height, -1, 1).astype(np.uint8), axis=2)[..., 8 - depth :]
        rows = np.packbits(bits.reshape(height, -1), axis=1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    blocks = [(b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b"")]
    made = [struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in blocks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


def bmp(rows: bytes, width: int, height: int, bits: int, *, compression: int = 0, rest: bytes = b"") -> bytes:
    """A BMP by hand; `rest` follows the first 40 bytes of the header, which counts it as its own if it is masks."""
    size = 40 + (len(rest) if compression == 3 else 0)
    header = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    start = 14 + len(header) + len(rest)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + rest + rows


def without_segment(jpeg: bytes, marker: bytes) -> bytes:
    at = jpeg.index(marker)
    return jpeg[:at] + jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big") :]


def files() -> dict[str, bytes]:
    """Whatever both decoders read."""
    rgb, rgba, grey = picture(), picture("RGBA"), picture("L")
    pattern = np.random.default_rng(1).integers(0, 2**16, (23, 37, 4))
    palette = rgb.quantize(200)
    levels = rgba.quantize(60)
    other = Image.fromarray(noise(67, 45, 3, seed=9))
    cmyk = encode(picture("CMYK"), "JPEG", quality=95)
    gif = encode(palette, "GIF")
    placed = gif[:6] + struct.pack("<HH", 60, 80) + gif[10:]
    descriptor = placed.index(struct.pack("<BHHHH", ord(","), 0, 0, 45, 67))
    placed = placed[: descriptor + 1] + struct.pack("<HH", 7, 3) + placed[descriptor + 5 :]
    overlapping = gif[:6] + struct.pack("<HH", 10, 100) + gif[10:]
    rows = np.random.default_rng(2).integers(0, 256, (21, 17 * 4), dtype=np.uint8).tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    colours = np.random.default_rng(3).integers(0, 256, 64, dtype=np.uint8).tobytes()
    made = {
        "jpeg": encode(rgb, "JPEG"),
        "jpeg 4:4:4": encode(rgb, "JPEG", subsampling=0, quality=97),
        "jpeg 4:2:2": encode(rgb, "JPEG", subsampling=1),
        "jpeg progressive": encode(rgb, "JPEG", progressive=True, optimize=True),
        "jpeg grey": encode(grey, "JPEG"),
        "jpeg cmyk": cmyk,
        "jpeg cmyk without adobe": without_segment(cmyk, b"\xff\xee"),
        "jpeg rgb": encode(rgb, "JPEG", keep_rgb=True),
        "jpeg comment, then exif": encode(rgb, "JPEG", exif=with_orientation(6), comment=b"first"),
        "jpeg of several": encode(rgb, "MPO", save_all=True, append_images=[other], exif=with_orientation(8)),
        "jpeg tall": encode(picture("RGB", 500, 1), "JPEG"),
        "jpeg 8x8": encode(picture("RGB", 8, 8), "JPEG"),
        "jpeg large": encode(picture("RGB", 613, 911), "JPEG", quality=90),
        "png": encode(rgb, "PNG"),
        "png same size": encode(picture("RGB", 224, 224), "PNG"),
        "png wide": encode(picture("RGB", 1, 500), "PNG"),
        "png 1x1": encode(picture("RGB", 1, 1), "PNG"),
        "png alpha": encode(rgba, "PNG"),
        "png grey": encode(grey, "PNG"),
        "png grey alpha": encode(picture("LA"), "PNG"),
        "png 1 bit": encode(grey.convert("1"), "PNG"),
        "png palette": encode(palette, "PNG"),
        "png small palette": encode(rgb.quantize(3), "PNG", bits=2),
        "png palette, one transparent": encode(palette, "PNG", transparency=5),
        "png palette, alphas": encode(palette, "PNG", transparency=bytes(range(0, 200, 2))),
        "png palette with alpha": encode(levels, "PNG"),
        "png 16-bit grey": png(pattern[..., :1], 16, 0),
        "png 16-bit rgb": png(pattern[..., :3], 16, 2),
        "png 16-bit grey alpha": png(pattern[..., :2], 16, 4),
        "png 16-bit rgba": png(pattern, 16, 6),
        "png rgb, one transparent": png(pattern[..., :3] % 2 * 200, 8, 2, ((b"tRNS", b"\0\xc8\0\0\0\xc8"),)),
        "bmp": encode(rgb, "BMP"),
        "bmp 8-bit palette": encode(palette, "BMP"),
        "bmp grey": encode(grey, "BMP"),
        "bmp 1 bit": encode(grey.convert("1"), "BMP"),
        "bmp 4 bits": bmp(rows[: 21 * 12], 17, 21, 4, rest=colours),
        "bmp 32 bits": encode(rgba, "BMP"),
        "bmp downwards": bmp(rows[: 21 * 52], 17, -21, 24),
        "bmp alpha": bmp(rows, 17, 21, 32, compression=3, rest=masks + bytes(52)),
        "gif": gif,
        "gif animated": encode(palette, "GIF", save_all=True, append_images=[other, rgb], disposal=2),
        "gif transparent": encode(palette, "GIF", transparency=17),
        "gif animated transparent": encode(levels, "GIF", save_all=True, append_images=[other]),
        "gif grey": encode(grey, "GIF"),
        "gif smaller than its canvas": placed,
        "gif larger than its canvas": overlapping,
        "webp": encode(rgb, "WEBP"),
        "webp alpha": encode(rgba, "WEBP"),
        "webp lossless": encode(rgb, "WEBP", lossless=True),
        "webp lossless alpha": encode(rgba, "WEBP", lossless=True, exact=True),
    }
    for depth in (1, 2, 4, 8):
        samples = pattern[..., :1] % 2**depth
        made[f"png {depth}-bit grey, one transparent"] = png(samples, depth, 0, ((b"tRNS", b"\0\1"),))
    for value in range(1, 9):
        made[f"jpeg exif {value}"] = encode(rgb, "JPEG", exif=with_orientation(value))
    made["png exif 5"] = encode(rgba, "PNG", exif=with_orientation(5))
    made["webp exif 7"] = encode(rgb, "WEBP", exif=with_orientation(7))
    made["webp alpha exif 3"] = encode(rgba, "WEBP", exif=with_orientation(3))
    return made


FILES = files()
ANIMATED = encode(picture(), "WEBP", save_all=True, append_images=[Image.fromarray(noise(67, 45, 3, seed=4))])
HUGE = encode(Image.new("1", (30_000, 30_000)), "PNG")


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """The graph as a server has it: saved and loaded again. Called with a variant and files."""
    tf = pytest.importorskip("tensorflow")
    from zoo.kinds.images import decoding_graph

    functions = {}
    for name, (size, crop) in VARIANTS.items():

        def read(image_bytes, size=size, crop=crop):
            return {"pixels": decoding_graph.decode_batch(image_bytes, size, crop)}

        functions[name] = tf.function(read, input_signature=[tf.TensorSpec([None], tf.string)])
    folder = str(tmp_path_factory.mktemp("graph"))
    tf.saved_model.save(tf.Module(), folder, signatures=functions)
    loaded = tf.saved_model.load(folder)
    return lambda variant, encoded: loaded.signatures[variant](tf.constant(encoded))["pixels"].numpy()


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
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False).returncode == 0


# The graph, against the decoder.


@pytest.mark.parametrize("variant", VARIANTS)
def test_graph_is_equal_on_every_kind_of_file(graph, variant):
    expected = {name: decode(encoded, *VARIANTS[variant]) for name, encoded in FILES.items()}
    found = dict(zip(FILES, graph(variant, list(FILES.values())), strict=True))
    assert [name for name in FILES if not np.array_equal(found[name], expected[name])] == []


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from(sorted(VARIANTS)), st.integers(0, 2**32 - 1))
def test_graph_is_equal_at_any_size(graph, height, width, variant, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    encoded = encode(Image.fromarray(pixels), "PNG", compress_level=1)
    np.testing.assert_array_equal(graph(variant, [encoded])[0], decode(encoded, *VARIANTS[variant]))


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
def test_graph_refuses_what_it_can_not_give_exactly(graph, encoded, reason):
    with pytest.raises(Exception, match=reason) as raised:
        graph("wide", [FILES["png"], encoded])
    assert type(raised.value).__name__ == "InvalidArgumentError"


@pytest.mark.parametrize("name", ["jpeg", "jpeg progressive", "png", "png palette", "gif", "bmp", "webp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_graph_refuses_truncated_files(graph, name, share):
    with pytest.raises(Exception, match=r".") as raised:
        graph("wide", [FILES[name][: int(len(FILES[name]) * share)]])
    assert type(raised.value).__name__ == "InvalidArgumentError"


@pytest.mark.parametrize("folder", ["ants_bees", "imagenet-sample"])
def test_graph_is_equal_on_photos(graph, folder):
    if not (PHOTOS / folder).is_dir():
        pytest.skip(f"../shared/data/{folder} is not there")
    paths = [path for path in sorted((PHOTOS / folder).rglob("*")) if path.suffix.lower() in decoding.EXTENSIONS]
    encoded = [path.read_bytes() for path in paths[:: len(paths) // 30]]
    readable = [image for image in encoded if image[:3] == b"\xff\xd8\xff"]
    assert len(readable) >= 25
    expected = [decode(image, *VARIANTS["photo"]) for image in readable]
    np.testing.assert_array_equal(graph("photo", readable), expected)
