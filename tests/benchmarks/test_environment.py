import subprocess
import sys

from litho.benchmarks.environment import describe_environment


def test_the_environment_is_this_process_s(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/litho", "bench", "/data/bundles/digits", "--json"])
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    found = describe_environment()
    assert found.command == "litho bench digits --json"
    assert found.variables["OMP_NUM_THREADS"] == "3"
    assert found.packages["numpy"]
    assert found.load_average >= 0


def test_a_module_s_command_is_told_as_it_was_given():
    program = "from litho.benchmarks.environment import *; print(describe_environment().command)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "-c"
