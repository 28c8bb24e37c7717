"""What a finished run says of itself, read without torch: `snapshot.json`, `evaluation.json`, its last samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field as Constraint, ValidationError

from ..bundle.json_documents import read_document
from ..errors import SchemaError, expected
from ..signature import GeneratorSignature

__all__ = [
    "CHECKPOINT",
    "SAMPLES",
    "SNAPSHOT_NAME",
    "WEIGHTS_NAME",
    "Data",
    "Measured",
    "RunDescription",
    "read_run",
]

SNAPSHOT_NAME = "snapshot.json"
WEIGHTS_NAME = "snapshot.safetensors"
EVALUATION_NAME = "evaluation.json"
SAMPLES = "samples"
CHECKPOINT = "checkpoint"

_SNAPSHOT_SCHEMA = 1
_EVALUATION_SCHEMA = 1
Finite = Annotated[float, Constraint(allow_inf_nan=False)]


class _Part(BaseModel):
    """A part of a document of the training stage, which this stage does not import."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Data(_Part):
    """The training data: name as it was given, number of images, SPDX identifier of their licence."""

    name: str
    count: Annotated[int, Constraint(ge=1)]
    licence: str | None = None


class Measured(_Part):
    """One figure of an evaluation; the meanings are those of `training.evaluation.document.Figure`."""

    metric: str
    unit: str = ""
    value: Finite
    reference: Annotated[
        Finite | None,
        Constraint(validation_alias=AliasChoices("reference", "floor")),  # glossary: older documents
    ] = None
    better: Literal["lower", "higher"]
    n: Annotated[int, Constraint(ge=1)]


class _Section(_Part):
    figures: tuple[Measured, ...] = ()


class _Evaluation(_Part):
    data: str
    weights_sha256: str
    sections: tuple[_Section, ...] = ()


class RunDescription(_Part):
    """A finished run.

    Args:
        family, preset, licence, signature, data, nimg, weights_sha256, quality: as in `snapshot.json`.
        figures: of `evaluation.json`, if that is of the same weights.
        evaluated_on: the data of the evaluation; empty without one.
        samples: path of the newest picture of samples inside the run; None if there is none.
    """

    family: str
    preset: str | None = None
    licence: str | None = None
    signature: GeneratorSignature
    data: Data | None = None
    nimg: Annotated[int, Constraint(ge=0)]
    weights_sha256: Annotated[str, Constraint(pattern=r"^[0-9a-f]{64}$")]
    quality: dict[str, Finite] = Constraint(default_factory=dict)
    figures: tuple[Measured, ...] = ()
    evaluated_on: str = ""
    samples: str | None = None


def read_run(root: Path) -> RunDescription:
    """Read what the run at `root` says of itself.

    Raises:
        SchemaError: a document is damaged, or of a newer litho.
        IntegrityError: a document is missing, or is not an ordinary file.
    """
    document = read_document(root, SNAPSHOT_NAME, _SNAPSHOT_SCHEMA)
    run = _parse(
        RunDescription, {**document, "figures": (), "evaluated_on": "", "samples": None}, root / SNAPSHOT_NAME
    )
    found = sorted((root / SAMPLES).glob("[0-9]*.png"))
    update: dict[str, Any] = {"samples": f"{SAMPLES}/{found[-1].name}"} if found else {}
    if (root / EVALUATION_NAME).exists():
        content = read_document(root, EVALUATION_NAME, _EVALUATION_SCHEMA)
        evaluation = _parse(_Evaluation, content, root / EVALUATION_NAME)
        if evaluation.weights_sha256 == run.weights_sha256:
            figures = tuple(figure for section in evaluation.sections for figure in section.figures)
            update |= {"figures": figures, "evaluated_on": evaluation.data}
    return run.model_copy(update=update)


def _parse(kind: Any, document: dict[str, Any], file: Path) -> Any:
    import json

    try:
        # As JSON text: a list would not become a tuple.
        return kind.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise SchemaError(f"{file} is not a document of a run: {where}: {expected(first)}") from None
