from dataclasses import replace
from typing import Any

import pytest

from litho.bundle.engine_record import EngineRecord, Machine, choose_profile, refuse_other_machine
from litho.errors import DeviceError, InvalidInput

FOUND = Machine(
    library="TensorRT-RTX", version="1.7.1.116", target="sm86", gpu="NVIDIA RTX A4000", system="linux-x86_64"
)


def record(**changes: Any) -> EngineRecord:
    fields = {
        "library": "tensorrt-rtx",
        "version": "1.7.1.116",
        "target": "sm86",
        "system": "linux-x86_64",
        "profiles": ((1, 8, 64),),
        "read_back": "builder",
        "layers": {"fp32": 1},
        "products": {},
    }
    return EngineRecord.model_validate({**fields, **changes})


def test_an_engine_of_this_machine_passes() -> None:
    refuse_other_machine("a.rtx", record(), FOUND)


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        ({"version": "1.8.0.1"}, "found TensorRT-RTX 1.8.0.1, it was built for 1.7.1.116"),
        ({"target": "sm120"}, "found NVIDIA RTX A4000 of sm120, it was built for sm86"),
        ({"system": "windows-amd64"}, "found system windows-amd64, it was built for linux-x86_64"),
    ],
)
def test_an_engine_of_another_machine_is_refused_and_says_which(
    found: dict[str, str], complaint: str
) -> None:
    with pytest.raises(DeviceError) as refused:
        refuse_other_machine("a.rtx", record(), replace(FOUND, **found))
    assert complaint in str(refused.value)
    assert "litho build-engine" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_everything_that_differs_is_named() -> None:
    with pytest.raises(DeviceError, match=r"found TensorRT-RTX 2\.0, .*; found NVIDIA RTX A4000 of sm75"):
        refuse_other_machine("a.rtx", record(), replace(FOUND, version="2.0", target="sm75"))


@pytest.mark.parametrize(
    ("found", "fits"), [("11.4.0", True), ("11.5.0.2", True), ("11.3.9", False), ("12.0.0", False)]
)
def test_a_version_compatible_engine_runs_on_later_versions_of_its_major_one(found: str, fits: bool) -> None:
    made = record(library="tensorrt", version="11.4.0", version_compatible=True)
    if fits:
        refuse_other_machine("a.plan", made, replace(FOUND, library="TensorRT", version=found))
    else:
        with pytest.raises(DeviceError, match=f"found TensorRT {found}"):
            refuse_other_machine("a.plan", made, replace(FOUND, library="TensorRT", version=found))


@pytest.mark.parametrize(
    ("compatible", "target", "fits"),
    [
        ("ampere-and-later", "sm120", True),
        ("ampere-and-later", "sm75", False),
        ("same-capability", "sm86", True),
        ("same-capability", "sm89", False),
    ],
)
def test_a_hardware_compatible_engine_runs_where_it_says(compatible: str, target: str, fits: bool) -> None:
    made = record(hardware_compatible=compatible)
    if fits:
        refuse_other_machine("a.plan", made, replace(FOUND, target=target))
    else:
        with pytest.raises(DeviceError, match=target):
            refuse_other_machine("a.plan", made, replace(FOUND, target=target))


@pytest.mark.parametrize(("batch", "profile"), [(1, 0), (4, 0), (6, 1), (8, 1), (9, 1), (64, 1)])
def test_a_batch_takes_the_profile_whose_preferred_batch_is_nearest(batch: int, profile: int) -> None:
    assert choose_profile(((1, 1, 8), (4, 8, 64)), batch) == profile


@pytest.mark.parametrize("batch", [0, 3, 65])
def test_a_batch_outside_the_profiles_is_refused(batch: int) -> None:
    with pytest.raises(InvalidInput, match=rf"a batch of {batch} is outside .* \(allowed: 1 to 2, 4 to 64\)"):
        choose_profile(((1, 1, 2), (4, 8, 64)), batch)
