"""What libraries write to standard error reaches nobody, and what others write meanwhile is not lost."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from support.places import ROOT
from support.programs import command, foreign
from zoo import cli
from zoo.errors import Notice
from zoo.kinds.images import decoding
from zoo.startup import without_noise

NOISE = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"I0000 00:00:1795691030.231395   18599 port.cc:153] oneDNN custom operations are on.\n"
    b"2026-01-01 10:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] This binary is optimized.\n"
    b"To enable the following instructions: AVX2, rebuild TensorFlow.\n"
)
# What TensorFlow does, without its ten seconds.
TENSORFLOW = f"""
import contextlib, os, sys, time
with contextlib.suppress(OSError):
    os.write(2, {NOISE!r})
    os.write(2, b"a line of somebody else\\n")
time.sleep(float(os.environ.get("SLOW", 0)))
if "BROKEN" in os.environ:
    raise ImportError("no AVX")
class config:
    def list_physical_devices():
        os.write(2, b"E0000 00:00:1795688828.572215    5015 cuda_platform.cc:52] failed call to cuInit\\n")
"""


def run(folder: Path, code: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    (folder / "tensorflow").mkdir()
    (folder / "tensorflow" / "__init__.py").write_text(TENSORFLOW, encoding="utf-8")
    given = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])} | environment
    return subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, timeout=60)


@pytest.mark.parametrize(
    "code", ["import zoo, tensorflow", "import tuning, tensorflow", "import applications, tensorflow"]
)
def test_tensorflow_is_imported_without_a_line(code: str, tmp_path: Path) -> None:
    done = run(tmp_path, f"{code}\nimport sys, tensorflow\nprint('mine', file=sys.stderr)")
    assert done.stderr == b"a line of somebody else\nmine\n"


def test_where_it_can_not_be_imported_all_that_it_wrote_is_shown(tmp_path: Path) -> None:
    done = run(tmp_path, "import zoo, tensorflow", BROKEN="1")
    assert done.returncode == 1 and b"no AVX" in done.stderr
    assert done.stderr.startswith(NOISE + b"a line of somebody else\n")


@pytest.mark.parametrize("code", ["os.close(2)", "os.dup2(os.pipe()[1], 2)", "tempfile.tempdir = '/nowhere'"])
def test_no_standard_error_and_no_place_for_a_file_are_no_hindrance(code: str, tmp_path: Path) -> None:
    code = f"import os, tempfile, zoo\n{code}\nimport tensorflow\nprint('done', tensorflow.config)"
    done = run(tmp_path, code)
    assert done.returncode == 0 and done.stdout.startswith(b"done"), done.stderr


def test_lines_of_other_threads_are_not_lost(tmp_path: Path) -> None:
    code = (
        "import os, threading, time, zoo\n"
        "done = threading.Event()\n"
        "def write():\n"
        "    for number in range(10**6):\n"
        "        os.write(2, b'%d\\n' % number)\n"
        "        if done.wait(0.01): break\n"
        "thread = threading.Thread(target=write); thread.start()\n"
        "time.sleep(0.1)\n"
        "import tensorflow\n"
        "time.sleep(0.1); done.set(); thread.join()\n"
    )
    lines = run(tmp_path, code, SLOW="0.3").stderr.splitlines()
    lines.remove(b"a line of somebody else")
    assert lines == [b"%d" % number for number in range(len(lines))] and len(lines) > 30


def test_blocks_of_several_threads_overlap(capfd: pytest.CaptureFixture[str]) -> None:
    before, second, first = os.fstat(2), threading.Event(), threading.Event()

    def begin_first() -> None:
        with without_noise():
            os.write(2, NOISE)
            assert second.wait(10)
        first.set()

    thread = threading.Thread(target=begin_first)
    thread.start()
    with without_noise():
        second.set()
        assert first.wait(10)
        os.write(2, NOISE + b"mine\n")
    thread.join()
    assert (os.fstat(2).st_ino, os.fstat(2).st_dev) == (before.st_ino, before.st_dev)
    assert capfd.readouterr().err == "mine\n"


@pytest.mark.slow
def test_a_clean_process_has_no_last_words_of_tensorflow() -> None:
    command = [sys.executable, "-I", str(ROOT / "zoo" / "artifacts" / "parity_process.py")]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("compression", ["tiff_deflate", "tiff_lzw", "group4"])
def test_libtiff_is_silent_and_damage_is_told(compression: str, capfd: pytest.CaptureFixture[str]) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
    file = io.BytesIO()
    noise.convert("1" if compression == "group4" else "L").save(file, "TIFF", compression=compression)
    damaged = bytearray(file.getvalue())
    damaged[100:200] = bytes(100)
    try:
        decoding.decode(bytes(damaged), (8, 8))
    except decoding.DecodeError as error:
        assert "damaged" in str(error)
    assert capfd.readouterr().err == ""


def test_commands_show_warnings_of_their_own_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def own() -> None:
        import logging

        warnings.filterwarnings("always", category=FutureWarning)  # as scikit-learn does
        warnings.warn("will change", FutureWarning, stacklevel=1)
        logging.getLogger("PIL.TiffImagePlugin").error("More samples per pixel than can be decoded")
        logging.getLogger("absl").warning("this file format is considered legacy")
        for _ in range(2):
            warnings.warn("the cache is damaged,\nand made again", Notice, stacklevel=1)

    monkeypatch.setattr(cli.Commands, "get_command", lambda *_: own)
    done = command("own")
    assert done.returncode == 0 and foreign(done.stderr) == []
    assert done.stderr == "zoo: the cache is damaged, and made again\n" * 2
