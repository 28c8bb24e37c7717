"""An explanation: what pictures of a generator hang on, and directions of its latent space.

`litho evaluate --explain` writes the folder `explanation/` beside the evaluation, `litho export` copies it into the
bundle, and the gateway serves it. It holds `explanation.json` and the PNG files that it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field as Constraint, model_validator

from ..errors import IntegrityError
from ..files import ordinary_file
from .json_documents import Document, parse_as, read_content

__all__ = [
    "DOCUMENT_NAME",
    "DOCUMENT_PATH",
    "FOLDER",
    "MAX_FILES_BYTES",
    "Alternative",
    "Attribution",
    "Cause",
    "Direction",
    "Example",
    "Explanation",
    "LabelEntry",
    "StartingPoint",
    "is_explanation_file",
    "parse_explanation",
    "read_explanation",
]

SCHEMA_VERSION = 1
FOLDER = "explanation"
DOCUMENT_NAME = "explanation.json"
DOCUMENT_PATH = f"{FOLDER}/{DOCUMENT_NAME}"
MAX_FILES_BYTES = 16 << 20
"""Largest size of all files together."""

Finite = Annotated[float, Constraint(allow_inf_nan=False)]
PictureName = Annotated[str, Constraint(pattern=r"^[a-z0-9][a-z0-9-]*\.png$", max_length=128)]
Region = tuple[int, int, int, int]
"""Top, left, bottom and right in pixels; bottom and right are excluded."""


class Cause(Document):
    """Something that a picture hangs on: a word, the label, the seed, or a region of the source.

    Args:
        name: the word; "label" or "seed"; or row and column of the region.
        span: of a word: first character in the prompt, and the one after its last.
        region: of the source, in its pixels.
        share: of all causes together. Of "occlusion" at least 0, of "integrated-gradients" with a sign: a negative one
            works against the picture.
        change: of "occlusion": mean absolute change of the picture without this cause, in grey levels, 0 to 255.
        map: grey PNG file of the picture's size: where the picture changes without this cause.
    """

    name: str
    span: tuple[int, int] | None = None
    region: Region | None = None
    share: Finite
    change: Annotated[float, Constraint(ge=0, le=255)] | None = None
    map: PictureName | None = None


class Alternative(Document):
    """Another value of the label with the same seed.

    Args:
        value: of the label.
        name: of the class.
        change: mean absolute difference of its picture, in grey levels, 0 to 255.
    """

    value: int
    name: str
    change: Annotated[float, Constraint(ge=0, le=255)]


class LabelEntry(Document):
    """A layer where the label enters the network.

    Args:
        layer: name of the module.
        share: of the label's share that enters here, with a sign.
    """

    layer: str
    share: Finite


class Attribution(Document):
    """What one picture hangs on, by one method.

    Args:
        method: "occlusion" (Zeiler and Fergus 2014) takes away one cause after the other; "integrated-gradients"
            (Sundararajan et al. 2017) follows the gradient from a baseline to the inputs.
        without: what replaces a cause, or what the baseline is, in words.
        target: region of the made picture that is explained; None for the whole picture.
        causes: in the order of the prompt; label before seed; regions row by row.
        remainder: of "integrated-gradients": 1 minus the sum of all shares, the error of the numerical integral.
        full_scale: change in grey levels that is white (255) in the maps of all causes.
        heat: grey PNG file of the source's size: how much hangs on each of its pixels; the most is white.
        inside: of regions and "occlusion": share of the change that lies in the same region of the made picture.
        alternatives: of a label and "occlusion": all other classes.
        entries: of a label and "integrated-gradients": where it enters the network.
    """

    method: Literal["occlusion", "integrated-gradients"]
    without: str
    target: Region | None = None
    causes: tuple[Cause, ...]
    remainder: Finite = 0.0
    full_scale: Annotated[float, Constraint(ge=0, le=255)] = 0.0
    heat: PictureName | None = None
    inside: Annotated[float, Constraint(ge=0, le=1)] | None = None
    alternatives: tuple[Alternative, ...] = ()
    entries: tuple[LabelEntry, ...] = ()


class Example(Document):
    """One picture that is explained.

    Args:
        name: unique, such as "words-0".
        kind: whether its causes are the words of a prompt, the label and the seed, or regions of a source.
        inputs: numbers and texts that made it, field name -> value; another bundle of the generator may take a latent
            in place of the seed.
        images: PNG files of the pictures that it was made from, field name -> file name.
        made: PNG file of the picture.
        attributions: one for each method.
    """

    name: str
    kind: Literal["words", "label", "source"]
    inputs: dict[str, int | Finite | str]
    images: dict[str, PictureName] = Constraint(default_factory=dict)
    made: PictureName
    attributions: tuple[Attribution, ...]


class StartingPoint(Document):
    """A latent from which the strips of directions start.

    Args:
        seed: that the latent comes from.
        label: of the picture; None for a generator without classes.
        latent: FP32 of shape (latent_size,).
        made: PNG file of its picture.
    """

    seed: int
    label: int | None = None
    latent: tuple[Finite, ...]
    made: PictureName


class Direction(Document):
    """A direction of the latent space: latent + amount x vector.

    Args:
        name: unique, such as "sefa-1".
        method: "ganspace" (Härkönen et al. 2020): principal components of the activations behind the first layer;
            "sefa" (Shen and Zhou 2021): eigenvectors of the first layer's weights.
        vector: FP32 of shape (latent_size,) and length 1.
        weight: share of the variance of the activations ("ganspace"), or of the sum of all eigenvalues ("sefa").
        amounts: of the strip's columns, ascending, in standard deviations of a latent value; the first and last are
            the ends of a slider.
        change: mean absolute change of the picture from 0 to both ends, in grey levels.
        random_change: the same for random directions.
        label_kept: share of the pictures at both ends that the feature net still puts in the requested class; None for
            a generator without classes.
        describes: what changes most along it, such as "brightness"; empty if nothing that is measured does.
        effects: measured property -> its mean change for an amount of 1, in standard deviations over pictures.
        strip: PNG file: one row for each starting point, one column for each amount, without gaps.
    """

    name: str
    method: Literal["ganspace", "sefa"]
    vector: tuple[Finite, ...]
    weight: Annotated[float, Constraint(ge=0, le=1)]
    amounts: tuple[Finite, ...]
    change: Annotated[float, Constraint(ge=0, le=255)]
    random_change: Annotated[float, Constraint(ge=0, le=255)]
    label_kept: Annotated[float, Constraint(ge=0, le=1)] | None = None
    describes: str = ""
    effects: dict[str, Finite] = Constraint(default_factory=dict)
    strip: PictureName


class Explanation(Document):
    """Content of `explanation.json`. The same snapshot, data and machine give the same document.

    Args:
        schema_version: of this document.
        family, preset: of the generator.
        weights_sha256: of its weights.
        data: that captions, labels and sources are from.
        picture: height, width and channels of the made pictures.
        captum: version of the library that computed the attributions.
        examples: explained pictures.
        starting_points: of the strips, in the order of their rows.
        directions: of the latent space; empty if it has none that can be found from the first layer.
        notes: what could not be explained, and why.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    family: str
    preset: str | None = None
    weights_sha256: Annotated[str, Constraint(pattern=r"^[0-9a-f]{64}$")]
    data: str
    picture: tuple[int, int, int]
    captum: str
    examples: tuple[Example, ...] = ()
    starting_points: tuple[StartingPoint, ...] = ()
    directions: tuple[Direction, ...] = ()
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Explanation:
        names = [one.name for one in (*self.examples, *self.directions)]
        if len(set(names)) != len(names):
            raise ValueError("names of examples and directions are not unique")
        sizes = {len(one.latent) for one in self.starting_points} | {
            len(one.vector) for one in self.directions
        }
        if len(sizes) > 1:
            raise ValueError(f"latents and directions have different sizes: {sorted(sizes)}")
        return self

    def pictures(self) -> Iterator[str]:
        """Names of all PNG files."""
        for example in self.examples:
            yield example.made
            yield from example.images.values()
            for attribution in example.attributions:
                if attribution.heat is not None:
                    yield attribution.heat
                yield from (cause.map for cause in attribution.causes if cause.map is not None)
        yield from (point.made for point in self.starting_points)
        yield from (direction.strip for direction in self.directions)


