"""What the three kinds of registries have in common."""

from hypothesis import given, strategies as st

from litho.registry.base import after, unfinished


@given(st.lists(st.binary(max_size=9)), st.integers(0, 60))
def test_what_was_not_asked_for_is_left_out(pieces: list[bytes], skip: int) -> None:
    assert b"".join(after(pieces, skip)) == b"".join(pieces)[skip:]
    assert all(after(pieces, skip))


def test_a_half_finished_upload_is_named() -> None:
    assert str(unfinished("hf://me/x", "graphs/a.onnx")).startswith(
        "hf://me/x is a half-finished upload: it lacks"
    )
