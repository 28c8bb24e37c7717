"""The vocabulary of docs/glossary.md: no word that it has retired is in product code, help, pages or documentation."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from .conftest import PAGES, ROOT

NOT_PRODUCT = {"tests", "build", "dist", "runs", "bundles", "demo"}

# What replaced it -> pattern, in any case; an underscore ends a word.
RETIRED = {
    "reference": r"floors?",
    "baseline": r"ceilings?",
    "other stages": r"companions?",
    "FP32 layers": r"kept[ _]in[ _]FP32|kept[ _]layers|layers?[ _]kept",
    "report, progress": r"told",
    "combined": r"joined",
    "refresh": r"remakes?|remade",
    "graph pass": r"rewrites?",
    "sensitivity": r"harm(?:ful|s)?",
    "error": r"damage",
    "target": r"owe[ds]?",
    "peer": r"entrants?",
    "user module": r"foreign[ _](?:modules?|models?|weights|engines?)",
    "optimizer": r"minimi[sz]ers?",
    "adaptive": r"steered",
    "the exact words": r"as far as",
    "folder": r"ground floor|rooms|the house",
}

# Retired as names in code only: in a sentence the words are ordinary English.
RETIRED_NAMES = {
    "fp32_layers": r"kept",
    "with_free_size": r"freed",
    "with_size": r"sized",
    "path or location": r"places?",
    "target_": r"bars?|owed",
    "user_module": r"foreign",
    "context or outcome": r"subject",
    "optimizer_": r"optimisers?",
}

# What replaced it -> beginnings of files in which the word is a term of its own, and why.
TERMS = {
    "baseline": (
        (
            "benchmarks/limits/",
            "benchmarks/roofline/",
            "benchmarks/load/page/",
            "benchmarks/load/sweep.py",
            "benchmarks/figures/limits.py",
            "cli/bench_limits.py",
            "docs/benchmarks.md",
        ),
        "of a roofline",
    ),
    "graph pass": (("export/simplification.py",), "a function of onnxscript"),
}

RETIRED_CLASSES = {"Described", "Foreign", "Minimiser", "Picture", "Steered", "Subject", "Entrant", "Bar"}

ALLOWED = {
    r"(?:np|math|torch)\.floor\b|\.floor\(|\bFloor division": "rounding down",
    r"[\"'](?:round_prefer_)?[fF]loor(?:_of)?[\"']|[\"']ceiling(?:_of)?[\"']": "ONNX, and keys of older documents",
    r"\bdiversity_floor\b": "a recipe key, which is in every run",
    r"[\"']entrants[\"']": "a key of older documents",
}

# File or "" for all -> names, and why.
ALLOWED_NAMES = {
    "export/user_module/adapter.py": ("foreign", "attribute of an nn.Module: ONNX node names come from it"),
    "export/passes/linear.py": ("kept", "the crop of a kernel"),
    "bundle/explanation.py": ("label_kept", "key of the document"),
    "training/evaluation/explanation/strips.py": ("label_kept", "key of the document"),
    "bundle/keys.py": ("Subject_Public_Key_Info", "a constant of cryptography"),
    "runners/onnxruntime.py": ("kept", "buffers"),
    "training/run/checkpoint.py": ("optimisers", "key of the file"),
    "training/loop.py": ("optimisers", "key of the checkpoint"),
    "benchmarks/load/page/charts.py": ("bars", "of a chart"),
    "benchmarks/load/page/plots.py": ("bars", "of a chart"),
    "benchmarks/load/page/resource_plots.py": ("bars", "of a chart"),
    "cli/output.py": ("bar_width", "of a progress bar"),
    "parity/verify.py": ("subject", "key of the result"),
    "cli/bundle.py": ("subject", "key of the result"),
    "demo.py": ("subject", "key of the result"),
    "signature/synthetic_inputs.py": ("places", "positions in an image"),
    "": (
        "progress_bar Progress_Bar enable_progress_bars disable_progress_bars Bar_Column bar bar_width"
        " sized_by in_place _in_place",
        "progress bars, plain words",
    ),
}


def product() -> list[Path]:
    files = [path for kind in ("py", "html", "css", "toml") for path in ROOT.rglob(f"*.{kind}")]
    inside = (path for path in files if path.relative_to(ROOT).parts[0] not in NOT_PRODUCT)
    return sorted(
        path for path in inside if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    )


def matcher(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?:{pattern})(?![^\W_])", re.IGNORECASE)


@cache
def lines() -> tuple[tuple[str, str], ...]:
    """FILE:LINE and text of every line of product and documentation, without what is allowed."""
    allowed = re.compile("|".join(ALLOWED))
    return tuple(
        (f"{path.relative_to(ROOT)}:{number}", allowed.sub("", line))
        for path in [*product(), *PAGES, ROOT / "Makefile"]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    )


@cache
def modules() -> dict[str, ast.Module]:
    """The syntax tree of every module, by its path from the root."""
    files = (path for path in product() if path.suffix == ".py")
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in files}


@cache
def names(module: str) -> frozenset[str]:
    """Every identifier that a module defines or uses; a change of case becomes an underscore."""
    found: set[str] = set()
    for node in ast.walk(modules()[module]):
        found |= {
            value for key, value in ast.iter_fields(node) if key in ("id", "attr", "arg", "name") and value
        }
    return frozenset(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name) for name in found if isinstance(name, str))


def allowed_names(module: str) -> set[str]:
    return {name for file in (module, "") for name in ALLOWED_NAMES.get(file, ("", ""))[0].split()}


@pytest.mark.slow
@pytest.mark.parametrize("meant", sorted(RETIRED))
def test_no_retired_word_is_in_product_or_documentation(meant: str) -> None:
    retired = matcher(RETIRED[meant])
    terms, _ = TERMS.get(meant, ((), ""))
    found = [
        f"{place}: {line.strip()}"
        for place, line in lines()
        if retired.search(line) and not place.startswith(terms)
    ]
    assert not found, f"say {meant!r} instead:\n" + "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("meant", sorted(RETIRED_NAMES))
def test_no_retired_name_is_in_the_code(meant: str) -> None:
    retired = matcher(RETIRED_NAMES[meant])
    used = ((module, name) for module in modules() for name in names(module) - allowed_names(module))
    found = sorted(f"{module}: {name}" for module, name in used if retired.search(name))
    assert not found, f"say {meant!r} instead:\n" + "\n".join(found)


def test_every_exception_is_still_needed() -> None:
    for module, (allowed, why) in ALLOWED_NAMES.items():
        unused = set(allowed.split()) - names(module) if module else set()
        assert not unused, f"{module} has no {unused} ({why}) any more"


def test_no_retired_class_is_in_the_code() -> None:
    for module, tree in modules().items():
        classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        assert not classes & RETIRED_CLASSES, module


def test_every_term_is_defined_once() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE)
    assert len(terms) == len({term.lower() for term in terms}) > 50
