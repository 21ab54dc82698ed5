"""Eight clients ask for labels of photos: `zoo serve` and a plain KServe predictor over the same SavedModel.

    python benchmarks/serve.py PHOTOS [--kserve PYTHON] [--requests 400] [--clients 8] [--runs 3]

PHOTOS is a folder of photos by class, from which an artifact is made first; or name one with --artifact. The rival is
what KServe's documentation shows for a model of one's own: `load` opens the SavedModel, `predict` asks it. PYTHON is
an interpreter that has kserve and tensorflow, this one if not given. Both servers run in turns, one at a time, each
with the same clients, photos and requests; the tables give medians of the runs. The bare runtime is what the server
asks, without HTTP, once with the decoding of the photos and once on pixels that are in memory.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

RIVAL = """
import base64, sys
import kserve, tensorflow as tf

class Photos(kserve.Model):
    def load(self):
        self.model = tf.saved_model.load(sys.argv[1])
        self.serve = self.model.signatures["serving_default"]
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None):
        images = [base64.b64decode(each["image_bytes"]["b64"]) for each in payload["instances"]]
        found = self.serve(image_bytes=tf.constant(images))
        labels, rows = found["label"].numpy(), found["probabilities"].numpy()
        return {"predictions": [
            {"label": label.decode(), "probabilities": row.tolist()} for label, row in zip(labels, rows)
        ]}

if __name__ == "__main__":
    model = Photos("photos")
    model.load()
    kserve.ModelServer(http_port=int(sys.argv[2]), enable_grpc=False).start([model])
"""


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--artifact", help="name or folder; made from PHOTOS if not given")
    parser.add_argument("--kserve", default=sys.executable, help="interpreter with kserve and tensorflow")
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    from zoo.artifacts import artifact
    from zoo.kinds.images.folders import labelled

    place = tempfile.mkdtemp()
    if options.artifact is None:
        from applications import fine_tune

        options.artifact = str(fine_tune(options.photos, out=f"{place}/photos").artifact)
    folder = artifact.find(options.artifact).resolve()
    files = [photo.path for photo in labelled(options.photos)[0]][:: max(1, len(labelled(options.photos)[0]) // 100)]
    bodies = [body(file) for file in files]

    def ours() -> list[str]:
        zoo = [sys.executable, "-c", "from zoo.cli import main; main()", "serve", f"photos={folder}", "--quiet"]
        return [*zoo, "--port", str(free_port())]

    def theirs() -> list[str]:
        return [options.kserve, "-c", RIVAL, str(folder), str(free_port())]

    found: dict[str, list[dict[str, Any]]] = {"zoo serve": [], "KServe": []}
    for run in range(options.runs):
        for name, command in (("zoo serve", ours()), ("KServe", theirs())):
            found[name].append(measured(command, bodies, options.requests, options.clients))
            told = found[name][-1]
            print(f"run {run + 1}  {name:10} {told['rate']:6.1f}/s  p50 {told['p50']:6.1f}  p99 {told['p99']:6.1f} ms")
    best = {
        name: {key: median(each[key] for each in runs) for key in ("rate", "p50", "p99")}
        for name, runs in found.items()
    }
    mine, other = best["zoo serve"], best["KServe"]
    print(
        f"\nrequests a second {mine['rate'] / other['rate']:.2f} times KServe's; p99 {mine['p99'] / other['p99']:.2f}"
    )
    answers = [found[name][0]["answers"] for name in found]
    pairs = [(answers[0][at], answers[1][at]) for at in answers[0].keys() & answers[1].keys()]
    largest = max(np.abs(np.subtract(a["probabilities"], b["probabilities"])).max() for a, b in pairs)
    same = sum(a["label"] == b["label"] for a, b in pairs)
    print(f"same labels {same} of {len(pairs)}, probabilities within {largest:.1e}")
    whole, alone = bare(folder, files)
    print(
        f"bare runtime {whole:.1f}/s with decoding ({mine['rate'] / whole:.0%} of it served), {alone:.1f}/s on pixels"
    )


def body(file: Path) -> bytes:
    """A request of TensorFlow Serving's REST, which both servers take."""
    encoded = base64.b64encode(file.read_bytes()).decode()
    return json.dumps({"instances": [{"image_bytes": {"b64": encoded}}]}).encode()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def measured(command: list[str], bodies: list[bytes], requests: int, clients: int) -> dict[str, Any]:
    """Requests a second, latencies in ms, and the answers by position in `bodies`."""
    port = int(command[-1])
    with tempfile.TemporaryFile() as log:
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            _wait(process, port, log)
            _load(port, bodies, 5 * clients, clients)
            started = time.perf_counter()
            seconds, answers = _load(port, bodies, requests, clients)
            rate = requests / (time.perf_counter() - started)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
    p50, p99 = (1000 * float(np.quantile(seconds, share)) for share in (0.5, 0.99))
    return {"rate": rate, "p50": p50, "p99": p99, "answers": answers}


def _wait(process: subprocess.Popen, port: int, log: Any) -> None:
    ends = time.monotonic() + 120
    while time.monotonic() < ends and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/v2/health/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    log.seek(0)
    raise SystemExit(f"the server does not answer: {log.read().decode(errors='replace')[-2000:]}")


def _load(port: int, bodies: list[bytes], requests: int, clients: int) -> tuple[list[float], dict[int, Any]]:
    numbers, lock = iter(range(requests)), threading.Lock()
    seconds: list[float] = []
    answers: dict[int, Any] = {}

    def client(_: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            at, started = number % len(bodies), time.perf_counter()
            connection.request("POST", "/v1/models/photos:predict", bodies[at], {"Content-Type": "application/json"})
            reply = connection.getresponse()
            text = reply.read()
            seconds.append(time.perf_counter() - started)
            if reply.status != 200:
                raise RuntimeError(f"{reply.status}: {text[:300]!r}")
            answers[at] = json.loads(text)["predictions"][0]

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    return seconds, answers


def bare(folder: Path, files: list[Path]) -> tuple[float, float]:
    """Photos a second of the server's runtime: decoding in threads beside it, and on pixels in memory."""
    from zoo.serving.loading import load_version
    from zoo.serving.servables import DEFAULT, IMAGE

    answering = load_version(folder)
    encoded = [file.read_bytes() for file in files] * 3

    def row(image: bytes) -> Any:
        return answering.row(DEFAULT, {IMAGE: image})[1]

    def rates() -> tuple[float, float]:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            started, rows = time.perf_counter(), []
            for each in pool.map(row, encoded):
                rows.append(each)
                if len(rows) % 32 == 0:
                    answering.run(DEFAULT, rows[-32:])
            whole = len(encoded) / (time.perf_counter() - started)
        started = time.perf_counter()
        for start in range(0, len(rows), 32):
            answering.run(DEFAULT, rows[start : start + 32])
        return whole, len(rows) / (time.perf_counter() - started)

    rates()
    found = [rates() for _ in range(3)]
    return median(each[0] for each in found), median(each[1] for each in found)


if __name__ == "__main__":
    main()
