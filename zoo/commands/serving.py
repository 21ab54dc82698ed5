"""The command ``zoo serve``."""

from __future__ import annotations

import click

from zoo.commands import completing
from zoo.commands.options import IMPORT
from zoo.terminal import say


@click.command(short_help="Serve models over HTTP and gRPC.")
@click.argument("artifacts", nargs=-1, required=True, shell_complete=completing.ARTIFACTS)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. Change it to 0.0.0.0 to let other machines ask.",
)
@click.option(
    "--port",
    default=8501,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port of HTTP. Change it where another program has it; 0 takes a free one.",
)
@click.option(
    "--grpc-port",
    type=click.IntRange(1, 65535),
    help="Port on which to answer TensorFlow Serving's gRPC too. Give it for clients that speak it.",
)
@click.option(
    "--runtime",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "openvino", "litert", "onnx", "saved_model"]),
    help="What computes the answers: auto takes OpenVINO for labels of images and TensorFlow for the rest. Change it "
    "to compare their speed.",
)
@click.option(
    "--batch",
    default=32,
    show_default=True,
    type=click.IntRange(1),
    help="Largest number of examples computed together. Lower it where memory is short.",
)
@click.option(
    "--queue",
    default=256,
    show_default=True,
    type=click.IntRange(1),
    help="Largest number of examples that may wait; more are refused with status 429. Lower it to refuse sooner rather "
    "than answer late.",
)
@click.option(
    "--max-request",
    default=16.0,
    show_default=True,
    type=click.FloatRange(0.001),
    help="Largest request in MiB; more is refused with status 413. Raise it for large photos or many rows.",
)
@click.option(
    "--max-pixels",
    default=50.0,
    show_default=True,
    type=click.FloatRange(0.001),
    help="Largest image in millions of pixels; more is refused with status 413. Raise it for large photos.",
)
@click.option(
    "--token-file",
    type=click.Path(),
    help="File with a secret that every request must bring. Give it, or $ZOO_TOKEN, where others can reach the "
    "address.",
)
@click.option(
    "--allowed-hosts",
    default="",
    help="Names under which others reach the server, with commas between, or * for any. Give them where no token is "
    "required; IP addresses and localhost always work.",
)
@click.option("--quiet", is_flag=True, help="Log no line a request. Give it where requests are many.")
@IMPORT
def serve(
    artifacts: tuple[str, ...],
    host: str,
    port: int,
    grpc_port: int | None,
    runtime: str,
    batch: int,
    queue: int,
    max_request: float,
    max_pixels: float,
    token_file: str | None,
    allowed_hosts: str,
    quiet: bool,
) -> None:
    """Serve ARTIFACTS over HTTP, each by its name or as NAME=ARTIFACT.

    \b
    zoo serve photos                       then look at http://127.0.0.1:8501
    curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' \\
      http://127.0.0.1:8501/v1/models/photos:predict

    It answers TensorFlow Serving's REST (/v1/models/NAME:predict) and the Open Inference Protocol
    (/v2/models/NAME/infer), reports its state (/v2/health/ready, /metrics, a log of JSON lines on stderr) and describes
    itself (/openapi.json). A version with a higher number is loaded when it appears; if it is broken, the log says so,
    and the last good version goes on. Ctrl-C or SIGTERM ends the server when all accepted requests are answered.
    """
    import os
    import sys

    from zoo.serving import server

    token = server.token_of(token_file, os.environ.get("ZOO_TOKEN"))
    server.serve(
        artifacts,
        host=host,
        port=port,
        grpc_port=grpc_port,
        runtime=runtime,
        batch=batch,
        queue=queue,
        request=int(max_request * 2**20),
        pixels=int(max_pixels * 1e6),
        token=token,
        allowed_hosts=[name.strip() for name in allowed_hosts.split(",") if name.strip()],
        quiet=quiet,
        ready=lambda address: say(f"{address} answers; Ctrl-C ends it"),
        say=say if sys.stdout.isatty() else lambda line: None,
    )
