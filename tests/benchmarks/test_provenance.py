import numpy as np

from litho.benchmarks.provenance import (
    Found,
    Provenance,
    Way,
    _altered_receipts,
    _keys,
    _removed_lines,
    table,
)
from litho.benchmarks.shared.machine import describe_machine
from litho.serving.provenance.audit_log import AuditLog, Event
from litho.serving.provenance.receipt import Origin
from litho.serving.provenance.stamping import Stamper

from ..serving.provenance.encoded import encode


def way(words: str, same: int, grade: str = "same picture") -> Way:
    return Way(way=words, grade=grade, pictures=12, same=same, identical=3, most_levels=1, least_psnr_db=71.2)


def test_a_result_is_read_back_and_shown() -> None:
    result = Provenance(
        bundle="digits",
        ways=(way("after a restart", 11), way("by int8", 4, "same distribution")),
        alterations=(Found(kind="a digit was altered", altered=9, found=8),),
        machine=describe_machine(),
    )
    assert Provenance.model_validate_json(result.model_dump_json()) == result
    assert table(result)[2] == "| after a restart | same picture | 11 of 12 | 3 | 1 | 71.2 |"
    assert table(result)[-1] == "a digit was altered: 8 of 9 found out"
    assert result.problems == [
        "11 of 12 are the same after a restart",
        "1 of 9 were missed: a digit was altered",
    ]


def test_every_digit_and_every_line_is_found_out(tmp_path) -> None:
    private, key = _keys(tmp_path)
    pixels = np.zeros((8, 8, 3), np.uint8)
    origin = Origin("digits", "generator.fp32.onnx", "same picture", "a" * 64)
    file = tmp_path / "picture.png"
    file.write_bytes(Stamper(private).stamp(encode(pixels), origin, {"seed": np.array([7])}, pixels).content)
    altered = _altered_receipts(file, key)
    assert altered.found == altered.altered > 50
    log = AuditLog(tmp_path / "audit.jsonl")
    for _ in range(4):
        log.append(Event("request", {}))
    assert (_removed_lines(log.path).found, len(log.path.read_text().splitlines())) == (4, 3)
