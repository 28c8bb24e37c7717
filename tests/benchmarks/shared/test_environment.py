import subprocess
import sys

from litho.benchmarks.shared.environment import describe_environment


def test_the_environment_is_this_process_s(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(sys, "argv", ["/bin/litho", "bench", "/data/digits", "--json", "a=/data/b"])
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    found = describe_environment()
    assert found.command == "litho bench digits --json a=b"
    assert found.variables["OMP_NUM_THREADS"] == "3"
    assert found.packages["numpy"]
    assert found.load_average >= 0


def test_a_module_s_command_is_as_it_was_given():
    program = "from litho.benchmarks.shared.environment import *; print(describe_environment().command)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "-c"
