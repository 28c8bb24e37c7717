"""Streams against memory: the document, and what counts as a problem."""

from litho.benchmarks.shared.machine import describe_machine
from litho.benchmarks.streaming.documents import Killed, Resume, Speed, Streaming, Trained, table


def result(*, same: bool = True, lost: int = 0) -> Streaming:
    return Streaming(
        bundle="digits",
        pictures=1000,
        picture=(32, 32, 1),
        encoded_bytes=2 << 20,
        speeds=(Speed(way="memory", first_batch_seconds=1.23, images_per_second=3e5, memory_bytes=2 << 20),),
        trained=(Trained(way="memory", images_per_second=250.0),),
        killed=Killed(way="an S3 server", kills=3, same=same),
        resumes=(
            Resume(way="litho", pictures=900, before=450, lost=lost, twice=0),
            Resume(way="datasets", pictures=900, before=450, lost=40, twice=0),
        ),
        machine=describe_machine(),
    )


def test_a_result_is_read_back_and_shown() -> None:
    made = result()
    assert Streaming.model_validate_json(made.model_dump_json()) == made
    assert "| memory | 1.23 | 300,000 | 2.00 MiB | 250 |" in table(made)
    assert table(made)[-1] == "killed 3 times on an S3 server: the same weights"
    assert made.problems == []
    assert result(same=False, lost=2).problems == [
        "the killed training ended with other weights",
        "2 pictures lost, 0 twice",
    ]
