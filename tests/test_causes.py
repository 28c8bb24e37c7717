"""What lies behind an error: the words in which libraries say that there is no memory left."""

import pytest

from litho.errors import ExportError, LithoError, UsageError, chain, out_of_memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        # As seen under a limit of the address space.
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("Exception during loading: std::bad_alloc"),
        RuntimeError("bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 33554432"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
    ids=repr,
)
def test_every_library_s_words_for_no_memory_are_known_however_deep(error: Exception) -> None:
    assert out_of_memory(error)
    wrapped = LithoError("ONNX Runtime failed")
    wrapped.__cause__ = error
    assert out_of_memory(wrapped)
    assert list(chain(wrapped)) == [wrapped, error]


@pytest.mark.parametrize(
    "error",
    [
        ExportError("TensorRT broke off while it built; it may have run out of memory"),
        OSError(28, "No space left on device"),
        RuntimeError("could not create a primitive"),
    ],
    ids=repr,
)
def test_other_errors_and_our_own_guesses_are_not_taken_for_it(error: Exception) -> None:
    assert not out_of_memory(error)


def test_what_an_error_was_raised_in_place_of_does_not_count() -> None:
    def refuse() -> None:
        try:
            raise MemoryError
        except MemoryError:
            raise UsageError("ask for less") from None

    with pytest.raises(UsageError) as caught:
        refuse()
    assert not out_of_memory(caught.value)
