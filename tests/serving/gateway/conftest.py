"""Real OpenAI clients of the running gateways, and pictures as they send and get them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from PIL import Image

from litho.bundle import Bundle
from litho.bundle.explanation import Explanation, StartingPoint
from litho.bundle.signing import read_manifest
from litho.export.explanations import carry
from litho.serving.gateway.program import Program

STARTING_PICTURE = b"a picture"
"""Content of the file in the explanation of `explain_model`."""


@pytest.fixture(scope="session")
def client(gateway: Program) -> Iterator[openai.OpenAI]:
    """Of the gateway whose model is "tiny", which takes a label."""
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as opened:
        yield opened


@pytest.fixture(scope="session")
def streaming_client(streaming_gateway: Program) -> Iterator[openai.OpenAI]:
    """Of the gateway whose models stream, or take pictures."""
    with openai.OpenAI(base_url=f"{streaming_gateway.url}/v1", api_key="none", max_retries=0) as opened:
        yield opened


def pixels_of(text: str | bytes | None) -> np.ndarray:
    """UINT8 of shape (height, width, channels) of a file, or of one in base64."""
    assert text is not None
    content = base64.b64decode(text) if isinstance(text, str) else text
    pixels = np.asarray(Image.open(BytesIO(content)))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def png(pixels: np.ndarray, **options: Any) -> bytes:
    """A PNG file."""
    out = BytesIO()
    Image.fromarray(pixels).save(out, "PNG", **options)
    return out.getvalue()


def hole(mask: np.ndarray) -> bytes:
    """A mask as OpenAI's clients send it: transparent where `mask` of shape (height, width, 1) is not zero."""
    alpha = np.where(mask > 0, 0, 255).astype(np.uint8)
    return png(np.concatenate([np.zeros((*mask.shape[:2], 3), np.uint8), alpha], axis=2))


def explain_model(bundle: Path, *, seed: int = 0) -> None:
    """Write a small explanation into the served part of a bundle, and into its manifest."""
    part = Bundle(bundle, read_manifest(bundle))
    explanation = Explanation(
        family="cgan",
        weights_sha256=part.manifest.checkpoint_sha256,
        data="digits",
        picture=(32, 32, 1),
        captum="0",
        starting_points=(StartingPoint(seed=seed, latent=(0.0,), made="start-0.png"),),
    )
    files = {"explanation.json": explanation.model_dump_json().encode(), "start-0.png": STARTING_PICTURE}
    carry(part, {f"explanation/{name}": content for name, content in files.items()})
