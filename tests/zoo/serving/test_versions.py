"""Versions that are damaged or exchanged while they are served, and the format that a first start writes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from support.pictures import b64, encoded
from support.places import ROOT
from support.servers import Client, process, served
from zoo.errors import InputError
from zoo.files import cache_folder
from zoo.formats import exporting
from zoo.serving import loading, model_manager, server
from zoo.serving.model_manager import ModelManager
from zoo.serving.servables import DEFAULT


@pytest.fixture
def events() -> list[tuple[str, dict[str, Any]]]:
    return []


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _changed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "half of a file": lambda folder: _cut(folder / "variables" / "variables.data-00000-of-00001"),
    "a byte of the weights": lambda folder: _changed(folder / "variables" / "variables.data-00000-of-00001"),
    "a byte of the graph": lambda folder: _changed(folder / "saved_model.pb"),
    "no weights yet": lambda folder: shutil.rmtree(folder / "variables"),
    "no sums yet": lambda folder: (folder / "SHA256SUMS").unlink(),
    "half a card": lambda folder: _cut(folder / "card.json"),
    "a card of another": lambda folder: (folder / "card.json").write_text(
        (folder / "card.json").read_text().replace('"nought",', '"two",').replace('"two"\n', '"nought"\n')
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_version_does_not_answer(
    damage: str,
    classifier: Path,
    workplace: Path,
    pixels: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    events: list[Any],
) -> None:
    monkeypatch.setattr(model_manager, "POLL", 0.05)
    shutil.copytree(classifier, workplace / "digits" / "1")
    host = ModelManager(
        {"digits": workplace / "digits"},
        runtime="saved_model",
        on_event=lambda event, **facts: events.append((event, facts)),
    )
    shutil.copytree(classifier, workplace / "new")
    DAMAGES[damage](workplace / "new")
    host.start()
    (workplace / "new").rename(workplace / "digits" / "2")
    ends = time.monotonic() + 30
    while "version broken" not in dict(events) and time.monotonic() < ends:
        time.sleep(0.02)
    assert host.get("digits").number == 1 and list(host.models["digits"].broken) == [2]
    shutil.rmtree(workplace / "digits" / "1")  # from under the one that answers
    answering = host.get("digits").servable
    key, row = answering.row(DEFAULT, {"image_bytes": encoded(pixels[0])})
    assert answering.run(key, [row])[0]["label"] == zoo.load(classifier).predict([pixels[0]])[0].label
    host.close()


@pytest.mark.slow
def test_a_format_is_written_once_into_the_version_or_the_cache(
    classifier: Path, workplace: Path, pixels: np.ndarray, events: list[Any]
) -> None:
    def opened(folder: Path) -> Any:
        events.clear()
        return loading.load_version(folder, on_event=lambda event, **facts: events.append((event, facts)))

    def asked(answering: Any) -> Any:
        return answering.run(DEFAULT, [answering.row(DEFAULT, {"image_bytes": encoded(pixels[0])})[1]])[0]

    shutil.copytree(classifier, workplace / "writable")
    first = opened(workplace / "writable")
    assert [event for event, _ in events] == ["writing format", "format written"] and first.runtime == "openvino"
    assert events[0][1]["folder"] == str(workplace / "writable" / "formats" / "openvino")
    wanted = asked(first)
    assert wanted["label"] == zoo.load(classifier).predict([pixels[0]])[0].label

    for file in (file for file in (workplace / "writable").rglob("*") if file.is_file()):
        os.truncate(file, 0)  # written over while it is asked: what is open does not look there
    assert np.array_equal(asked(first)["probabilities"], wanted["probabilities"])

    shutil.copytree(classifier, workplace / "closed")
    (workplace / "closed" / "formats").write_text("not even root makes a folder here")
    kept = opened(workplace / "closed")
    (place,) = cache_folder("formats").iterdir()
    assert events[0][1]["folder"] == str(place / "openvino") and kept.runtime == "openvino"
    assert np.array_equal(asked(kept)["probabilities"], wanted["probabilities"])
    opened(workplace / "closed")
    assert events == []
    _changed(place / "openvino" / "model.bin")
    assert np.array_equal(asked(opened(workplace / "closed"))["probabilities"], wanted["probabilities"])
    assert [event for event, _ in events] == ["writing format", "format written"]
    assert exporting.listed(workplace / "closed")[1:] == []

    shutil.copytree(place / "openvino", workplace / "digits" / "1" / "formats" / "openvino")
    shutil.copytree(classifier, workplace / "digits" / "1", dirs_exist_ok=True)
    shutil.copytree(workplace / "digits" / "1", workplace / "digits" / "2")
    _changed(workplace / "digits" / "2" / "formats" / "openvino" / "model.bin")
    with pytest.raises(InputError, match="not those that were published"):
        opened(workplace / "digits" / "2")
    host = ModelManager({"digits": workplace / "digits"})  # the format of the newest is damaged: the one before answers
    assert host.get("digits").number == 1 and list(host.models["digits"].broken) == [2]
    host.close()


@pytest.mark.slow
def test_the_log_is_json_and_a_terminal_is_told_what_takes_long(classifier: Path, workplace: Path) -> None:
    shutil.copytree(classifier, workplace / "digits" / "1")
    import pty

    master, slave = pty.openpty()
    command = [sys.executable, "-c", "from zoo.cli import main; main()", "serve", "digits", "--port", "0"]
    given = os.environ | {"PYTHONPATH": str(ROOT), "ZOO_CACHE": "/proc/no/cache"}
    with Path("serve.log").open("wb") as errors:
        server = subprocess.Popen(command, stdout=slave, stderr=errors, env=given)
    os.close(slave)
    said = b""
    while b"answers" not in said:
        said += os.read(master, 1000)
    client = Client(int(said.decode().split("127.0.0.1:")[1].split()[0]))
    assert client("/v2")[0] == 200
    server.terminate()
    assert server.wait(30) == 0
    os.close(master)
    assert said.startswith(b"writing digits/1/formats/openvino")
    events = [json.loads(line)["event"] for line in Path("serve.log").read_text().splitlines()]
    assert set(events[:4]) == {"writing format", "warning", "format written", "version ready"}
    assert events[0] == "writing format" and events[-1] == "ended"


@pytest.mark.slow
def test_a_token_may_come_by_a_pipe(classifier: Path, workplace: Path) -> None:
    os.mkfifo("token")
    writer = subprocess.Popen([sys.executable, "-c", "print('a-long-secret', file=open('token', 'w'))"])
    with process(str(classifier), "--runtime", "saved_model", "--token-file", "token") as (_, client, log):
        assert client("/v1/models")[0] == 401
        assert client("/v1/models", headers={"Authorization": "Bearer a-long-secret"})[0] == 200
        assert all(json.loads(line) for line in log.read_text().splitlines())
    assert writer.wait() == 0


def test_a_token_that_can_not_be_read_is_told(workplace: Path) -> None:
    Path("folder").mkdir()
    Path("bytes").write_bytes(b"\xff\xfe" * 8)
    Path("long").write_text("a" * 10_000)
    Path("empty").write_text("\n")
    for name, reason in (("folder", "can't be read"), ("bytes", "no text"), ("missing", "can't be read")):
        with pytest.raises(InputError, match=f"^{name}: .*{reason}"):
            server.token_of(name, None)
    for name in ("long", "empty", "/dev/zero", "/dev/null"):
        with pytest.raises(InputError, match=f"^{name}: expected a token"):
            server.token_of(name, None)
    Path("right").write_text("  a-long-secret\r\n")
    assert server.token_of("right", "another-secret") == "a-long-secret"
    with pytest.raises(InputError, match="ZOO_TOKEN"):
        server.token_of(None, "")


def test_a_newer_version_is_picked_up_and_a_broken_one_is_not(
    classifier: Path, workplace: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_manager, "POLL", 0.1)
    base, events = workplace / "digits", []
    shutil.copytree(classifier, base / "1")
    host = ModelManager(
        {"digits": base}, runtime="saved_model", on_event=lambda event, **facts: events.append((event, facts))
    )

    def until(wanted: str, number: int) -> dict[str, Any]:
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            states = {each["version"]: each for each in client("/v1/models/digits")[1]["model_version_status"]}
            if states.get(str(number), {}).get("state") == wanted:
                return states
            time.sleep(0.05)
        raise AssertionError(states)

    with served(host) as client:
        shutil.copytree(classifier, workplace / "new")
        graph = workplace / "new" / "saved_model.pb"
        whole = graph.read_bytes()
        graph.write_bytes(whole[: len(whole) // 2])
        (workplace / "new").rename(base / "2")
        assert set(until("END", 2)) == {"1", "2"}
        assert client("/v1/models/digits:predict", {"instances": [b64(encoded(pixels[0]))]})[0] == 200
        assert [event for event, _ in events].count("version broken") == 1
        (base / "2" / "saved_model.pb").write_bytes(whole)
        assert set(until("AVAILABLE", 2)) == {"2"}
        assert client("/v1/models/digits/versions/1")[0] == 404
        assert client("/v1/models/digits:predict", {"instances": [b64(encoded(pixels[0]))]})[0] == 200
    (base / "2" / "saved_model.pb").write_bytes(b"")
    again = ModelManager({"digits": base}, runtime="saved_model")  # started where the newest one is broken
    assert again.get("digits").number == 1 and list(again.models["digits"].broken) == [2]
    again.close()
    pinned = model_manager.folders_by_name([f"old={base}/1", str(base)])
    assert pinned == {"old": base / "1", "digits": base}
    monkeypatch.setattr(model_manager.artifact, "ROOT", workplace)
    monkeypatch.chdir(base / "2")
    assert model_manager.folders_by_name(["old=digits/1", "digits"]) == {"old": base / "1", "digits": base}
    assert model_manager.folders_by_name(["."]) == {"digits": Path(".")} and model_manager._number(Path(".")) == 2
