"""Image files of every kind: Pillow's own test images, and small files with changed bytes, through both readers.

The exported graph runs in a process of its own, as a file that ends it must be counted. Pillow's test images are in its
source distribution, which the package client brings; the rows are left out where it can't be had.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from applications import fine_tune
from benchmarks.reliability.table import Row
from zoo.kinds.images import decoding, exportable

SIZE = (64, 64)
MUTATIONS = 300
GRAPH = """
import json, sys
from pathlib import Path
import zoo, tensorflow as tf
from zoo.kinds.images.decoding_graph import decode_batch
one = tf.TensorSpec([None], tf.string)
graph = tf.function(lambda encoded: decode_batch(encoded, (64, 64), 1.0), input_signature=[one]).get_concrete_function()
for line in sys.stdin:
    try:
        print(json.dumps(graph(tf.constant([Path(line[:-1]).read_bytes()]))[0].numpy().tobytes().hex()), flush=True)
    except tf.errors.OpError as error:
        print("null", flush=True)
"""


class Graph:
    """The exported graph's reader in a process; a new one after each file that ends it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.crashes = 0

    def read(self, path: Path) -> np.ndarray | None:
        """Uint8 (64, 64, 3); None where it refuses the file, or is ended by it."""
        if self.process is None:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self.process = subprocess.Popen([sys.executable, "-c", GRAPH], text=True, **pipes)
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.crashes += 1
            self.process.wait()
            self.process = None
            return None
        told = json.loads(line)
        return None if told is None else np.frombuffer(bytes.fromhex(told), np.uint8).reshape(*SIZE, 3)

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.communicate()


def rows(work: Path) -> list[Row]:
    """Pillow's images through both readers and through a fine-tune, and mutations of small files."""
    mutated = work / "mutated"
    mutated.mkdir()
    found = []
    images = _pillow_images(work)
    if images is None:
        print("Pillow's source distribution can't be had: its images are left out", file=sys.stderr)
    else:
        counts, crashes = _both(images, known=True)
        right = len(images) - crashes - counts["wrong"]
        found.append(Row("Pillow's test images", len(images), right, _told(counts)))
        found.append(_fine_tuned(images, work))
    files = _mutations(mutated)
    counts, crashes = _both(files, known=False)
    right = len(files) - crashes - counts["wrong"]
    found.append(Row("small images with changed bytes", len(files), right, _told(counts)))
    return found


def _told(counts: Counter[str]) -> str:
    names = {
        "same": "read by both, pixels equal",
        "refused": "refused by both",
        "known": "known before training as unreadable by the export",
        "pillow alone": "damaged, read here, refused by the export in words",
        "graph alone": "damaged, left out of the data, read by the export",
    }
    return "; ".join(f"{counts[key]} {text}" for key, text in names.items() if counts[key])


def _both(files: Sequence[Path], known: bool) -> tuple[Counter[str], int]:
    """What the readers make of the files; with `known` each that only one reads has to be known from its bytes."""
    graph, counts = Graph(), Counter()
    for path in files:
        encoded = path.read_bytes()
        try:
            pixels, refusal = decoding.decode(encoded, SIZE), exportable.refusal(encoded)
        except decoding.DecodeError:
            pixels, refusal = None, None
        read = graph.read(path)
        if pixels is None:
            counts["refused" if read is None else "graph alone"] += 1
        elif refusal is not None:
            counts["known" if read is None or known is False else "wrong"] += 1
        elif read is None:
            counts["wrong" if known else "pillow alone"] += 1
        else:
            counts["same" if np.array_equal(pixels, read) else "wrong"] += 1
    graph.close()
    return counts, graph.crashes


def _pillow_images(work: Path) -> list[Path] | None:
    client = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pillow", "pillow"]
    done = subprocess.run([*client, "--dest", str(work)], capture_output=True)
    archive = next(work.glob("pillow-*.tar.gz"), None)
    if done.returncode or archive is None:
        return None
    with tarfile.open(archive) as file:
        file.extractall(work, filter="data")
    return sorted(path for path in work.glob("pillow-*/Tests/images/**/*") if path.is_file())


def _fine_tuned(images: Sequence[Path], work: Path) -> Row:
    """A fine-tune over a folder of all of them, in two classes, ends with an artifact."""
    for at, path in enumerate(images):
        place = work / "photos" / ("even" if at % 2 == 0 else "odd") / f"{at:04d}{path.suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, place)
    before = Path.cwd()
    os.chdir(work)
    try:
        done = fine_tune(work / "photos", input_size=64)
    finally:
        os.chdir(before)
    parity = json.loads((work / done.artifact / "card.json").read_text())["parity"]
    left = sum(note.action == "left out" for note in done.data.intake)
    told = f"ends with an artifact: {left} left out with the reason, {parity['files']} held-out files through the gate"
    return Row("a fine-tune over Pillow's test images", 1, int(parity["passed"] and not parity["refused"]), told)


def _mutations(folder: Path) -> list[Path]:
    """Files of each format with bytes changed, cut off, left out or put in."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 6, 3), np.uint8)
    small = Image.fromarray(pixels).resize((24, 20), Image.Resampling.BICUBIC)
    kinds = [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("BMP", {}), ("WEBP", {})]
    kinds += [("WEBP", {"lossless": True}), ("TIFF", {})]
    files = []
    for number in range(MUTATIONS):
        kind, options = kinds[number % len(kinds)]
        buffer = io.BytesIO()
        small.save(buffer, kind, **options)
        content = bytearray(buffer.getvalue())
        at = int(rng.integers(len(content)))
        way = number // len(kinds) % 4
        if way == 0:
            content[at] ^= int(rng.integers(1, 256))
        elif way == 1:
            for place in rng.integers(len(content), size=8):
                content[place] = int(rng.integers(256))
        elif way == 2:
            del content[at:]
        else:
            content[at:at] = rng.integers(0, 256, int(rng.integers(1, 9)), np.uint8).tobytes()
        files.append(folder / f"{number:03d}.{kind.lower()}")
        files[-1].write_bytes(content)
    return files
