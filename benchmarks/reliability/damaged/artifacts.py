"""Damaged artifacts, opened by all that opens one.

A damage is right where each of predict, evaluate, a server, `open_format` and verify refuses it in one line, tells it,
or answers as before. With its checksums repaired the card and the model still have to fit: then only what can be seen
without checksums is done.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.reliability.table import Row

COUNT = 100
CLOSE = 1e-5
VALUES: tuple[Any, ...] = (None, 7.5, "nonsense", {}, [1, 2], True, -1)  # that no field of a card has


class Asked(NamedTuple):
    """An artifact, what it is asked, and what it says while it is whole."""

    version: Path
    source: Any
    labelled: Any
    fields: dict[str, Any]
    said: dict[str, Any]


class Damage(NamedTuple):
    """What is done to the copy of an artifact, and whether its checksums are made to fit."""

    name: str
    artifact: str
    harm: Callable[[Path], object]
    repaired: bool


def artifacts(work: Path) -> Row:
    """Half of the damages are to the card, and half of these have their checksums repaired."""
    known = _made(work)
    chosen = _damages(known, np.random.default_rng(0))
    ended: Counter[str] = Counter()
    right = 0
    for number, damage in enumerate(chosen):
        ends = _tried(damage, known[damage.artifact], work / str(number))
        shutil.rmtree(work / str(number))
        bad = {name: end for name, end in ends.items() if end.startswith(("wrong", "traceback"))}
        right += not bad
        ended.update(end.partition(":")[0] for end in ends.values())
        for name, end in bad.items():
            print(f"damage {number}, {damage.name} of {damage.artifact}, {name}: {end}")
    told = ", ".join(f"{count} {end}" for end, count in sorted(ended.items()))
    note = f"no traceback, no wrong answer by load, predict, evaluate, a server, open_format or verify ({told})"
    return Row("damaged artifacts, by all that opens them", len(chosen), right, note)


def _made(work: Path) -> dict[str, Asked]:
    """Small artifacts of three kinds, each with what it answers."""
    import zoo

    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 120, (90, 8, 8, 1), dtype=np.uint8)
    labels = np.arange(90) % 3
    for label in range(3):
        pixels[labels == label, :, 2 * label : 2 * label + 3] += 120
    images = zoo.data.arrays(pixels, labels, classes=["left", "middle", "right"])
    table = work / "table.csv"
    work.mkdir(parents=True)
    size, kind = rng.normal(0, 1, 120), rng.choice(["a", "b"], 120)
    lines = [f"{s:.3f},{k},{'yes' if s + (k == 'b') > 0.4 else 'no'}" for s, k in zip(size, kind, strict=True)]
    table.write_text("size,kind,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    data = zoo.data.open(str(table), target="label")
    made = {
        "pictures": zoo.train("cnn", images, model={"filters": (8,)}, epochs=8),
        "rows": zoo.train("mlp", data, model={"units": (8,)}, epochs=8, learning_rate=0.02),
        "codes": zoo.train("dense_autoencoder", data, model={"latent_dim": 2, "units": (8,)}, epochs=4),
    }
    versions = {name: trained.export(work / "whole" / name, run=work / "run" / name) for name, trained in made.items()}
    zoo.export(versions["pictures"], "openvino")
    row = {"size": float(size[0]), "kind": str(kind[0])}
    given = {
        "pictures": (list(pixels[:6, ..., 0]), _folder(work / "set", pixels, labels), {"image_bytes": _png(pixels[0])}),
        "rows": (table, table, row),
        "codes": (table, None, row),
    }
    return {name: Asked(version, *given[name], _answers(version, *given[name])) for name, version in versions.items()}


def _answers(version: Path, source: Any, labelled: Any, fields: dict[str, Any]) -> dict[str, Any]:
    """What each of those that open a version says, by its name."""
    return {name: opened() for name, opened in _openers(version, version, source, labelled, fields)}


def _openers(
    version: Path, good: Path, source: Any, labelled: Any, fields: dict[str, Any]
) -> Iterator[tuple[str, Callable[[], Any]]]:
    import zoo
    from zoo.formats import verifying
    from zoo.formats.runtime import open_format
    from zoo.serving.model_manager import ModelManager
    from zoo.serving.servables import DEFAULT

    def predicted() -> Any:
        found = zoo.load(version)
        if hasattr(found, "anomalies"):
            return [(each.score, each.is_anomaly) for each in found.anomalies(source)]
        return [(each.label, each.probability, sorted(each.probabilities.items())) for each in found.predict(source)]

    def evaluated() -> Any:
        report = zoo.load(version).evaluate(labelled)
        if any(note.name == "training examples" for note in report.intake):
            return "told"
        return (report.evaluation.accuracy, report.evaluation.examples)

    def served() -> Any:
        events: list[str] = []
        place = version.parent / "served"
        shutil.copytree(good, place / "1")
        if version != good:
            shutil.copytree(version, place / "2")
        host = ModelManager({"it": place}, on_event=lambda event, **facts: events.append(event))
        try:
            answering = host.get("it").servable
            key, row = answering.row(DEFAULT, fields)
            answer = answering.run(key, [row])[0]
            told = version != good and host.get("it").number == 1 and "version broken" in events
            return "told" if told else sorted((name, _plain(value)) for name, value in answer.items())
        finally:
            host.close()
            shutil.rmtree(place)

    def by_format() -> Any:
        answer = open_format(version / "formats" / "openvino")
        pixels = np.stack(source)[..., None].astype(np.float32)
        return sorted((name, values.tolist()) for name, values in answer({"pixels": pixels}).items())

    def verified() -> Any:
        return "as before" if verifying.verify(version).passed else "told"

    yield "predict", predicted
    if labelled is not None:
        yield "evaluate", evaluated
    yield "serve", served
    if isinstance(source, list):
        yield "open_format", by_format
    yield "verify", verified


def _tried(damage: Damage, asked: Asked, place: Path) -> dict[str, str]:
    """How each of those that open the damaged copy ends."""
    from zoo.artifacts import checksums
    from zoo.errors import InputError, JobError

    version = Path(shutil.copytree(asked.version, place / "1"))
    damage.harm(version)
    if damage.repaired and (version / checksums.NAME).is_file():
        checksums.write(version)
    ends = {}
    openers = _openers(version, asked.version, asked.source, asked.labelled, asked.fields)
    for name, opened in openers:
        try:
            said = opened()
        except (InputError, JobError) as error:
            ends[name] = "refused" if "\n" not in str(error) else f"traceback: {error}"
        except Exception as error:
            ends[name] = f"traceback: {type(error).__name__}: {error}"[:300]
        else:
            same = said == "told" or _same(said, asked.said[name])
            ends[name] = "told" if said == "told" else "as before" if same else f"wrong: {str(said)[:100]}"
            if name == "verify" and said == "as before" and not damage.repaired and _differs(version, asked.version):
                ends[name] = "wrong: it passes"
    return ends


def _damages(known: dict[str, Asked], rng: np.random.Generator) -> list[Damage]:
    """Half of them cards, half of these with their checksums repaired; half other files."""
    cards, files = [], []
    for name, asked in known.items():
        others = [other for other in known if other != name]
        card = json.loads((asked.version / "card.json").read_text(encoding="utf-8"))
        for what, text in _cards(card, rng):
            for repaired in (False, True):
                harm = lambda version, text=text: (version / "card.json").write_bytes(text)  # noqa: E731
                cards.append(Damage(f"{what}{', sums repaired' * repaired}", name, harm, repaired))
        for file in sorted(path for path in asked.version.rglob("*") if path.is_file()):
            inner = file.relative_to(asked.version)
            if inner.parts[0] == "run" and inner.name != "splits.csv" or inner.parts[0] == "assets.extra":
                continue
            other = known[others[int(rng.integers(2))]].version / inner
            for what, harm, seen in _harms(inner, other, rng):
                files.append(Damage(f"{inner} {what}", name, harm, False))
                if seen and inner.name not in ("card.json", "SHA256SUMS") and inner.parts[0] != "formats":
                    files.append(Damage(f"{inner} {what}, sums repaired", name, harm, True))
    half = COUNT // 2
    return [pool[at] for pool in (cards, files) for at in sorted(rng.choice(len(pool), half, replace=False).tolist())]


def _cards(card: dict[str, Any], rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Content of damaged cards: fields removed, of another type, doubled; and what is no JSON."""

    def text(changed: dict[str, Any]) -> bytes:
        return json.dumps(changed).encode()

    needed = [name for name in ("task", "classes", "input", "majority", "threshold", "builder") if name in card]
    for name in needed:
        yield f"card without {name}", text({key: value for key, value in card.items() if key != name})
        # Any text may be the name of a builder, and any number a threshold.
        wrong = [v for v in VALUES if not isinstance(v, str) and not (name == "threshold" and v in (7.5, -1))]
        yield f"card with another {name}", text(card | {name: wrong[int(rng.integers(len(wrong)))]})
    said = card["input"]
    for name in [each for each in said if each in ("kind", "size", "crop", "numeric", "categorical")]:
        if name != "kind" or said["kind"] != "images":
            yield f"card without {name}", text(card | {"input": {k: v for k, v in said.items() if k != name}})
        yield f"card with another {name}", text(card | {"input": said | {name: VALUES[int(rng.integers(2))]}})
    classes = card["classes"]
    if card["kind"] == "supervised":
        yield "card with a class twice", text(card | {"classes": [*classes[:-1], classes[0]]})
        yield "card with more classes", text(card | {"classes": [*classes, "more"]})
        yield "card with fewer classes", text(card | {"classes": classes[:-1], "majority": 0})
    yield "card of an unknown task", text(card | {"task": "segmentation"})
    yield "card of another kind", text(card | {"kind": "adversarial"})
    yield "card of a newer format", text(card | {"format": 3})
    yield "card of no format", text(card | {"format": "two"})
    whole = text(card)
    yield "card with a field twice", b'{"task": "regression", ' + whole[1:]
    yield "card that is cut", whole[: int(rng.integers(len(whole)))]
    yield "card that is a list", b"[" + whole + b"]"
    yield "card of noise", rng.bytes(200)
    yield "card that is empty", b""


