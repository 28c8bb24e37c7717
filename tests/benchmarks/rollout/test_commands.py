from pathlib import Path

import pytest

from litho.benchmarks.rollout.commands import Commands
from litho.bundle import Bundle


@pytest.mark.slow
def test_candidates_that_must_be_refused_are_whole_bundles(bundle: Path, tmp_path: Path) -> None:
    commands = Commands(tmp_path, tmp_path / "repository", bundle, bundle)
    for name in ("broken", "strange"):
        forged = Bundle.load(tmp_path / name)
        assert forged.manifest.signature == Bundle.load(bundle).manifest.signature
    broken = Bundle.load(tmp_path / "broken")
    assert broken.read(broken.manifest.variants[0].file).startswith(b"no graph")
    assert Bundle.load(tmp_path / "strange", key=commands.key).manifest.name
