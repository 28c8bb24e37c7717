"""One request on its way through the middlewares, and the chain that they form.

A middleware of its own coroutine and its own `send` costs more than what most of them do. Here all of them share one:
each says what it does when a request comes, when its answer begins and when it has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from .connection import GONE_STATUS
from .errors import ApiError
from .protection.answers import App, Message, Receive, Scope, Send, answer, state_of

__all__ = ["Chain", "Exchange", "Stage", "chained"]

Headers = list[tuple[bytes, bytes]]


class Exchange:
    """One request and what is known of its answer.

    Args:
        scope, receive, send: of the request, as ASGI gives them.
        heads: what adds headers to the answer.
        lasts: what wants to know when its last part was sent.

    Attributes:
        scope: of the request.
        state: what routes see as `request.state`.
        facts: what routes, log, metrics and traces say of the request to each other.
        receive: gives the parts of the body; a stage may put its own before it.
        began: when it came, as `perf_counter` gives it.
        started: whether the answer has begun.
        status: of the answer; 499 until it begins, 500 after a failure that nothing answered.
        sent_bytes: of the answer's content.
        refused: is answered in place of what a route may say from now on; None for nothing.
        closes: whether an answer of a stage ends the connection.
        on_arrival: is called once when its body has arrived; None for nothing.
    """

    __slots__ = (
        "_given",
        "_heads",
        "_lasts",
        "_send",
        "began",
        "closes",
        "facts",
        "on_arrival",
        "receive",
        "refused",
        "scope",
        "sent_bytes",
        "started",
        "state",
        "status",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        heads: Sequence[Stage] = (),
        lasts: Sequence[Stage] = (),
    ) -> None:
        self.scope, self.receive, self._send = scope, receive, send
        self._heads, self._lasts = heads, lasts
        self.state = state_of(scope)
        self.facts: dict[str, Any] = self.state.setdefault("facts", {})
        self.began = perf_counter()
        self.started = self.closes = False
        self.status, self.sent_bytes = GONE_STATUS, 0
        self.refused: ApiError | None = None
        self.on_arrival: Callable[[], None] | None = None
        self._given: dict[bytes, bytes] | None = None

    @property
    def method(self) -> str:
        """Of HTTP."""
        return self.scope["method"]

    @property
    def path(self) -> str:
        """Of the request."""
        return self.scope.get("path", "")

    @property
    def route(self) -> str:
        """Pattern of the path; empty where no route was found."""
        return getattr(self.scope.get("route"), "path", "")

    @property
    def has_body(self) -> bool:
        """Whether its head announces one that is not empty."""
        return self.header(b"content-length") not in (None, b"0") or (
            self.header(b"transfer-encoding") is not None
        )

    def arrived(self) -> None:
        """Its body is here, or nobody waits for it any more."""
        if self.on_arrival is not None:
            self.on_arrival()
            self.on_arrival = None

    def header(self, name: bytes) -> bytes | None:
        """The value of a header in small letters; None if it is absent, the first if there are several."""
        if self._given is None:
            self._given = dict(reversed(self.scope.get("headers", ())))
        return self._given.get(name)

    async def send(self, message: Message) -> None:
        """Pass a message of the answer on, unless the request was refused before it began."""
        if message["type"] == "http.response.start":
            if self.refused is not None:
                return
            self.started = True
            self.status = message["status"]
            if self._heads:
                headers: Headers = list(message.get("headers", ()))
                for stage in self._heads:
                    stage.head(self, headers)
                message["headers"] = headers
        elif self.refused is not None and not self.started:
            return
        else:
            if self.method != "HEAD":  # whose content the HTTP server leaves out
                self.sent_bytes += len(message.get("body", b""))
            if not message.get("more_body", False):
                await self._send(message)
                for stage in self._lasts:
                    stage.sent(self)
                return
        await self._send(message)

    async def answer(self, error: ApiError) -> None:
        """Answer with an error; nothing may have been sent."""
        self.refused = None
        await answer(self.scope, self.send, error, close=self.closes)


class Stage:
    """What a middleware does; each of its methods may be left out.

    Attributes:
        around: puts an application of a library around the later stages; None for nothing.
    """

    around: Callable[[App], App] | None = None

    def begin(self, exchange: Exchange) -> ApiError | None:
        """A request has come; an error is answered at once, and no later stage sees the request."""

    def head(self, exchange: Exchange, headers: Headers) -> None:
        """The answer begins: its headers, names in small letters, may be added to."""

    def sent(self, exchange: Exchange) -> None:
        """The last part of the answer was sent, and the client may ask again before this request has ended."""

    def end(self, exchange: Exchange) -> None:
        """A request that this stage let pass has ended, whatever became of it."""

    def failed(self, exchange: Exchange, error: BaseException) -> ApiError | bool:
        """Nothing answered an error: what is answered, True for nothing at all, False to raise it again."""
        return False


class Chain:
    """An ASGI application inside of stages.

    Args:
        app: what they are around.
        stages: the first is outermost.
    """

    def __init__(self, app: App, stages: Sequence[Stage]) -> None:
        self._app = app
        self._begins = [stage.begin if _has(stage, "begin") else None for stage in stages]
        self._ends = [stage.end if _has(stage, "end") else None for stage in stages]
        self._heads = [stage for stage in stages if _has(stage, "head")]
        self._lasts = [stage for stage in stages if _has(stage, "sent")]
        self._failed = [stage.failed for stage in reversed(stages) if _has(stage, "failed")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send, self._heads, self._lasts)
        passed = 0
        try:
            for begin in self._begins:
                if begin is not None and (refused := begin(exchange)) is not None:
                    await exchange.answer(refused)
                    return
                passed += 1
            await self._asked(exchange)
        except Exception:
            exchange.status = 500
            raise
        finally:
            for end in reversed(self._ends[:passed]):
                if end is not None:
                    end(exchange)
            # That of a stage knows the exchange: both, and the body, would wait for the search for cycles.
            exchange.receive = receive

    async def _asked(self, exchange: Exchange) -> None:
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except BaseException as error:
            if exchange.refused is None or not isinstance(error, Exception):
                said = next((said for failed in self._failed if (said := failed(exchange, error))), False)
                if said is False:
                    raise
                if isinstance(said, ApiError):
                    await exchange.answer(said)
                return
        if exchange.refused is not None and not exchange.started:
            await exchange.answer(exchange.refused)


def chained(app: App, stages: Sequence[Stage]) -> App:
    """An ASGI application inside of stages, the first of which is outermost."""
    later: list[Stage] = []
    for stage in reversed(stages):
        if stage.around is not None:
            app, later = stage.around(Chain(app, later)), []
        later.insert(0, stage)
    return Chain(app, later)


def _has(stage: Stage, name: str) -> bool:
    return getattr(type(stage), name) is not getattr(Stage, name)
