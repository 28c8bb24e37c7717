"""The models of the server behind the gateway: which there are, what they take, and a connection to each."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ...errors import EndpointError, EndpointUnavailable, UsageError
from ...runners.triton import MadeBy, ServedModel
from ...signature import Signature
from ..clients import AsyncClient, Retries
from ..clients.canary import CANARY_SUFFIX
from ..control.server_control import ServerControl
from ..provenance.receipt import Origin
from ..server.events import Event, Listener
from .errors import not_found, refused, unavailable
from .settings import GatewaySettings
from .together import Together

__all__ = ["Served", "ServedModels"]

RETRIES = Retries(tries=5)
"""Of a request while a model is loaded anew or its server restarts: less than a second in all, and longer than a
connection waits before it looks for a lost server again."""

CLOSE_SECONDS = 60.0
"""How long the connection to a replaced version lives on for the requests that it has."""

LOAD_SECONDS = 5
"""When to try again while a model is being loaded."""

_SOONEST_SECONDS = 0.5
"""Between two looks because of requests, which must not all become requests to the server."""


@dataclass(frozen=True, eq=False)
class Served:
    """One model of the server.

    Args:
        name: that requests ask for.
        client: a connection to it.
        version: the newest that answers.
        created: when this gateway first saw this version, Unix time in seconds.
        config: Triton's configuration as bytes, to see a change.
    """

    name: str
    client: AsyncClient
    version: int
    created: int
    config: bytes

    @property
    def signature(self) -> Signature:
        """What it takes and makes."""
        return self.client.signature

    @property
    def facts(self) -> ServedModel:
        """What `litho deploy` stored with it."""
        return self.client.served

    @cached_property
    def origin(self) -> Origin:
        """What receipts of its pictures say of it."""
        return Origin.of(self.name, self.facts, self.client.parameters, str(self.version))

    @cached_property
    def together(self) -> Together:
        """Sends requests to it: those of the same moment as one."""
        return Together(self.client)

    @property
    def bundle_sha256(self) -> str:
        """Hash of the manifest that it was deployed from; empty where an older litho deployed it."""
        return self.origin.bundle_sha256


class ServedModels:
    """The models that the server answers for, looked at again every `refresh_seconds`.

    Args:
        settings: of the gateway.
        log: hears when the server does not answer, and when it answers again.
    """

    def __init__(self, settings: GatewaySettings, log: Listener = lambda event: None) -> None:
        self._settings, self._log = settings, log
        self._url = settings.server.rstrip("/")
        self._models: dict[str, Served] = {}
        self._coming: frozenset[str] = frozenset()
        self._origins: dict[MadeBy, Origin] = {}
        self._looked = float("-inf")
        self._problem: Exception | None = EndpointError("nobody has looked yet")
        self._said_down = self._doubted = False
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.generation = 0

    @property
    def up(self) -> bool:
        """Whether the server answered when it was last asked."""
        return self._problem is None

    def all(self) -> list[Served]:
        """All models, by name.

        Raises:
            ApiError: 503, the server does not answer.
        """
        if self._problem is not None:
            raise unavailable("the model server cannot be reached; try again later", "server_unavailable")
        return [self._models[name] for name in sorted(self._models)]

    async def find(self, name: str | None, variant: str | None = None) -> Served:
        """The model of a request; without a name the only one there is.

        Args:
            name: of the model; None where the request names none.
            variant: of the same checkpoint, short or in full, for example "int8".

        Raises:
            ApiError: 404, there is no such model; 400, it has no such variant, or none was named of several; 503,
                the server does not answer, or loads the model.
        """
        unknown = name is not None and name not in self._models
        if (unknown or self._problem is not None) and time.monotonic() - self._looked > _SOONEST_SECONDS:
            await self.refresh()
        if name is None:
            known = self.all()
            if len(known) != 1:
                raise refused(f"'model' is missing; it is one of: {_listed(known)}", "model")
            found = known[0]
        elif name not in self._models:
            known = self.all()
            if name in self._coming:
                raise unavailable("the model is being loaded; try again later", "model_loading", LOAD_SECONDS)
            raise not_found(
                f"no model has this name; there are: {_listed(known)}", "model_not_found", "model"
            )
        else:
            found = self._models[name]
        return found if variant is None else self._variant(found, variant)

    def variants_of(self, served: Served) -> list[Served]:
        """The models made from the same checkpoint, this one among them, by name."""
        same = served.facts.checkpoint_sha256
        others = (self._models[name] for name in sorted(self._models))
        return [one for one in others if one.facts.checkpoint_sha256 == same]

    async def origin_of(self, served: Served, made_by: MadeBy) -> Origin:
        """What a receipt says of the version that made a picture.

        While a version replaces another, or a candidate has its share, this is not always the one that is known.

        Args:
            served: the model that was asked.
            made_by: what the server says of the answer.
        """
        if made_by.version in ("", str(served.version)) and made_by.model in ("", served.name):
            return served.origin
        if (known := self._origins.get(made_by)) is None:
            known = await asyncio.to_thread(self._origin, served, made_by)
            self._origins[made_by] = known
        return known

    def _origin(self, served: Served, made_by: MadeBy) -> Origin:
        try:
            with ServerControl(self._url) as control:
                config = control.model_config(made_by.model, int(made_by.version))
            parameters = {name: value.string_value for name, value in config.parameters.items()}
            facts = ServedModel.from_parameters(parameters)
        except (EndpointError, ValueError):  # it is gone already
            return replace(served.origin, model=made_by.model, version=made_by.version, bundle_sha256="")
        return Origin.of(made_by.model, facts, parameters, made_by.version)

    def _variant(self, served: Served, variant: str) -> Served:
        candidates = self.variants_of(served)
        for matches in (_is, _begins):
            fitting = [one for one in candidates if matches(one, variant)]
            if served in fitting:
                return served
            if len(fitting) == 1:
                return fitting[0]
        known = ", ".join(sorted({one.facts.variant for one in candidates}))
        raise refused(f"model {served.name!r} has no such variant; there are: {known}", "variant")

    async def start(self) -> None:
        """Look for the first time, and from now on again and again."""
        await self.refresh()
        self._spawn(self._keep_looking())

    async def close(self) -> None:
        """Stop looking and close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for served in self._models.values():
            await served.client.close()
        self._models = {}

    async def refresh(self) -> None:
        """Look at what the server serves now; a server that does not answer is remembered as such."""
        async with self._lock:
            self._looked = time.monotonic()
            try:
                found, coming = await asyncio.to_thread(self._look)
            except (EndpointError, UsageError) as error:
                self._heard(error)
                return
            self._heard(None)
            before = self._models
            models: dict[str, Served] = {}
            for name, (version, config) in found.items():
                known = before.get(name)
                if known is not None and (known.version, known.config) == (version, config):
                    models[name] = known
                    continue
                try:
                    if (opened := await self._open(name, version, config)) is not None:
                        models[name] = opened
                except EndpointUnavailable:
                    coming.add(name)
            self._models, self._coming = models, frozenset(coming - models.keys())
            gone = [one for name, one in before.items() if models.get(name) is not one]
            for one in gone:
                self._spawn(self._close_later(one.client))
            if gone or len(models) != len(before):
                self.generation += 1
                self._origins.clear()

    def doubt(self, error: Exception) -> None:
        """Look soon if a request did not reach the server, so that `up` says the same as the answers to requests.

        Args:
            error: of the request.
        """
        if isinstance(error, EndpointUnavailable) and not self._doubted and self.up:
            self._doubted = True
            self._spawn(self._look_soon())

    async def _look_soon(self) -> None:
        await asyncio.sleep(self._looked + _SOONEST_SECONDS - time.monotonic())
        self._doubted = False
        await self.refresh()

    def _heard(self, problem: Exception | None) -> None:
        self._problem, down = problem, problem is not None
        if down == self._said_down:
            return
        self._said_down = down
        if down:
            message = "the model server does not answer; until it does, requests are answered 503"
            self._log(Event("server-unreachable", message, "warning", cause=str(problem)))
        else:
            self._log(Event("server-reached", "the model server answers again"))

    def _look(self) -> tuple[dict[str, tuple[int, bytes]], set[str]]:
        """Name -> newest version that answers, and its configuration; names of the models that are being loaded."""
        found: dict[str, tuple[int, bytes]] = {}
        coming: set[str] = set()
        with ServerControl(self._url) as control:
            versions: dict[str, int] = {}
            for state in control.index():
                if state.state == "READY" and state.version is not None:
                    versions[state.model] = max(state.version, versions.get(state.model, 0))
                elif state.state == "LOADING":
                    coming.add(state.model)
            for name, version in versions.items():
                if name.endswith(CANARY_SUFFIX):
                    continue  # its share of the requests for the model beside it goes there by itself
                try:
                    config = control.model_config(name)
                except EndpointError:  # unloaded meanwhile
                    continue
                found[name] = version, config.SerializeToString(deterministic=True)
        return found, coming

    async def _open(self, name: str, version: int, config: bytes) -> Served | None:
        client = AsyncClient(
            f"{self._url}/{name}", timeout_seconds=self._settings.timeout_seconds, retries=RETRIES
        )
        try:
            await client.connect()
        except EndpointUnavailable:
            raise
        except EndpointError:  # no model of litho's, or gone
            return None
        return Served(name, client, version, int(time.time()), config)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(self._settings.refresh_seconds)
            await self.refresh()

    async def _close_later(self, client: AsyncClient) -> None:
        try:
            await asyncio.sleep(CLOSE_SECONDS)
        finally:
            await client.close()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _listed(models: list[Served]) -> str:
    return ", ".join(one.name for one in models) or "none"


def _is(served: Served, variant: str) -> bool:
    return variant in (served.facts.variant, served.facts.precision)


def _begins(served: Served, variant: str) -> bool:
    return variant in served.facts.variant.replace(",", ".").split(".")
