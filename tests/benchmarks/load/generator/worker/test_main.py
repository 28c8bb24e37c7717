import subprocess
import sys
from pathlib import Path

from litho.benchmarks.load.generator.worker import main as module


def test_the_program_starts_without_packages():
    """It starts anew for each load; what it imports decides how long that takes."""
    folder = Path(module.__file__).parents[1]
    program = (
        "import sys; sys.path.append(sys.argv[1]); from worker.main import main; from worker.transports import grpc,"
        " http, streamed; print(sorted({'numpy', 'grpc._channel', 'ssl', 'asyncio', 'litho'} & set(sys.modules)))"
    )
    command = [sys.executable, "-I", "-S", "-c", program, str(folder)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
