from pathlib import Path

import pytest

from litho.bundle import Bundle
from litho.errors import UsageError
from litho.serving.configuration.checks import check_config
from litho.serving.configuration.flavours import flavour
from litho.serving.configuration.model_config import model_config

from ...described import a_manifest, config_of, described


def parameters_of(config: object) -> dict[str, str]:
    return {key: value.string_value for key, value in config.parameters.items()}


def test_threads_and_batching_are_parameters_of_the_backend() -> None:
    plain = parameters_of(config_of(a_manifest()))
    assert plain["litho_batching"] == "whole"
    assert not {"litho_threads", "litho_live_rows"} & set(plain)
    assert parameters_of(config_of(a_manifest(), threads=3))["litho_threads"] == "3"


def test_a_sampler_in_flight_streams_rows_and_steps(flow_bundle: Path) -> None:
    manifest = Bundle.load(flow_bundle).manifest
    for live_rows, text in ((None, "auto"), (16, "16")):
        config = model_config(
            described(manifest, batching="in-flight", live_rows=live_rows), flavour("litho")
        )
        assert check_config(config) == []
        assert config.model_transaction_policy.decoupled
        assert [output.name for output in config.output] == ["image", "row", "step"]
        assert [list(output.dims) for output in config.output[1:]] == [[1], [1]]
        assert parameters_of(config)["litho_batching"] == "in-flight"
        assert parameters_of(config)["litho_live_rows"] == text
    lanes = model_config(described(manifest, batching="in-flight", lanes=2), flavour("litho"))
    assert parameters_of(lanes)["litho_lanes"] == "2"
    whole = model_config(described(manifest), flavour("litho"))
    assert [output.name for output in whole.output] == ["image"]
    assert not whole.model_transaction_policy.decoupled


def test_what_has_no_steps_is_not_served_in_flight() -> None:
    with pytest.raises(UsageError, match="tiny is one graph without steps"):
        config_of(a_manifest(), batching="in-flight")


def test_settings_of_other_flavours_are_refused() -> None:
    for name in ("cuda_graphs", "tensorrt"):
        with pytest.raises(UsageError, match=f"{name} was given True, but flavour 'litho' has no use for it"):
            config_of(a_manifest(), device="cuda", **{name: True})
