"""Figures: counted once, and never in more series than there are routes."""

from prometheus_client.parser import text_string_to_metric_families

from litho.serving.gateway.observation.metrics import Metrics


def samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    content, _ = metrics.text()
    return {
        tuple(text for _, text in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
        if sample.name == name
    }


def test_requests_are_counted_with_their_time_and_their_refusal() -> None:
    up = True
    metrics = Metrics(lambda: up)
    for method, status, error in (
        ("GET", 200, ""),
        ("GET", 200, ""),
        ("BREW", 429, ""),
        ("GET", 400, "no_model"),
    ):
        metrics.begin()
        assert samples(metrics, "litho_gateway_requests_in_flight") == {(): 1}
        metrics.end("/v1/models", method, status, 0.02, error)
    assert samples(metrics, "litho_gateway_requests_total") == {
        ("GET", "/v1/models", "200"): 2,
        ("other", "/v1/models", "429"): 1,
        ("GET", "/v1/models", "400"): 1,
    }
    assert samples(metrics, "litho_gateway_rejected_total") == {("rate_limit_exceeded",): 1, ("no_model",): 1}
    assert samples(metrics, "litho_gateway_request_seconds_count") == {("/v1/models",): 4}
    assert samples(metrics, "litho_gateway_requests_in_flight") == {(): 0}
    metrics.made("digits", 3)
    assert samples(metrics, "litho_gateway_pictures_total") == {("digits",): 3}
    assert samples(metrics, "litho_gateway_triton_up") == {(): 1}
    up = False
    assert samples(metrics, "litho_gateway_triton_up") == {(): 0}


def test_two_gateways_in_one_process_count_apart() -> None:
    one, other = Metrics(lambda: True), Metrics(lambda: True)
    one.made("digits", 1)
    assert samples(other, "litho_gateway_pictures_total") == {}


def test_openmetrics_is_given_to_who_asks_for_it() -> None:
    content, media_type = Metrics(lambda: True).text("application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    assert content.endswith(b"# EOF\n")
