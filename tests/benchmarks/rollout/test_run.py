from pathlib import Path

import pytest

from litho.benchmarks.rollout.run import measure
from litho.errors import UsageError


@pytest.mark.slow
def test_two_bundles_of_the_same_pictures_are_refused(bundle: Path) -> None:
    with pytest.raises(UsageError, match="give a bundle of other weights"):
        measure(bundle, bundle)


@pytest.mark.slow
def test_two_bundles_of_different_signatures_are_refused(bundle: Path, flow_bundle: Path) -> None:
    with pytest.raises(UsageError, match="give two bundles of the same inputs and size"):
        measure(bundle, flow_bundle)