def _harms(inner: Path, other: Path, rng: np.random.Generator) -> Iterator[tuple[str, Callable[[Path], object], bool]]:
    """What is done to a file, and whether that is seen without checksums."""
    start, bit = float(rng.random()), int(rng.integers(8))
    crc = inner.name == "model.keras" or inner.parts[0] == "variables"  # whose formats have checksums of their own

    def cut(version: Path) -> None:
        content = (version / inner).read_bytes()
        (version / inner).write_bytes(content[: int(len(content) * start)])

    def zero(version: Path) -> None:
        content = (version / inner).read_bytes()
        at = int(len(content) * start / 2)
        (version / inner).write_bytes(content[:at] + bytes(len(content) // 2) + content[at + len(content) // 2 :])

    def flip(version: Path) -> None:
        content = bytearray((version / inner).read_bytes())
        content[int(len(content) * start)] ^= 1 << bit
        (version / inner).write_bytes(content)

    yield "cut", cut, crc
    yield "zeroed", zero, crc
    yield "with a bit flipped", flip, False
    yield "missing", lambda version: (version / inner).unlink(), crc or inner.name == "splits.csv"
    if other.is_file():
        yield "exchanged", lambda version: shutil.copyfile(other, version / inner), inner.name == "model.keras"


def _folder(place: Path, pixels: np.ndarray, labels: np.ndarray) -> Path:
    """Images in folders by class, that no model was trained on."""
    for at, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        path = place / ("left", "middle", "right")[label] / f"{at}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_png(255 - (255 - image) // 2 * 2))
    return place


def _png(image: np.ndarray) -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image[..., 0]).save(buffer, "PNG")
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value.tolist() if hasattr(value, "tolist") else value


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= CLOSE * max(1.0, abs(other))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


def _differs(version: Path, other: Path) -> bool:
    def content(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    return content(version) != content(other)
