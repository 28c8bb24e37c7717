from litho.benchmarks.load.documents.quality import Quality


def test_a_reason_is_a_failure():
    assert Quality(pictures=2, wrong=0, worst_difference=0, against="probes").passed
    assert not Quality(pictures=2, wrong=2, worst_difference=9, against="probes", reason="9 off").passed
