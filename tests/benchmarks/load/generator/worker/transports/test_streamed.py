import numpy as np

from litho.benchmarks.load.generator import Kind, Picks, Plan, Site, drive

from .....planted_triton import SIGNATURE, painted


def sent(planted, preview_every=0, **plan):
    site = Site(SIGNATURE, planted.address, "planted", transport="streamed")
    kind = Kind(SIGNATURE.example(2, seed=3), preview_every)
    return drive(Plan([kind], times=np.arange(4) / 50, picks=Picks(2, [kind]), **plan), site)


def test_a_preview_comes_before_the_picture_and_is_not_taken_for_it(planted_triton):
    outcomes = sent(planted_triton(decoupled=True, seconds=0.1), preview_every=1)
    assert not outcomes.errors
    assert (outcomes.preview <= outcomes.ended).all()
    # Of four steps the first is shown at once: three times 0.1 s before the picture, where no stall delays it.
    assert (outcomes.ended - outcomes.preview).max() >= 0.2
    right = painted(SIGNATURE.example(2, seed=3)["seed"]).tobytes()
    assert [one.pictures for one in outcomes.picked] == [right, right]


def test_errors_that_a_stream_tells_in_words_are_failures(planted_triton):
    outcomes = sent(planted_triton(decoupled=True, fail_every=2))
    assert outcomes.errors == {"a planted failure, at 100 %": 2}


def test_a_stream_without_all_its_pictures_is_a_failure(planted_triton):
    outcomes = sent(planted_triton(decoupled=True, short=True))
    assert list(outcomes.errors) == ["the stream ended with 2 of 2 pictures and 30 of 32 bytes"]
