"""Locks on a real S3 server and in memory: one holder, and none that is gone."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from litho.errors import StorageError
from litho.object_lock import Lock, locked
from litho.object_store import ObjectStore


def test_a_lock_has_one_holder(store: ObjectStore) -> None:
    with locked(store, ".lock"):
        with pytest.raises(StorageError, match=rf"is writing {store.url}; wait until it ends, at most \d+ s"):
            Lock(store, ".lock").acquire()
        assert store.listed() == [".lock"]
    assert store.listed() == []
    with locked(store, ".lock"):
        pass


@pytest.mark.parametrize(
    "content", [json.dumps({"owner": "dead", "until": 1.0}).encode(), b"nonsense", b"{}"]
)
def test_a_lock_that_ran_out_is_taken(store: ObjectStore, content: bytes) -> None:
    store.write(".lock", content)
    with locked(store, ".lock"):
        found = store.read(".lock")
        assert found is not None
        assert json.loads(found)["until"] > time.time()
    assert store.listed() == []


def test_the_lock_of_a_killed_process_of_this_machine_is_taken_at_once(store: ObjectStore) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    lock = Lock(store, ".lock")
    lock.acquire()
    for changed, taken in (
        ({"pid": ended.pid}, True),
        ({"pid": ended.pid, "host": "another"}, False),
        ({"pid": ended.pid, "pids": "pid:[1]"}, False),  # a container of this machine has numbers of its own
        ({"pid": os.getpid()}, False),
    ):
        holder = json.loads(store.read(".lock") or b"")
        store.write(".lock", json.dumps({**holder, "host": socket.gethostname(), **changed}).encode())
        if taken:
            Lock(store, ".lock").acquire()
        else:
            with pytest.raises(StorageError, match="is writing"):
                Lock(store, ".lock").acquire()


def test_a_holder_whose_lock_was_taken_is_told(store: ObjectStore) -> None:
    with locked(store, ".lock") as lock:
        lock.keep()  # still its own, and new
        lock._until = 0.0  # half of its time is over
        lock.keep()
        assert lock._until > time.time()
        store.write(".lock", b"{}")  # it has run out, and another takes it
        Lock(store, ".lock").acquire()
        lock._until = 0.0
        with pytest.raises(StorageError, match="another process has begun to write"):
            lock.keep()
    assert store.read(".lock") is not None, "the other's lock stays"
