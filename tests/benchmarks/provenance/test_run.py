import numpy as np

from litho.benchmarks.provenance.run import _altered_receipts, _removed_lines
from litho.benchmarks.shared.key_pair import make_key_pair
from litho.bundle.keys import PublicKey
from litho.serving.provenance.audit_log import AuditLog, Event
from litho.serving.provenance.receipt import Origin
from litho.serving.provenance.stamping import Stamper

from ...serving.provenance.encoded import encode


def test_every_digit_and_every_line_is_found_out(tmp_path) -> None:
    private, public = make_key_pair(tmp_path)
    key = PublicKey.read(public)
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
