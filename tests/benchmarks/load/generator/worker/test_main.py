import subprocess
import sys
import time
from pathlib import Path

from litho.benchmarks.load.generator.worker import main as module


def test_the_program_starts_fast_and_without_packages():
    folder = Path(module.__file__).parents[1]
    program = (
        "import sys; sys.path.append(sys.argv[1]); from worker.main import main; from worker.transports import grpc,"
        " http, streamed; print(sorted({'numpy', 'grpc._channel', 'ssl', 'asyncio', 'litho'} & set(sys.modules)))"
    )
    command = [sys.executable, "-I", "-S", "-c", program, str(folder)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
    times = []
    for _ in range(2):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    plain = []
    for _ in range(2):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import numpy"], capture_output=True, check=True)
        plain.append(time.perf_counter() - start)
    assert min(times) < min(plain)
