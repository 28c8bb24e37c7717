from litho.benchmarks.distributed_training.documents import DistributedTraining, Kill, Training, table
from litho.benchmarks.shared.machine import describe_machine


def training(at_first: float) -> Training:
    return Training(
        preset="flow-shapes",
        parallel="fsdp",
        micro_batch=3,
        processes=2,
        steps=12,
        at_first=at_first,
        at_last=2e-3,
        images_per_second=51.4,
    )


def test_a_result_is_read_back_and_shown() -> None:
    kill = Kill(processes=2, killed_at_nimg=264, continued_at_nimg=192, lost_seconds=9.5, same_weights=False)
    result = DistributedTraining(
        trainings=(training(1e-7), training(1e-2)), kill=kill, machine=describe_machine()
    )
    assert DistributedTraining.model_validate_json(result.model_dump_json()) == result
    assert table(result)[2] == "| flow-shapes | fsdp | 3 | 2 | 1e-07 | 2e-03 | 51 |"
    assert table(result)[-1].startswith("killed at 264 images, continued at 192: OTHER WEIGHTS; 9.5 s")
    assert result.problems == [
        "flow-shapes by 2 processes (fsdp) differs by 1.0e-02 at first",
        "the killed training has other weights",
    ]
