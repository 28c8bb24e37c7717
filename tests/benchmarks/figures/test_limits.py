"""The table of rooflines."""

from litho.benchmarks.figures import limits
from litho.benchmarks.figures.base import Results


def test_every_generator_has_a_form_on_its_front() -> None:
    models = Results().read("limits")["models"]
    texts = limits.write(Results())
    shown = {row.split("|")[1].strip() for row in texts[""].splitlines()[2:]}
    assert shown == {one["name"] for one in models}
    assert f"{len(models)} generators" in texts["ceilings"]
