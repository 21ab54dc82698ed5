"""Run as a script, without Keras and this project: it loads TensorFlow once, and forks a process for each request.

Its argument is the path of a socket to listen at. A client sends standard input, output and error of a process and a
line of JSON: its code, arguments, folder and environment. It gets the number of the process, and how it ended. The
server ends with its own standard input.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any


def become(streams: list[int], code: str, arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    """Be the process that runs `code`, and end as it."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c", *arguments]
    status = 1
    try:
        exec(compile(code, "<forked>", "exec"), {"__name__": "__main__"})
        status = 0
    except SystemExit as ended:
        print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def serve(client: socket.socket) -> None:
    """Start a process for a client, and tell it what becomes of it."""
    _, streams, _, _ = socket.recv_fds(client, 1, 3)
    request: list[Any] = json.loads(client.makefile().readline())
    started = os.fork()
    if not started:
        client.close()
        become(streams, *request)
    for stream in streams:
        os.close(stream)
    client.sendall(f"{started}\n".encode())
    _, status = os.waitpid(started, 0)
    client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def main() -> None:
    """Listen until standard input ends."""
    for package in ("zoo", "applications", "tuning", "keras", "jax"):
        sys.modules[package] = None
    import tensorflow  # noqa: F401

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    print("ready", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while 0 not in select.select([listener, 0], [], [])[0]:
        client, _ = listener.accept()
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(client)
            os._exit(0)
        client.close()
    os.remove(sys.argv[1])
    os.rmdir(os.path.dirname(sys.argv[1]))


if __name__ == "__main__":
    main()
