"""The first signal asks, the second one ends; a broken connection becomes one line."""

import signal
from pathlib import Path

import pytest
import torch

from litho.errors import TrainingError
from litho.training.run.distributed import ALONE, Process
from litho.training.run.interruption import interruptible, one_line_for_a_lost_process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_ends(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, end)
    try:
        with interruptible(ALONE) as requested:
            assert not requested.is_set()
            signal.raise_signal(number)
            assert requested.is_set()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert signal.getsignal(number) is end
    finally:
        signal.signal(number, before)
    assert "saving; run the same command again to resume" in capsys.readouterr().err


def test_what_terminal_and_torchrun_both_pass_on_is_one_signal(capsys: pytest.CaptureFixture[str]) -> None:
    with interruptible(Process(torch.device("cpu"), 1, 2)) as requested:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert requested.is_set()
    assert capsys.readouterr().err == ""


def test_errors_of_this_process_keep_their_own_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shape"), one_line_for_a_lost_process(tmp_path):
        raise RuntimeError("shape '[2]' is invalid")
    with (
        pytest.raises(TrainingError, match="another process of this training ended or cannot be reached"),
        one_line_for_a_lost_process(tmp_path),
    ):
        raise torch.distributed.DistNetworkError("Connection closed by peer")
