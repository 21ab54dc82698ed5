"""A server in a process of its own, and clients that ask it rightly while it is attacked."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.reliability.table import Row

ROOT = Path(__file__).resolve().parents[3]
MEMORY = 1500  # MB that the server may take at most
WAIT = 1.0  # seconds that a good request may wait
COLUMNS = tuple("abcdef")
PAUSE = 0.02  # seconds of a good client between two requests


class Server(NamedTuple):
    """A running one, and what is right to say to it.

    Attributes:
        process: of ``zoo serve``.
        port: of HTTP.
        grpc: port of gRPC.
        photo: a PNG.
        row: of the table.
        labels: of the photo and of the row.
    """

    process: subprocess.Popen[str]
    port: int
    grpc: int
    photo: bytes
    row: dict[str, float]
    labels: tuple[str, str]

    def peak(self) -> float:
        """MB that it had at most since this was last asked."""
        place = Path(f"/proc/{self.process.pid}")
        found = int((place / "status").read_text().split("VmHWM:")[1].split()[0]) / 1024
        (place / "clear_refs").write_text("5")
        return found

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Any = ()) -> tuple[int, bytes]:
        """Status and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers))
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def bodies(self) -> dict[str, tuple[bytes, str]]:
        """Path -> a right body, and the label that is to be answered."""
        photo = base64.b64encode(self.photo).decode()
        tensors = [{"name": n, "shape": [1], "datatype": "FP32", "data": [v]} for n, v in self.row.items()]
        image = {"name": "image_bytes", "shape": [1], "datatype": "BYTES", "data": [photo]}
        given = {
            "/v1/models/pictures:predict": ({"instances": [{"b64": photo}]}, self.labels[0]),
            "/v2/models/pictures/infer": ({"inputs": [image]}, self.labels[0]),
            "/v1/models/rows:predict": ({"instances": [self.row]}, self.labels[1]),
            "/v2/models/rows/infer": ({"inputs": tensors}, self.labels[1]),
        }
        return {path: (json.dumps(body).encode(), label) for path, (body, label) in given.items()}

    def message(self, model: str = "rows") -> Any:
        """A right request of gRPC."""
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name = model
        values = {"image_bytes": [self.photo]} if model == "pictures" else {n: [v] for n, v in self.row.items()}
        for name, value in values.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value, None if model == "pictures" else tf.float32))
        return request


def label_of(answer: bytes) -> str:
    """The label in an answer of either protocol."""
    told = json.loads(answer)
    if "predictions" in told:
        return told["predictions"][0]["label"]
    return next(output["data"][0] for output in told["outputs"] if output["name"] == "label")


@contextmanager
def served(work: Path, *options: str) -> Iterator[Server]:
    """``zoo serve`` with two small models, whose limit of open files is 1,024."""
    import resource

    import zoo
    from tuning.chief import free_port

    made = work / "saved_models"
    if not made.is_dir():
        _make(work, made)
    rng = np.random.default_rng(2)
    pixels, row = rng.integers(0, 256, (8, 8), np.uint8), dict(zip(COLUMNS, rng.normal(size=6).round(3), strict=True))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    row = {name: float(value) for name, value in row.items()}
    labels = (zoo.load(made / "pictures").predict([pixels])[0].label, zoo.load(made / "rows").predict([row])[0].label)
    port = free_port()
    zoo_serve = [sys.executable, "-c", "from zoo.cli import main; main()", "serve"]
    given = [str(made / "pictures"), str(made / "rows"), "--runtime", "saved_model", "--port", "0", *options]
    with (work / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [*zoo_serve, *given, "--grpc-port", str(port), "--quiet"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 1024)),
        )
    try:
        address = process.stdout.readline().split()[0]
        yield Server(process, int(address.rsplit(":", 1)[1]), port, buffer.getvalue(), row, labels)
    finally:
        process.terminate()
        try:
            process.wait(100)
        except subprocess.TimeoutExpired:
            process.kill()


def _make(work: Path, made: Path) -> None:
    import zoo

    rng = np.random.default_rng(1)
    pixels, labels = rng.integers(0, 120, (90, 8, 8, 1), dtype=np.uint8), np.arange(90) % 3
    for label in range(3):
        pixels[labels == label, :, 2 * label : 2 * label + 3] += 120
    images = zoo.data.arrays(pixels, labels, classes=["left", "middle", "right"])
    values = rng.normal(size=(120, len(COLUMNS))).round(3)
    lines = [",".join([*COLUMNS, "label"])]
    lines += [",".join([*map(str, row), "yes" if row[0] > row[1] else "no"]) for row in values]
    (work / "rows.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    rows = zoo.data.open(str(work / "rows.csv"), target="label")
    zoo.train("cnn", images, model={"filters": (8,)}, epochs=4).export(made / "pictures", run=work / "run-pictures")
    zoo.train("mlp", rows, model={"units": (8,)}, epochs=4).export(made / "rows", run=work / "run-rows")


class Good:
    """What good clients met: how many were answered rightly, otherwise, and how long the slowest waited."""

    def __init__(self) -> None:
        self.right, self.wrong, self.longest = 0, [], 0.0
        self._lock = threading.Lock()

    def met(self, seconds: float, problem: str) -> None:
        """One request."""
        with self._lock:
            self.right += not problem
            self.wrong += [problem] if problem else []
            self.longest = max(self.longest, seconds)


@contextmanager
def good_clients(server: Server) -> Iterator[Good]:
    """Three clients that ask, two by HTTP and one by gRPC, for as long as the block runs."""
    import grpc
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    found, ended = Good(), threading.Event()
    channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc}")
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    message, bodies = server.message(), list(server.bodies().items())

    def by_http(path: str, body: bytes, label: str) -> str:
        status, answer = server.ask("POST", path, body)
        while status == 429:  # "ask again later": the time goes on
            time.sleep(PAUSE)
            status, answer = server.ask("POST", path, body)
        return "" if status == 200 and label_of(answer) == label else f"{path}: {status} {answer[:100]!r}"

    def by_grpc() -> str:
        while True:
            try:
                label = stub.Predict(message, 60, wait_for_ready=True).outputs["label"].string_val[0].decode()
                return "" if label == server.labels[1] else f"gRPC: {label}"
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
            time.sleep(PAUSE)

    def client(number: int) -> None:
        while not ended.is_set():
            for path, (body, label) in bodies[number::2]:
                started = time.monotonic()
                try:
                    problem = by_grpc() if number == 2 else by_http(path, body, label)
                except (OSError, http.client.HTTPException, grpc.RpcError) as error:
                    problem = f"{type(error).__name__}: {error}"[:200]
                found.met(time.monotonic() - started, problem)
                time.sleep(PAUSE)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        channel.close()


def attacked(server: Server, tried: str, right: str, attack: Callable[[], list[str]]) -> Row:
    """A row: `attack` gives for each of its requests what was wrong with the end of it, or nothing."""
    server.peak()
    with good_clients(server) as good:
        time.sleep(0.5)
        ends = attack()
        time.sleep(0.5)
    peak, wrong = server.peak(), [*(end for end in ends if end), *good.wrong]
    count = len(ends) + good.right + len(good.wrong)
    limits = peak < MEMORY and good.longest < WAIT and server.process.poll() is None
    note = (
        f"{right}; {good.right} good requests beside them are answered rightly, the longest wait {good.longest:.2f} s; "
    )
    note += f"at most {peak:,.0f} MB"
    for end in wrong[:5]:
        print(f"{tried}: {end}", file=sys.stderr)
    return Row(tried, count, count - len(wrong) if limits else 0, note)
