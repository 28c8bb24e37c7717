"""Real OpenAI clients of the running gateways, and pictures as they send and get them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import openai
import pytest
from PIL import Image

from litho.serving.gateway.program import Program


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
