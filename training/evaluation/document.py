"""The results of an evaluation: `evaluation.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field as Constraint

from ...bundle.explanation import FOLDER
from ...bundle.json_documents import Document, read_as
from ...errors import UsageError

__all__ = [
    "DOCUMENT_NAME",
    "PAGE_NAME",
    "Evaluation",
    "FeatureNetInfo",
    "Figure",
    "Section",
    "explanation_folder",
    "locate_output",
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
    """Results of one part of an evaluation.

    Args:
        part: name of the part, a module of `evaluation.parts`; or "explanation".
        title: heading.
        figures: empty if the part failed.
        failure: the reason of a failure, else "".
    """

    part: str
    title: str
    figures: tuple[Figure, ...] = ()
    failure: str = ""


class FeatureNetInfo(Document):
    """Description of a feature net; written beside its weights.

    Args:
        schema_version: of this document.
        name: of the data, as in "FD-<name>".
        data: the value of `--data`.
        data_sha256: of the images and labels that it was trained and tested on.
        task: what it classifies: "classes", "channels" (the class of each channel), or "turns" (quarter turns of
            pictures without labels).
        picture: height, width and channels of the training images.
        classes: number of classes.
        recipe: of its training.
        accuracy: share of test pictures classified correctly.
        test_count: number of test pictures.
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
    """All results for one snapshot; written as `evaluation.json`.

    The same snapshot, data and machine give the same document.

    Args:
        schema_version: of this document.
        family, preset, nimg, weights_sha256: of the snapshot.
        data: the data it was compared with, as the value of `--data`.
        data_sha256: of those images.
        train_count, test_count: images in the two parts of the data.
        feature_net: the feature net used.
        samples: number of samples drawn.
        fields: inputs fixed for all pictures, name -> value.
        device: "cpu" or "cuda".
        inception_sha256: of the Inception network's file; None without FID and IS.
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


def locate_output(output: Path) -> tuple[Path, Path]:
    """Paths of an evaluation's page and document.

    Args:
        output: a folder; or a file ending in .html or .json, which gets the other beside it.

    Raises:
        UsageError: it has another ending.
    """
    if output.is_dir() or not output.suffix:
        return output / PAGE_NAME, output / DOCUMENT_NAME
    if output.suffix not in (".html", ".json"):
        raise UsageError(
            f"output {str(output)!r} is not a folder; expected a folder or a .html or .json file"
        )
    return output.with_suffix(".html"), output.with_suffix(".json")


def explanation_folder(page: Path) -> Path:
    """The folder of the explanation that belongs to the page of an evaluation."""
    return page.with_name(FOLDER if page.name == PAGE_NAME else f"{page.stem}-{FOLDER}")


def read_evaluation(run: Path) -> Evaluation:
    """Read the evaluation in a run's directory.

    Raises:
        SchemaError: the document is damaged, invalid or of a newer litho.
        IntegrityError: the file is missing or not an ordinary file.
    """
    return read_as(Evaluation, "a valid evaluation", run, DOCUMENT_NAME, SCHEMA_VERSION)
