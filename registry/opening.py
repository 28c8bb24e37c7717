"""Which module speaks to the registry of an address; the clients are imported when they are needed."""

from __future__ import annotations

from .address import Address, FolderAddress, HubAddress
from .base import Registry

__all__ = ["open_registry"]


def open_registry(address: Address, *, private: bool = False, plain_http: bool = False) -> Registry:
    """The registry of an address.

    Args:
        address: of an upload.
        private: make a repository of the hub that does not exist yet a private one.
        plain_http: speak to an OCI registry of another machine without TLS.
    """
    if isinstance(address, HubAddress):
        from .hub import Hub

        return Hub(address, private=private)
    if isinstance(address, FolderAddress):
        from .folder import Folder

        return Folder(address)
    from .oci import Oci

    return Oci(address, plain_http=plain_http)
