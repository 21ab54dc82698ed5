"""Many requests at once, one in twenty malformed, stopped in the middle: what `zoo serve` answers.

    python benchmarks/serve_load.py ARTIFACT PHOTOS [--requests 10000] [--clients 32]

Every good request has to be answered as the artifact itself answers, every malformed one by a 4xx with a reason, none
by a 5xx. Half-way to the end of a second load, of a tenth as many, the server gets SIGTERM: what it accepted it has to
answer; requests that it did not accept are counted. Memory is that of the server's process, read from /proc.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import json
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PREDICT = "/v1/models/photos:predict"
Request = tuple[str, bytes, str]  # path, body, and what is wrong with it


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--runtime", default="auto")
    options = parser.parse_args()
    from zoo.artifacts import artifact

    files = sorted(file for file in options.photos.rglob("*") if file.suffix.lower() in (".jpg", ".png"))[:60]
    predicted = artifact.load(options.artifact).predict(files)
    expected = [(each.label, each.probability) for each in predicted if not each.error]
    encoded = [file.read_bytes() for file, each in zip(files, predicted, strict=True) if not each.error]
    good = [(PREDICT, _asked(image), "") for image in encoded]
    bad = malformed(encoded[0])

    process, port = start(options.artifact, options.runtime)
    try:
        load(port, good, bad, max(200, options.requests // 10), options.clients, expected)
        before = memory(process.pid)
        started = time.perf_counter()
        found, lost = load(port, good, bad, options.requests, options.clients, expected)
        seconds = time.perf_counter() - started
        after = memory(process.pid)
        print(f"{options.requests} requests in {seconds:.1f} s at {options.clients} clients:")
        for (what, code), count in sorted(found.items()):
            print(f"  {what or 'good':20} {code}  {count}")
        if lost:
            raise SystemExit(f"{lost} requests were not accepted by a server that runs")
        print(f"memory {before} MiB before, {after} after")
        stop = threading.Timer(seconds / options.requests * (options.requests // 20), process.terminate)
        stop.start()
        ended, lost = load(port, good, [], options.requests // 10, options.clients, expected)
        code = process.wait(60)
        print(f"SIGTERM in the middle: {sum(ended.values())} answered, {lost} not accepted, exit code {code}")
        wrong = [key for key in found | ended if key[1] != 200 if not key[0] or not 400 <= key[1] < 500]
        if wrong or code:
            raise SystemExit(f"expected 200 for good requests, 4xx for others and exit code 0, received {wrong}")
    finally:
        process.kill()


def start(artifact: str, runtime: str) -> tuple[subprocess.Popen, int]:
    """A server, once it answers, and its port."""
    zoo = [sys.executable, "-c", "from zoo.cli import main; main()", "serve", f"photos={artifact}", "--quiet"]
    process = subprocess.Popen([*zoo, "--port", "0", "--runtime", runtime], stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    if not line:
        raise SystemExit("the server did not start")
    return process, int(line.split()[0].rsplit(":", 1)[1])


def malformed(image: bytes) -> list[Request]:
    """One request of each kind that no server should choke on."""
    large = zlib.compress(b"\0" * 1000)
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", large) + _chunk(b"IEND", b"")
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return [
        (PREDICT, b"{not json", "not JSON"),
        (PREDICT, b'{"instances": [{"b64": "!!!"}]}', "not base64"),
        (PREDICT, _asked(b"no image at all"), "no image"),
        (PREDICT, _asked(buffer.getvalue()[: len(buffer.getvalue()) // 2]), "truncated JPEG"),
        (PREDICT, _asked(bomb), "30,000 x 30,000 PNG"),
        (PREDICT, b" " * 50_000_000, "50 MB"),
        (PREDICT, json.dumps({"instances": [{"photo": {"b64": "AAAA"}}]}).encode(), "wrong field"),
        ("/v1/models/nobody:predict", _asked(image), "wrong model"),
    ]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _asked(image: bytes) -> bytes:
    return json.dumps({"instances": [{"b64": base64.b64encode(image).decode()}]}).encode()


def load(
    port: int,
    good: list[Request],
    bad: list[Request],
    requests: int,
    clients: int,
    expected: list[tuple[Any, Any]],
) -> tuple[Counter[tuple[str, int]], int]:
    """Counts of what was asked and the status that came back; and how many requests were not accepted.

    Raises:
        AssertionError: an answer is not that of the artifact, or a refusal gives no reason.
    """
    numbers, lock = iter(range(requests)), threading.Lock()
    found: Counter[tuple[str, int]] = Counter()
    lost = 0

    def client(seed: int) -> None:
        nonlocal lost
        rng, connection = random.Random(seed), http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            wrong = bool(bad) and number % 20 == 19
            at = number // 20 % len(bad) if wrong else rng.randrange(len(good))
            path, body, what = bad[at] if wrong else good[at]
            try:
                connection.request("POST", path, body, {"Content-Type": "application/json"})
                reply = connection.getresponse()
            except (OSError, http.client.HTTPException):  # not accepted: the server closed before it read
                connection.close()
                with lock:
                    lost += 1
                continue
            text = json.loads(reply.read())  # once an answer begins it has to come whole
            with lock:
                found[what, reply.status] += 1
            if reply.status != 200:
                assert text["error"], text
            else:
                answer = text["predictions"][0]
                assert answer["label"] == expected[at][0] and abs(answer["probability"] - expected[at][1]) < 1e-4
            if reply.will_close:
                connection.close()

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    return found, lost


def memory(process: int) -> int:
    """MiB of a process that are in memory."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    main()
