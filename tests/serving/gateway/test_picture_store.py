from litho.serving.gateway.picture_store import PictureStore


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_picture_goes_after_its_time() -> None:
    clock = Clock()
    store = PictureStore(100, 60, clock)
    name = store.add(b"a", "png")
    clock.now = 59
    found = store.get(name)
    assert found is not None
    assert (found.content, found.form) == (b"a", "png")
    clock.now = 60
    assert store.get(name) is None
    assert store.size_bytes == 0


def test_the_oldest_go_where_the_memory_does_not_suffice() -> None:
    store = PictureStore(100, 60)
    names = [store.add(bytes(40), "png") for _ in range(3)]
    assert [store.get(name) is None for name in names] == [True, False, False]
    assert store.size_bytes == 80


def test_names_are_random() -> None:
    store = PictureStore(100, 60)
    names = {store.add(b"a", "jpeg") for _ in range(100)}
    assert len(names) == 100
    assert all(len(name) == len("jpeg") + 33 for name in names)
