"""What a user reads when a server lacks the backend of a model."""

from litho.serving.control.lacking_backend import plain_refusal

REFUSAL = "unable to find backend library for backend 'onnxruntime', try specifying runtime on the model"


def test_a_missing_backend_is_named_with_what_to_do() -> None:
    line = plain_refusal(REFUSAL)
    assert line.startswith("the server has no backend 'onnxruntime', ")
    assert "--container" in line
    assert "--flavour litho" in line


def test_every_other_reason_stays_as_it_is() -> None:
    assert plain_refusal("no bundle at x") == "no bundle at x"
