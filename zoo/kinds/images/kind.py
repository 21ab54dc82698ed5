"""Images as inputs of a model: pixels of one size, decoded from files."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from zoo import progress
from zoo.data import assembling
from zoo.data.card_checks import is_share, is_size
from zoo.data.kind import BATCH, Decoded, Kind, Raw, TooLargeError, spread
from zoo.data.look import Look
from zoo.data.notes import Note
from zoo.data.parts import Files, Inputs, Part, count, in_files
from zoo.data.spellings import are_patterns
from zoo.data.targets import Targets
from zoo.errors import InputError
from zoo.files import digest, read_bytes
from zoo.kinds.array_targets import Columns
from zoo.kinds.class_folders import UNLABELLED
from zoo.kinds.images import decoding, exportable, idx, masks
from zoo.kinds.images.folders import LabelSets, labelled, written
from zoo.kinds.images.manifest_columns import Naming, are_images
from zoo.kinds.images.manifest_examples import SUFFIXES
from zoo.kinds.images.manifests import JSON_LINES
from zoo.kinds.images.sources import expanded
from zoo.tasks.task import Task
from zoo.tasks.terms import Written

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

BYTES = "image_bytes"
MEMORY = 8 << 30  # bytes of decoded images that are kept at once
NAMING = ("path_column", "label_column", "images", "suffix")  # options of manifests alone


@dataclass(frozen=True)
class Images(Kind):
    """Images, in files or in memory.

    Attributes:
        size: height and width that a network takes, in pixels; None for files before a network is chosen.
        crop: share of the height and width that is kept, from the middle, in (0, 1]; None for the whole image, which
            then gets the proportions of `size`.
        channels: 1 or 3.
        pixels: the meaning of a pixel, in words.
        bits: that the samples of 16-bit grey images have, as `zoo.kinds.images.decoding.decode` takes it.
        naming: what a user says of the manifest to score. It is not in the card.
        spellings: of each column of numbers in a manifest, as `zoo.kinds.images.manifest_numbers.Numbers` has them.
    """

    size: tuple[int, int] | None = None
    crop: float | None = 1.0
    channels: int = 3
    pixels: str = "RGB, 0-255"
    spellings: tuple[str, ...] = ()
    bits: int = 16
    naming: Naming | None = field(default=None, repr=False, compare=False)

    name: ClassVar[str] = "images"
    plural: ClassVar[str] = "images"
    title: ClassVar[str] = "images"
    takes: ClassVar[str] = "pixels float32 (batch, height, width, channels), 0-255"
    placeholder: ClassVar[str] = "PHOTO"
    default_builder: ClassVar[str] = "cnn"
    pictures: ClassVar[bool] = True
    prepares: ClassVar[bool] = False
    served_as_numbers: ClassVar[bool] = True

    @classmethod
    def of_pixels(cls, pixels: np.ndarray) -> Self:
        """Of uint8 images (examples, height, width, channels)."""
        _, height, width, channels = pixels.shape
        return cls((height, width), 1.0, channels, "grey, 0-255" if channels == 1 else "RGB, 0-255")

    # ---- reading ----

    @classmethod
    def recognises(cls, look: Look) -> str | None:
        """Folders of images and of IDX files, and manifests."""
        if look.is_folder:
            if idx.holds(look.path):
                return "idx"
            if any(name.endswith(".ts") for name in look.top):
                return None
            if masks.holds(look.path) and not look.asks("labels"):
                return "masks"
            # Images beside as many captions or boxes in .txt are no texts where labels are given up.
            return cls.name if look.asks("labels") or not look.mostly(".txt") else None
        if look.name.endswith(JSON_LINES) or look.asks(*NAMING):
            return cls.name
        if look.head is None:
            return None
        if "path" in look.head.names:
            return cls.name
        # A first row of names over a column of numbers without one, an index, is not seen as a header everywhere.
        names, *rows = [look.head.names, *look.head.rows] if look.head.header else look.head.rows
        rows = [dict(zip(names, row, strict=False)) for row in rows]
        plain = not set(look.options) - {"labels", "task", "seed", "bits"}
        return cls.name if plain and are_images(look.path, rows) else None

    def raw(self, source: Any, *, every: bool = False) -> Raw:
        """Find images to predict; they are decoded later.

        Args:
            source: a file or folder, an encoded image, a PIL image, a uint8 array (height, width) or (height, width,
                channels), a list of such or an array of several; a folder of IDX files. Of a folder all files count,
                and hidden ones are errors.
            every: makes no difference.

        Raises:
            InputError: a path does not exist, or there is nothing in it.
        """
        if isinstance(source, str | Path) and idx.holds(Path(source)):
            part = _idx_part(Path(source), self)
            return Raw(list(part.names), part.inputs, {})
        several = isinstance(source, np.ndarray) and source.ndim == 4
        pairs = list(expanded(list(source) if several else source))
        if not pairs:
            raise InputError(f"expected an image, a file, a folder with files or a list of such; {source!r} holds none")
        items = Files(item for _, item in pairs)
        return Raw([name for name, _ in pairs], items, {at: e for at, e in enumerate(items) if isinstance(e, str)})

    def labelled(self, source: Any, task: Task) -> tuple[Part, list[Note]]:
        """The labelled images of a path: those of its held-out part (test before validation), else all.

        Args:
            source: as `zoo.data.images` takes it, one class being enough; or a folder of IDX files.
            task: of the model.

        Raises:
            InputError: a label that the model does not know, not one label an image, or no column of its numbers.
        """
        if idx.holds(Path(source)):
            return _idx_part(Path(source), self, task), []
        if task.pixelwise:
            examples, by_name, notes = masks.labelled(source)
        else:
            how = {"known": task.names} if task.categorical else {}
            naming = self.naming or Naming()
            if not task.categorical and naming.label_column is None:
                naming = replace(naming, label_column=task.names)
            how |= {"naming": naming, "fitted": task, "spellings": self.spellings}
            examples, notes, _ = labelled(source, multi_label=task.several, **how)
        splits = {example.split for example in examples}
        part = next((split for split in ("test", "validation") if split in splits), None)
        examples = [example for example in examples if part is None or example.split == part]
        names, digests = tuple(e.name for e in examples), tuple(e.digest for e in examples)
        targets = task.encode(
            masks.Masks([by_name[n] for n in names], names, str(source))
            if task.pixelwise
            else written(examples, str(source), task)
        )
        return Part(Files(example.path for example in examples), targets, names, digests), notes

    def named(self, **naming: Any) -> Self:
        """See `Kind.named`."""
        return replace(self, naming=Naming(**naming))

    def sources(self, paths: Sequence[str]) -> Iterator[Any]:
        """All at once."""
        yield list(paths)

    def decoded(self, inputs: Inputs, *, doing: str = "reading", batch: int = BATCH) -> Iterator[Decoded]:
        """Uint8 (images, height, width, channels)."""
        if not in_files(inputs):
            for start in range(0, len(inputs), batch):
                some = inputs[start : start + batch]
                yield Decoded(np.arange(start, start + len(some)), some, {})
            return
        with progress.bar(doing, len(inputs)) as advance:
            for start in range(0, len(inputs), batch):
                pixels, errors, positions = [], {}, []
                for at, item in enumerate(inputs[start : start + batch], start):
                    try:
                        pixels.append(self._decoded(item))
                        positions.append(at)
                    except (decoding.DecodeError, OSError) as error:
                        errors[at] = str(error)
                yield Decoded(np.array(positions, np.int64), np.stack(pixels) if pixels else self._none(), errors)
                advance(min(batch, len(inputs) - start))

    def in_memory(self, inputs: Inputs) -> Inputs:
        """Uint8 (images, height, width, channels)."""
        return np.stack([self._decoded(item) for item in inputs]) if in_files(inputs) else inputs

    def again(self, source: Path, rows: Sequence[Mapping[str, str]], task: Task, most: int) -> Part | None:
        """See `Kind.again`: only the chosen files are read."""
        root = source if source.is_dir() else source.parent
        there = [(root / row["path"], row) for row in spread(rows, most)]
        there = [(file, row) for file, row in there if file.is_file() and digest(file) == row["sha256"]]
        if not there:
            return None
        labels = [row["label"] for _, row in there]
        names = tuple(str(file) for file, _ in there)
        raw: Written
        if task.pixelwise:
            try:
                raw = masks.Masks([masks.read_mask(root / label, root) for label in labels], names, str(source))
            except (decoding.DecodeError, OSError):  # one is gone, or is another now
                return None
        elif task.categorical:
            sets = [tuple(filter(None, label.split(";"))) if task.several else (label,) for label in labels]
            raw = LabelSets(sets, names, str(source), task.names)
        else:
            raw = Columns(np.array([label.split(";") for label in labels], object), task.names, names, str(source))
        targets = task.encode(raw)
        return Part(Files(file for file, _ in there), targets, names, tuple(row["sha256"] for _, row in there))

    def classed(self, source: Any, names: Sequence[str]) -> tuple[Raw, list[str] | None, list[Note]]:
        """See `Kind.classed`."""
        path = Path(source)
        if idx.holds(path):
            read = {part: idx.read_part(*files) for part, files in idx.parts(path).items()}
            called = [f"{part} {at}" for part, (pixels, _) in read.items() for at in range(len(pixels))]
            pixels = Files(image for images, _ in read.values() for image in images)
            return Raw(called, pixels, {}), [str(label) for _, labels in read.values() for label in labels], []
        if path.is_file() and path.suffix.lower() not in SUFFIXES:
            raise InputError(f"{path}: expected a folder of images, or a manifest (.csv, .jsonl)")
        classes = tuple(names) != (UNLABELLED,)
        examples, notes, numbers = labelled(path, labels=classes, known=names)
        if classes and not examples:
            classes = False  # none of them is in the folder of a class
            examples, notes, numbers = labelled(path, labels=False)
        if not examples:
            raise InputError(f"{path}: expected images, found none that can be read")
        raw = Raw([each.name for each in examples], Files(each.path for each in examples), {})
        classes = classes and numbers is None
        return raw, [";".join(each.labels) for each in examples] if classes else None, notes

    def resized_image(self, item: Any, size: tuple[int, int]) -> np.ndarray:
        """One image as people see it, uint8 (height, width, 3), resized to `size`.

        Raises:
            DecodeError: it can't be read.
        """
        return decoding.decode(item, size, None, self.bits)

    def _decoded(self, item: Any) -> np.ndarray:
        if isinstance(item, str):  # why there is no image
            raise decoding.DecodeError(item)
        pixels = decoding.decode(item, self.size, self.crop, self.bits)
        return decoding.grey(pixels) if self.channels == 1 else pixels

    def _none(self) -> np.ndarray:
        return np.zeros((0, *self.shape), np.uint8)

    # ---- training ----

    def uncropped(self) -> Images:
        """See `Kind.uncropped`; images in memory have no crop."""
        return self if self.is_sized else replace(self, crop=None)

    @property
    def is_sized(self) -> bool:
        """See `Kind.is_sized`."""
        return self.size is not None

    def completed(self, part: Part, input_size: int | None, source: Any) -> Images:
        """The kind with the size that a network takes: as given, or the images' median, rounded to 8, from 8 to 96.

        Whole images, as those with masks, have sizes rounded to 16, from 16 to 192.
        """
        if self.size is not None:
            return super().completed(part, input_size, source)
        if input_size is None:
            some = part.inputs[:: max(1, len(part) // 64)]
            sides = [min(probe.width, probe.height) for probe in map(decoding.probe, some)]
            step, most = (16, 192) if self.crop is None else (8, 96)
            input_size = int(np.clip(round(median(sides) / step) * step, step, most))
        return replace(self, size=(input_size, input_size))

    def prepared(self, inputs: Inputs, preprocess: Any, source: Any) -> np.ndarray:
        """Uint8 (images, height, width, channels), 0-255."""
        if not in_files(inputs):
            return super().prepared(inputs, preprocess, source)
        height, width, channels = self.shape
        size = height * width * channels * len(inputs)
        if size > MEMORY:
            raise InputError(
                f"{len(inputs)} images of {height} x {width} pixels take {size / 2**30:.0f} GiB; take a smaller "
                "--input-size, or fine-tune a pretrained model: zoo finetune"
            )
        pixels = np.empty((len(inputs), *self.shape), np.uint8)
        with progress.bar("decoding", len(inputs)) as advance:
            for index, item in enumerate(inputs):
                pixels[index] = self._decoded(item)
                advance(1)
        return pixels

    # ---- the exported model ----

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Height, width and channels."""
        return (*self.size, self.channels)

    def specification(self) -> tuple[dict[str, tf.TensorSpec], Callable[..., Any]]:
        """Encoded files."""
        import tensorflow as tf

        from zoo.kinds.images.signatures import pixels_of

        return {BYTES: tf.TensorSpec([None], tf.string, name=BYTES)}, pixels_of(
            self.size, self.crop, self.channels, self.bits
        )

    def reading(self, asks: Sequence[str]) -> Callable[..., tuple[Any, dict[str, Any]]]:
        """See `Kind.reading`: ``size``, height and width of each image, int32 (batch, 2)."""
        if "size" not in asks:
            return super().reading(asks)
        from zoo.kinds.images.signatures import sized_pixels_of

        read = sized_pixels_of(self.size, self.crop, self.channels, self.bits)

        def both(**tensors: Any) -> tuple[Any, dict[str, Any]]:
            pixels, size = read(**tensors)
            return pixels, {"size": size}

        return both

    def request(self, inputs: Inputs, asks: Sequence[str]) -> dict[str, np.ndarray]:
        """See `Kind.request`: the same of images in files or in memory."""
        if "size" not in asks:
            return {}
        if not in_files(inputs):
            return {"size": np.tile(np.int32(inputs.shape[1:3]), (len(inputs), 1))}
        return {"size": np.array([decoding.upright_size(item) for item in inputs], np.int32).reshape(-1, 2)}

    def feeds(self, inputs: Inputs) -> dict[str, Any]:
        """Encoded files: paths are read, arrays of pixels become PNG, and bytes are taken as they are."""
        return {BYTES: [read_bytes(file) if isinstance(file, Path) else file for file in self.files(inputs)]}

    def files(self, inputs: Inputs) -> list[Path | bytes] | None:
        """Paths and bytes as they are; arrays of pixels become PNG."""
        return [item if isinstance(item, Path | bytes) else _as_png(item) for item in inputs]

    def unreadable(self, inputs: Inputs) -> list[str | None]:
        """Names of formats that the graph does not read."""
        if not in_files(inputs):
            return super().unreadable(inputs)
        contents = (read_bytes(item) if isinstance(item, Path) else item for item in inputs)
        return [exportable.refusal(each) if isinstance(each, bytes) else None for each in contents]

    def formats(self, inputs: Inputs) -> list[str]:
        """As JPEG."""
        return [decoding.probe(item).format for item in inputs] if in_files(inputs) else []

    def called(
        self,
        model: keras.Model,
        task: Task,
        assemble: Callable[..., Any],
        said: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> tuple[Callable[[Any], dict[str, Any]], dict[str, Any]]:
        """``serving_pixels``: ``pixels`` float32 (batch, height, width, channels), 0-255, to the same answer.

        And ``embed``: ``image_bytes`` to ``embedding`` float32 (batch, width), what the last layer takes.
        """
        from zoo.kinds.images.signatures import further

        return further(model, task, assemble, said)

    def made_up(self, model: keras.Model, count: int, rng: np.random.Generator) -> Inputs:
        """Encoded files, JPEG and PNG in turn."""
        return Files(self._picture(rng, "PNG" if at % 2 else "JPEG") for at in range(count))

    def _picture(self, rng: np.random.Generator, form: str) -> bytes:
        """A smooth picture somewhat larger than the model's input."""
        from PIL import Image

        coarse = rng.integers(0, 256, (4, 4, self.channels), np.uint8)
        height, width = (max(8, math.ceil(side * rng.uniform(1, 1.5))) for side in self.size)
        small = Image.fromarray(coarse[..., 0] if self.channels == 1 else coarse)
        buffer = io.BytesIO()
        small.resize((width, height), Image.Resampling.BICUBIC).save(buffer, form)
        return buffer.getvalue()

    # ---- formats without strings ----

    def preprocess_of(self, model: keras.Model) -> keras.Model | None:
        """None: a layer of that name belongs to the user."""
        return None

    def tensors(self, model: keras.Model) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        """Pixels."""
        ((dtype, shape),) = super().tensors(model).values()
        return {"pixels": (dtype, shape)}

    def meanings(self) -> dict[str, str]:
        """See `Kind.meanings`."""
        return {"pixels": f"{self.pixels}, not normalised"}

    def numbers(self, model: keras.Model, inputs: Inputs) -> dict[str, np.ndarray]:
        """Pixels, 0-255."""
        return {"pixels": np.asarray(inputs, np.float32)}

    # ---- requests ----

    @property
    def encoded(self) -> tuple[str, ...]:
        """The file."""
        return (BYTES,)

    def checked(self, values: dict[str, Any], most: int) -> dict[str, Any]:
        """A file whose header is that of an image, of at most so many pixels."""
        if not isinstance(values.get(BYTES), bytes):  # of another signature
            return values
        try:
            probe = decoding.probe(values[BYTES])
        except decoding.DecodeError as error:
            refuse = TooLargeError if "over the limit" in str(error) else InputError
            raise refuse(f"{BYTES}: {error}") from error
        if probe.width * probe.height > most:
            raise TooLargeError(f"{BYTES}: expected at most {most:,} pixels, received {probe.width} x {probe.height}")
        return values

    def exportable(self, values: dict[str, Any]) -> dict[str, Any]:
        """An image that the graph does not read, as an animation, becomes PNG."""
        encoded = values.get(BYTES)
        if not isinstance(encoded, bytes):
            return values
        _readable_or_refused(encoded, (8, 8), 1.0)
        return values if exportable.refusal(encoded) is None else values | {BYTES: exportable.as_png(encoded)}

    def numbered(self, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Uint8 pixels (height, width, channels)."""
        pixels = _readable_or_refused(values[BYTES], self.size, self.crop, self.bits)
        return {"pixels": decoding.grey(pixels) if self.channels == 1 else pixels}

    def passed(self, values: Mapping[str, Any], asks: Sequence[str]) -> dict[str, np.ndarray]:
        """See `Kind.passed`."""
        return {"size": np.int32(decoding.upright_size(values[BYTES]))} if "size" in asks else {}

    def blank(self) -> dict[str, np.ndarray]:
        """Black."""
        return {"pixels": np.zeros(self.shape, np.uint8)}

    def form(self, shapes: Mapping[str, Any], layers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A file."""
        return [{"name": BYTES, "type": "image"}]

    def example(self, part: Part) -> dict[str, Any] | None:
        """None: it is a file."""
        return None

    # ---- the card ----

    def to_card(self) -> dict[str, Any]:
        """Empty before the size is known."""
        said = {} if self.size is None else super().to_card()
        plain = {"spellings": [], "bits": 16}  # of 0.1.0, whose cards do not have them
        return {name: value for name, value in said.items() if name not in plain or value != plain[name]}

    @classmethod
    def card_checks(cls, said: Mapping[str, Any], supervised: bool) -> dict[str, Callable[[Any], bool]]:
        """See `Kind.card_checks`."""
        return {
            "size": is_size,
            "crop": lambda value: value is None or is_share(value),
            "bits?": lambda value: value in range(8, 17),
            "channels?": lambda value: value in (1, 3),
            "spellings?": lambda value: isinstance(value, list) and are_patterns([each for each in value if each]),
        }


def _idx_part(folder: Path, kind: Images, task: Task | None = None) -> Part:
    """The test part of IDX files where there is one, else the training part; without a task without targets."""
    if task is not None and task.several:
        raise InputError(f"{folder}: IDX files have one label an image; the model's task is {task.name}")
    parts = idx.parts(folder)
    part = "test" if "test" in parts else "train"
    if part not in parts:
        raise InputError(f"{folder}: expected {idx.SHAPES}; found neither part")
    pixels, numbers = idx.read_part(*parts[part])
    if pixels.shape[1:] != kind.shape:
        raise InputError(f"{folder}: expected images of {kind.shape}, received {pixels.shape[1:]}")
    names = tuple(f"{part} {index}" for index in range(count(pixels)))
    targets = numbers if task is None else task.encode(Targets.of_labels(numbers.astype(np.int64), names, folder))
    return Part(pixels, targets, names, tuple(assembling.row_digests(pixels)))


def _readable_or_refused(encoded: bytes, size: tuple[int, int], crop: float | None, bits: int = 16) -> np.ndarray:
    try:
        return decoding.decode(encoded, size, crop, bits)
    except decoding.DecodeError as error:
        raise InputError(f"{BYTES}: {error}") from error


def _as_png(image: Any) -> bytes:
    from PIL import Image

    pixels, buffer = np.asarray(image), io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()
