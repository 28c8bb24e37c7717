from litho.serving.server.upkeep import canary_inputs
from litho.signature import Signature
from litho.signature.fields import image_output, label_field, seed_field


def test_a_canary_asks_for_one_picture_and_never_for_the_same() -> None:
    signature = Signature(inputs=(seed_field(), label_field(("a", "b"))), output=image_output(8, 8, 1))
    first, second = canary_inputs(signature, 1), canary_inputs(signature, 2)
    signature.check(first)
    assert first["seed"].shape == (1,)
    assert first["seed"] != second["seed"]
    assert canary_inputs(signature, 1)["seed"] == first["seed"]
