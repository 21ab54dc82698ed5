"""Files of every kind that both decoders read, some of them written by hand."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import ExifTags, Image

# How the decoders are tested to read them: size, and share of the image that is kept.
VARIANTS = {"photo": ((224, 224), 0.875), "wide": ((9, 31), 1.0), "small": ((33, 20), 0.6)}


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
