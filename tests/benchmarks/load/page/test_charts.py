from litho.benchmarks.load.page.charts import Axis, band, chart, lines, rule

ROWS = [
    {"x": 1, "y": 2.0, "low": 1.5, "high": 2.5, "series": "p50", "label": "one"},
    {"x": 2, "y": 4.0, "low": None, "high": None, "series": "p50"},
    {"x": 1, "y": 8.0, "series": "p99"},
]


def test_every_series_has_a_colour_and_a_shape_of_its_own():
    encoding = lines(ROWS, Axis("load"), Axis("ms"))[-1]["encoding"]
    for channel in ("color", "shape"):
        scale = encoding[channel]["scale"]
        assert scale["domain"] == ["p50", "p99"]
        assert len(set(scale["range"])) == 2


def test_only_known_intervals_are_drawn():
    intervals = lines(ROWS, Axis("load"), Axis("ms"))[0]
    assert intervals["mark"]["type"] == "rule"
    assert intervals["data"]["values"] == ROWS[:1]


def test_points_are_explained_and_magnified_but_categories_are_not():
    free, words = (lines(ROWS, Axis("load", scale), Axis("ms"))[-1] for scale in ("linear", "category"))
    assert [param["name"] for param in free["params"]] == ["near", "zoom"]
    assert [param["name"] for param in words["params"]] == ["near"]
    assert [tip["field"] for tip in free["encoding"]["tooltip"]] == ["series", "x", "y"]


def test_layers_stand_in_their_order_and_share_what_is_said():
    made = chart("Load", [*band(1, 2), *rule(3, "limit")], alt="Time over load.", source="a test")
    assert [layer["mark"]["type"] for layer in made.specification["layer"]] == ["rect", "rule", "text"]
    assert (made.title, made.alt, made.source) == ("Load", "Time over load.", "a test")