def is_explanation_file(path: str) -> bool:
    """Whether a path inside a bundle is a file of its explanation."""
    return path.startswith(f"{FOLDER}/")


def parse_explanation(folder: Path, content: bytes) -> Explanation:
    """The explanation in the content of `explanation.json` in a folder.

    Raises:
        SchemaError: it is none, or a newer litho wrote it.
    """
    return parse_as(Explanation, "an explanation", folder / DOCUMENT_NAME, content, SCHEMA_VERSION)


def read_explanation(folder: Path) -> tuple[Explanation, dict[str, bytes]]:
    """Read an explanation that no manifest lists, such as that of a run.

    Args:
        folder: with `explanation.json`.

    Returns:
        The document, and the content of its files by name, `explanation.json` included.

    Raises:
        SchemaError: the document is damaged or of a newer litho.
        IntegrityError: a file is missing, is not an ordinary one, or the files are too large.
    """
    content = read_content(folder, DOCUMENT_NAME)
    explanation = parse_explanation(folder, content)
    files = {DOCUMENT_NAME: content}
    left = MAX_FILES_BYTES - len(content)
    for name in sorted(set(explanation.pictures())):
        file = ordinary_file(folder, name)
        left -= file.stat().st_size
        if left < 0:
            raise IntegrityError(
                f"the files in {folder} have more than {MAX_FILES_BYTES} bytes; run 'litho evaluate --explain' again"
            )
        files[name] = file.read_bytes()
    return explanation, files
