"""Errors as a person meets them: one line, what to do about it, and the exit code."""

import sys
from pathlib import Path

import pytest

from .conftest import Command, Complaint


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        ("veify x", 2, "unknown command 'veify'; did you mean 'verify'? See 'litho --help'"),
        ("server instal", 2, "unknown command 'instal'; did you mean 'install'? See 'litho server --help'"),
        ("-x", 2, "unknown option '-x'; see 'litho --help'"),
        ("export --precison fp32 x", 2, "option '--precison'; did you mean '--precision'? See 'litho export"),
        ("server install --fast", 2, "unknown option '--fast'; see 'litho server install --help'"),
        ("train", 2, "missing argument 'preset'; see 'litho train --help'"),
        ("train a b", 2, "unexpected argument 'b'; see 'litho train --help'"),
        (f"bench limits x --threads {'9' * 20}", 2, "expected a whole number from 1 to 4096"),
        (f"inspect {'x' * 300}", 2, "xxx' is too long for a path; give a shorter one"),
        (f"key list --keys {'x' * 300}", 2, "File name too long"),
        ("export x --aim", 2, "option '--aim' requires an argument; see 'litho export --help'"),
        (
            "export x --aim speed",
            2,
            "unknown --aim 'speed' (known: latency, size, throughput); see 'litho exp",
        ),
        (
            "train cgan-digits --budget tpu",
            2,
            "unknown --budget 'tpu'; did you mean 'gpu'? (known: cpu, gpu)",
        ),
        ("bench x --seconds abc", 2, "invalid --seconds 'abc'; expected a number; see 'litho bench --help'"),
        ("bench x --soak 1.5", 2, "invalid --soak '1.5'; expected a whole number from 1; see 'litho bench"),
        (
            "build-engine x --workspace-mib 0",
            2,
            "invalid --workspace-mib '0'; expected a whole number from 1",
        ),
        ("bench x --at-least 2", 2, "--at-least needs --against"),
        ("bench x --at-least -1 --against y", 2, "--at-least was given -1; expected a number above 0"),
        ("bench x --seconds nan", 2, "--seconds was given nan; expected a number above 0"),
        ("demo --seconds -1", 2, "--seconds was given -1; expected a number above 0"),
        ("demo --seconds inf", 2, "--seconds was given inf; expected a number above 0"),
        ("train cgan-digit", 2, "unknown preset 'cgan-digit'; did you mean 'cgan-digits'"),
        ("train cgan-digits --set lerning_rate=1", 2, "unknown recipe key 'lerning_rate'"),
        ("train cgan-digits --set lr", 2, "--set was given 'lr'; expected NAME=VALUE"),
        ("export absent", 2, "no finished run at 'absent'; expected a folder with snapshot.json"),
        ("export absent --without foldng", 2, "unknown pass 'foldng'; did you mean 'folding'"),
        ("export absent --precision fp31", 2, "unknown precision 'fp31'; did you mean 'fp32'"),
        ("export absent --fix label", 2, "--fix was given 'label'; expected NAME=VALUE"),
        ("export absent --fix label=three", 2, "--fix was given label=three; expected a whole number"),
        ("export net:build", 2, "'net:build' needs a signature"),
        ("export net.py:build", 2, "'net.py:build' needs a signature"),
        (
            "export g.pt",
            2,
            "has weights but no network; name a function that builds the network: litho export",
        ),
        (
            "export net:build --signature absent.yaml",
            2,
            "--signature was given 'absent.yaml', which is not a f",
        ),
        (
            "export absent --weights w.safetensors",
            2,
            "--weights was given 'w.safetensors', which is not a file",
        ),
        ("evaluate absent", 2, "no finished run at 'absent'; expected a folder with snapshot.json"),
        (
            "inspect absent",
            2,
            "no bundle at 'absent'; expected a folder with manifest.json, made by 'litho exp",
        ),
        ("verify absent", 2, "no bundle at 'absent'"),
        ("deploy absent", 2, "no bundle at 'absent'"),
        ("build-engine absent", 2, "no bundle at 'absent'"),
        (
            "rollback absent digits",
            2,
            "no model repository at 'absent'; expected a folder with MODEL/config.pb",
        ),
        ("serve absent", 2, "no model repository at 'absent'"),
        (
            "bench absent",
            2,
            "'absent' is no bundle, run or endpoint; make one with",
        ),
        ("bench absent --batch 1,-8", 2, "--batch was given '1,-8'; expected whole numbers"),
        ("generate absent --seed 1 -o x.png", 2, "'absent' is no bundle, run or endpoint"),
        (
            "generate http://127.0.0.1:1/x --seed 1 -o x.png",
            2,
            "invalid endpoint 'http://127.0.0.1:1/x'; expected grpc://HOST:PORT/MODEL",
        ),
        ("generate grpc://127.0.0.1:9/x --seed 1 -o x.png", 1, "127.0.0.1:9"),
    ],
)
def test_a_wrong_command_is_answered_in_one_line(
    litho_here: Command, error_of: Complaint, words: str, code: int, complaint: str, tmp_path: Path
) -> None:
    done = litho_here(*words.split(), cwd=tmp_path)
    assert complaint in error_of(done)
    assert (done.returncode, done.stdout) == (code, "")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("words", "verb"), [("", "export"), ("server", "install")])
def test_a_group_without_a_verb_shows_its_help_and_no_error(
    litho_here: Command, words: str, verb: str
) -> None:
    done = litho_here(*words.split())
    assert done.returncode == 2
    assert f"│ {verb}" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("evaluate {run} --inception absent.pt", "--inception was given 'absent.pt', which is not a file"),
        (
            "evaluate {run} --output page.pdf",
            "output 'page.pdf' is not a folder; expected a folder or a .html or",
        ),
        ("export {bundle}", "is a bundle already; export the run that it was made from"),
        ("export {run} --weights {run}/snapshot.json", "--weights needs --signature"),
        ("build-engine {bundle} --runtime tensorflow", "unknown engine runtime 'tensorflow'"),
        ("build-engine {bundle} --profile 1,8", "--profile was given '1,8'"),
        ("bench {bundle} --scenario bursts", "unknown scenario 'bursts' (known: closed"),
        ("train cgan-digits --data ./absent", "./absent"),
        ("bench {bundle} --concurrency 2", "runs one request after the other in this process"),
    ],
)
def test_a_wrong_use_of_what_there_is_is_answered_in_one_line(
    litho_here: Command,
    error_of: Complaint,
    run: Path,
    bundle: Path,
    tmp_path: Path,
    words: str,
    complaint: str,
) -> None:
    done = litho_here(*words.format(run=run, bundle=bundle).split(), cwd=tmp_path)
    assert complaint in error_of(done)
    assert (done.returncode, done.stdout) == (2, "")


def test_an_unforeseen_error_is_named_with_the_way_to_its_traceback(
    litho_here: Command, error_of: Complaint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "litho.training.loop", None)
    line = error_of(litho_here("train", "cgan-digits"))
    assert "unexpected ModuleNotFoundError" in line
    assert line.endswith("(--debug shows the traceback)")
