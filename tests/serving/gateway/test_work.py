import pytest

from litho.serving.gateway.work import derived_seed, new_seed, preview_steps, rows_of
from litho.signature import Signature
from litho.signature.fields import image_output, label_field, seed_field

SEEDS = [7, 6407473285080678, 6369081055435201]


def test_the_first_picture_has_the_seed_itself() -> None:
    assert derived_seed(7, 0) == 7


def test_neighbouring_requests_share_no_picture() -> None:
    seeds = [derived_seed(seed, k) for seed in range(100) for k in range(10)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**53 for seed in seeds)


def test_a_new_seed_is_exact_in_javascript() -> None:
    assert all(0 <= new_seed() < 2**53 for _ in range(100))


def test_the_derived_seeds_stay_as_they_are() -> None:
    """Receipts and notes of users name them."""
    assert [derived_seed(7, k) for k in range(3)] == SEEDS


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("steps", range(2, 65))
def test_there_are_as_many_previews_as_asked_for_and_spread(steps: int, count: int) -> None:
    every, shown = preview_steps(steps, count)
    assert len(shown) == min(count, steps - 1)
    assert all(0 < step < steps and step % every == 0 for step in shown)
    if steps > 8:
        ideal = [steps * (k + 1) / (count + 1) for k in range(count)]
        assert all(abs(a - b) <= 2 + steps / 16 for a, b in zip(sorted(shown), ideal, strict=True))


def test_no_previews_are_asked_for_where_there_are_none() -> None:
    assert preview_steps(1, 3) == preview_steps(16, 0) == (0, frozenset())


def test_pictures_differ_in_their_seeds_alone() -> None:
    signature = Signature(inputs=(seed_field(), label_field(("a", "b"))), output=image_output(8, 8, 1))
    fields = signature.check({"seed": [7], "label": [1]})
    rows = rows_of(signature, fields, 3)
    assert [int(row["seed"].item()) for row in rows] == SEEDS
    assert all(row["label"].tolist() == [1] for row in rows)
    assert rows_of(signature, {"label": fields["label"]}, 1)[0]["seed"].item() < 2**53
