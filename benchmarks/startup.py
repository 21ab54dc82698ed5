"""How long `zoo --help` takes beside `import tensorflow`, and `zoo show` beside `import keras`: medians of five.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time


def seconds(code: str) -> float:
    """Median wall time of a Python process that runs `code`."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def command(*arguments: str) -> str:
    """Code of a process that runs `zoo` with these arguments."""
    return f"import sys; sys.argv = {['zoo', *arguments]}; from zoo.cli import main; main()"


if __name__ == "__main__":
    ours, theirs = seconds(command("--help")), seconds("import tensorflow")
    print(f"zoo --help {ours:.2f} s, import tensorflow {theirs:.2f} s: 1/{theirs / ours:.0f}")
    ours, theirs = seconds(command("show", "perceptron")), seconds("import keras")
    print(
        f"zoo show perceptron {ours:.2f} s, which makes the network, import keras {theirs:.2f} s: {ours / theirs:.2f}"
    )
