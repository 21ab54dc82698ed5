"""How long `zoo --help` takes beside `import tensorflow`: whole processes, medians of five.

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


if __name__ == "__main__":
    ours = seconds("import sys; sys.argv = ['zoo', '--help']; from zoo.cli import main; main()")
    theirs = seconds("import tensorflow")
    print(f"zoo --help {ours:.2f} s, import tensorflow {theirs:.2f} s: 1/{theirs / ours:.0f}")
