from pathlib import Path

import pytest

from litho.benchmarks.load.documents.cost import price_of
from litho.benchmarks.shared.machine import Machine
from litho.errors import UsageError


def machine(*gpus: str) -> Machine:
    return Machine(
        processor="AMD EPYC", cores=2, memory_bytes=1, gpus=gpus, system="Linux", versions={"python": "3"}
    )


def test_a_number_is_the_price_of_an_hour() -> None:
    price = price_of("1.80", machine())
    assert price.per_hour == 1.8
    assert price.at(500).per_1000_images == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("gpus", "per_hour", "source"),
    [((), 0.1, "epyc"), (("NVIDIA H100 80GB HBM3, 550.1, 81559 MiB",), 2.5, "H100")],
)
def test_a_table_has_the_price_of_the_gpu_or_else_of_the_processor(
    tmp_path: Path, gpus: tuple[str, ...], per_hour: float, source: str
) -> None:
    table = tmp_path / "prices.csv"
    table.write_text("machine,per_hour,currency\nepyc,0.1,EUR\nH100,2.5,EUR\nH200,3.5,EUR\n")
    price = price_of(str(table), machine(*gpus))
    assert (price.per_hour, price.currency, price.source) == (per_hour, "EUR", f"prices.csv, {source}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("machine,per_hour\nXeon,1\n", "has 0 rows for AMD EPYC; .*it has: Xeon"),
        ("machine,per_hour\nEPYC,1\nAMD,2\n", "has 2 rows for AMD EPYC"),
        ("machine,per_hour\nEPYC,free\n", "has price 'free' for 'EPYC'; it takes a number above 0"),
        ("name,price\nEPYC,1\n", "is no table of prices"),
        ("", "is no table of prices"),
        ("\0" * (2 << 20), "at most 1048576 are allowed"),
    ],
)
def test_a_table_without_one_price_for_this_machine_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "prices.csv").write_text(content)
    with pytest.raises(UsageError, match=message):
        price_of(str(tmp_path / "prices.csv"), machine())


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "cheap", ""])
def test_what_is_no_price_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="--price was given"):
        price_of(given, machine())
