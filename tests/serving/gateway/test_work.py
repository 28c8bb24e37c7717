from litho.serving.gateway.work import derived_seed, new_seed
from litho.signature.noise import MAX_SEED


def test_the_first_picture_has_the_seed_itself() -> None:
    assert derived_seed(7, 0) == 7


def test_neighbouring_requests_share_no_picture() -> None:
    seeds = [derived_seed(seed, k) for seed in range(100) for k in range(10)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed <= MAX_SEED for seed in seeds)


def test_a_new_seed_is_exact_in_javascript() -> None:
    assert all(0 <= new_seed() < 2**53 for _ in range(100))
