"""What an evaluation found: `evaluation.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, ValidationError
from pydantic import Field as Constraint

from ...bundle.json_documents import Document, read_document
from ...errors import SchemaError

__all__ = [
    "DOCUMENT_NAME",
    "PAGE_NAME",
    "Evaluation",
    "FeatureNetInfo",
    "Figure",
    "Section",
    "read_evaluation",
]

SCHEMA_VERSION = 1
DOCUMENT_NAME = "evaluation.json"
PAGE_NAME = "evaluation.html"

Finite = Annotated[float, Constraint(allow_inf_nan=False)]
Hash = Annotated[str, Constraint(pattern=r"^[0-9a-f]{64}$")]


def _also(*names: str) -> Any:
    """A field that is read under any of these names and written under its own."""
    return Constraint(validation_alias=AliasChoices(*names))


class Figure(Document):
    """One measured figure, with the same figure of real images and of an untrained method.

    Args:
        metric: name, for example "FD-digits".
        unit: for example "share" (0 to 1), "nats", "dB"; "" where there is none.
        value: of the generator.
        reference: the figure of real images, which a good generator reaches; None if there is none.
        reference_of: name of those images, for example "test set".
        baseline: the figure of something untrained, such as noise or an enlarged source; None if there is none.
        baseline_of: name of the untrained method, for example "noise" or "bicubic".
        better: whether lower or higher values are better.
        n: number of pictures measured.

    Older documents call the reference "floor" and the baseline "ceiling"; both names are read.
    """

    metric: str
    unit: str = ""
    value: Finite
    reference: Annotated[Finite | None, _also("reference", "floor")] = None
    reference_of: Annotated[str, _also("reference_of", "floor_of")] = ""
    baseline: Annotated[Finite | None, _also("baseline", "ceiling")] = None
    baseline_of: Annotated[str, _also("baseline_of", "ceiling_of")] = ""
    better: Literal["lower", "higher"]
    n: Annotated[int, Constraint(ge=1)]

    @property
    def name(self) -> str:
        """Name with unit."""
        return f"{self.metric} ({self.unit})" if self.unit else self.metric


class Section(Document):
    """What one part of an evaluation found.

    Args:
        part: name of the part, a module of `evaluation.parts`.
        title: for a person.
        figures: empty where it failed.
        failure: why a figure could not be computed; "" where all were.
    """

    part: str
    title: str
    figures: tuple[Figure, ...] = ()
    failure: str = ""


class FeatureNetInfo(Document):
    """What a feature net is; written beside its weights.

    Args:
        schema_version: of this document.
        name: of the data, as in "FD-<name>".
        data: as `--data` takes it.
        data_sha256: of the images and labels that it was trained and tested on.
        task: what it tells apart: "classes", "channels" (the classes of each channel), or "turns" (quarter turns of
            pictures without labels).
        picture: height, width and channels of what it was trained on.
        classes: how many it tells apart.
        recipe: what it was trained by.
        accuracy: share of the test pictures that it classifies rightly.
        test_count: test pictures.
        weights_sha256: of the safetensors file.
        torch: version that trained it.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    data: str
    data_sha256: Hash
    task: Literal["classes", "channels", "turns"]
    picture: tuple[int, int, int]
    classes: Annotated[int, Constraint(ge=2)]
    recipe: dict[str, float]
    accuracy: Annotated[float, Constraint(ge=0, le=1)]
    test_count: Annotated[int, Constraint(ge=1)]
    weights_sha256: Hash
    torch: str


class Evaluation(Document):
    """Everything that was measured of one snapshot; written as `evaluation.json`.

    The same snapshot, data and machine give the same document.

    Args:
        schema_version: of this document.
        family, preset, nimg, weights_sha256: of the snapshot.
        data: what it was compared with, as `--data` takes it.
        data_sha256: of those images.
        train_count, test_count: images of the two parts of the data.
        feature_net: the judge.
        samples: pictures asked for.
        fields: inputs that were set for all pictures, name -> value.
        device: "cpu" or "cuda".
        inception_sha256: of the Inception network's file; None where FID and IS were left out.
        sections: in the order of the page.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    family: str
    preset: str | None
    nimg: int
    weights_sha256: Hash
    data: str
    data_sha256: Hash
    train_count: int
    test_count: int
    feature_net: FeatureNetInfo
    samples: int
    fields: dict[str, float] = Constraint(default_factory=dict)
    device: str
    inception_sha256: Hash | None = None
    sections: tuple[Section, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All figures, in the order of the page."""
        return tuple(figure for section in self.sections for figure in section.figures)

    @property
    def failures(self) -> tuple[Section, ...]:
        """The parts that failed."""
        return tuple(section for section in self.sections if section.failure)

    def quality(self) -> dict[str, float]:
        """Name with unit -> value, of all figures."""
        return {figure.name: figure.value for figure in self.figures}


def read_evaluation(run: Path) -> Evaluation:
    """The evaluation in a run's directory.

    Raises:
        SchemaError: it is damaged, foreign or of a newer litho.
        IntegrityError: there is none, or it is not an ordinary file.
    """
    read_document(run, DOCUMENT_NAME, SCHEMA_VERSION)
    try:
        return Evaluation.model_validate_json((run / DOCUMENT_NAME).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SchemaError(f"{run / DOCUMENT_NAME} is no evaluation: {where}: {first['msg']}") from None
