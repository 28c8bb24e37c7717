"""The vocabulary of docs/glossary.md: no word that it has retired is in product code, help, pages or documentation."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from .conftest import PAGES, ROOT

NOT_PRODUCT = {"tests", "build", "dist", "runs", "bundles", "demo"}

# What replaced it -> pattern, in any case; a word ends at an underscore or at a change of case, too.
RETIRED = {
    "reference": r"floors?",
    "baseline": r"ceilings?",
    "other stages": r"companions?",
    "FP32 layers": r"kept[ _](?:in[ _]fp32|layers)|layers?[ _]kept|keeps? .{1,30} in FP32",
    "with_free_size": r"freed",
    "report, progress": r"told",
    "combined": r"joined",
    "refresh": r"remakes?|remade",
    "graph pass": r"rewrites?",
    "sensitivity": r"harm(?:ful|s)?",
    "error": r"damage",
    "target": r"owe[ds]?",
    "quality target": r"bars",
    "peer": r"entrants?",
    "user module": r"foreign[ _](?:modules?|models?|weights|engines?)",
    "optimizer": r"minimi[sz]ers?",
    "adaptive": r"steered",
    "what it is, in a list": r"as far as",
    "stage": r"ground floor|rooms?|the house",
}

# Retired as names in code only: in a sentence the words are ordinary English.
RETIRED_NAMES = {
    "FP32 layers": r"kept",
    "with_size": r"sized",
    "path or location": r"places?",
    "target": r"bars?|owed",
    "user module": r"foreign",
    "outcome": r"subject",
    "classifier output": r"described",
    "optimizer": r"optimisers?",
}

# The tree is not clean of these yet.
PENDING = {*RETIRED, *RETIRED_NAMES}

ALLOWED = {
    r"(?:np|math|torch)\.floor\b": "rounding down",
    r"\.floor\(": "rounding down",
    r"\"Floor\"": "an ONNX operator",
}

ALLOWED_NAMES = {
    ("bundle/manifest.py", "kept"): "key of the manifest",
    (
        "export/user_module/adapter.py",
        "foreign",
    ): "an attribute of an nn.Module: ONNX node names come from it",
}


def product() -> list[Path]:
    files = [path for kind in ("py", "html", "css", "toml") for path in ROOT.rglob(f"*.{kind}")]
    inside = (path for path in files if path.relative_to(ROOT).parts[0] not in NOT_PRODUCT)
    return sorted(
        path for path in inside if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    )


def matcher(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?:{pattern})(?![^\W_])", re.IGNORECASE)


def names(tree: ast.AST) -> set[str]:
    """Every identifier that a module defines or uses."""
    found: set[str] = set()
    for node in ast.walk(tree):
        found |= {
            value for key, value in ast.iter_fields(node) if key in ("id", "attr", "arg", "name") and value
        }
    return {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name) for name in found if isinstance(name, str)}


@pytest.mark.parametrize("meant", sorted(set(RETIRED) - PENDING))
def test_no_retired_word_is_in_product_or_documentation(meant: str) -> None:
    retired = matcher(RETIRED[meant])
    found = []
    for path in [*product(), *PAGES, ROOT / "Makefile"]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for allowed in ALLOWED:
                line = re.sub(allowed, "", line)
            if retired.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, f"say {meant!r} instead:\n" + "\n".join(found)


@pytest.mark.parametrize("meant", sorted(set(RETIRED_NAMES) - PENDING))
def test_no_retired_name_is_in_the_code(meant: str) -> None:
    retired = matcher(RETIRED_NAMES[meant])
    found = {
        (str(path.relative_to(ROOT)), name)
        for path in product()
        if path.suffix == ".py"
        for name in names(ast.parse(path.read_text(encoding="utf-8")))
        if retired.search(name)
    }
    assert not found - set(ALLOWED_NAMES), f"say {meant!r} instead: {sorted(found - set(ALLOWED_NAMES))}"


def test_every_term_is_defined_once() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE)
    assert len(terms) == len({term.lower() for term in terms}) > 50
