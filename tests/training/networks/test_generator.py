import pytest

from litho.signature.fields import Role
from litho.training.models import family_names

from ...smallest import smallest_generator


@pytest.mark.parametrize("name", family_names())
def test_a_generator_can_be_built_again_and_says_what_it_takes(name: str) -> None:
    generator = smallest_generator(name)
    again = type(generator)(**generator.architecture)
    shapes = {key: tensor.shape for key, tensor in generator.state_dict().items()}
    assert {key: tensor.shape for key, tensor in again.state_dict().items()} == shapes
    signature = generator.signature()
    assert (signature.field(Role.SEED) is not None) == bool(generator.latent_size)
    assert again.signature() == signature


@pytest.mark.parametrize("name", family_names())
def test_the_first_form_is_the_generator_itself(name: str) -> None:
    generator = smallest_generator(name)
    forms = generator.forms(generator.signature())
    first, (network, signature) = next(iter(forms.items()))
    assert first == ("seed" if generator.latent_size else "image")
    assert network is generator
    assert signature == generator.signature()
    if "latent" in forms and forms["latent"][0] is generator:
        latent = forms["latent"][1].field(Role.LATENT)
        assert latent is not None
        assert latent.shape == (generator.latent_size,)
