"""litho: an image generator from a PyTorch checkpoint to a served endpoint, proven picture by picture.

The names below are imported when they are first used: `import litho` loads neither torch nor any runtime.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .bundle import Bundle
    from .errors import LithoError
    from .export.build import export as export_model
    from .runners import open_runner
    from .serving.client import Client
    from .serving.server import EmbeddedServer
    from .signature import Signature

__all__ = [
    "Bundle",
    "Client",
    "EmbeddedServer",
    "LithoError",
    "Signature",
    "__version__",
    "export_model",
    "open_runner",
]

_HOMES = {
    "Bundle": ".bundle",
    "Client": ".serving.client",
    "EmbeddedServer": ".serving.server",
    "LithoError": ".errors",
    "Signature": ".signature",
    "export_model": ".export.build:export",  # `litho.export` is the folder of that stage
    "open_runner": ".runners",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        home, _, attribute = _HOMES[name].partition(":")
        return getattr(import_module(home, __name__), attribute or name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
