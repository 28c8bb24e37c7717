"""What is to be served, in one object: everything that a `config.pbtxt` says follows from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, TypeAlias

from tritonclient.grpc import model_config_pb2

from ...bundle import Bundle
from ...bundle.manifest import Manifest, Variant
from ...bundle.signing import MANIFEST_NAME, SIGNATURE_NAME, signed_files
from ...signature import Signature
from ...signature.fields import Field
from .settings import ServingSettings

__all__ = ["Description", "ModelConfig", "data_type", "triton"]

triton: Any = model_config_pb2  # protobuf makes the classes of the schema while it is imported

ModelConfig: TypeAlias = Any
"""Triton's message of that name, which type checkers cannot see."""


@dataclass(frozen=True)
class Description:
    """One version of a deployment.

    Args:
        name: of the model in the repository.
        manifest: of the served bundle.
        variants: the served variants, one of each stage.
        version: the only served version; earlier ones stay for `rollback`.
        settings: batching, queue and instances.
        engines: further variants of the same generator, for other GPUs; flavour tensorrt.
        manifest_sha256: of the bundle's manifest.json, in hexadecimal digits; empty if unknown.
        manifest_signature: the bundle's digital signature, in hexadecimal digits; empty if it is not signed.
    """

    name: str
    manifest: Manifest
    variants: tuple[Variant, ...]
    version: int
    settings: ServingSettings
    engines: tuple[Variant, ...] = ()
    manifest_sha256: str = ""
    manifest_signature: str = ""

    @property
    def signature(self) -> Signature:
        """Inputs and output of the generator."""
        return self.manifest.signature

    @property
    def batch_limit(self) -> int:
        """Largest batch that is served."""
        return self.settings.batch_limit(self.variants)

    @property
    def instance_count(self) -> int:
        """Instances on each device."""
        return self.settings.instance_count or (2 if self.manifest.sampler is None else 1)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The batch sizes that matter: smallest, preferred and largest, ascending."""
        batches = [size for variant in self.variants for size in variant.batches]
        sizes = {*batches, *self.settings.preferred_batch_sizes}
        return tuple(sorted({min(size, self.batch_limit) for size in sizes}))

    @staticmethod
    def proof_of(bundle: Bundle) -> dict[str, str]:
        """The hash and the digital signature of a bundle's manifest, as the arguments of those names."""
        content = (bundle.path / MANIFEST_NAME).read_bytes()
        signed = signed_files(bundle.path).get(SIGNATURE_NAME, b"")
        return {
            "manifest_sha256": hashlib.sha256(content).hexdigest(),
            "manifest_signature": signed.hex(),
        }


def data_type(field: Field) -> Any:
    """Triton's number for a field's element type."""
    return triton.DataType.Value("TYPE_STRING" if field.dtype == "BYTES" else f"TYPE_{field.dtype}")
