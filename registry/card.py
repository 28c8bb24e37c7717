"""The model card: a README.md with the hub's metadata, made from a bundle's manifest or a run's documents.

Nothing in a card is typed by hand or measured anew. Names and texts of others are shown as they are: their Markdown
and HTML are escaped.

Source: "Model Cards" and "Model Card metadata", Hugging Face hub documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from .._version import __version__
from ..bundle.manifest import Manifest, Variant
from ..bundle.signing import MANIFEST_NAME
from ..extras import require
from ..reporting import number
from ..reporting.markdown import markdown_table
from ..signature import GeneratorSignature
from .package import CARD_NAME, PACKAGE_NAME
from .packing import Packed, Upload
from .pictures import CardPicture, make_picture
from .run_description import RunDescription

__all__ = ["make_card"]

_LONGEST = 200
"""Characters of a text of others that are shown."""

# Identifiers of the hub that are SPDX identifiers in small letters; https://huggingface.co/docs/hub/repositories-licenses
_LICENCES = {
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "mpl-2.0", "unlicense", "wtfpl", "zlib"),
    *("cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nd-4.0"),
    *("cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0", "gpl-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "odbl", "pddl"),
}


def make_card(packed: Packed, address: str) -> list[Upload]:
    """The card of an upload, and its picture.

    Args:
        packed: the bundle or run.
        address: as the user gave it, for the commands in the card.

    Raises:
        MissingExtra: `pyyaml` is not installed.
    """
    picture = make_picture(packed)
    body = _of_bundle(packed, address, picture) if packed.bundle else _of_run(packed, address, picture)
    yaml = require("yaml", "registry")
    metadata = yaml.safe_dump(_metadata(packed), sort_keys=False, allow_unicode=True, width=100)
    text = f"---\n{metadata}---\n" + "\n".join(body) + "\n"
    card = Upload.of(CARD_NAME, text.encode())
    return [card, *([Upload.of(picture.path, picture.content)] if picture else [])]


def _metadata(packed: Packed) -> dict[str, Any]:
    """The metadata of the hub: what its search and its page read."""
    described = packed.bundle.manifest if packed.bundle else packed.run
    assert described is not None, "a package is of a bundle or of a run"
    held = {path.rpartition(".")[2] for path in packed.package.files}
    formats = [kind for kind in ("onnx", "safetensors") if kind in held]
    tags = ["litho", packed.package.kind, described.family, "image-generation", *formats]
    metadata: dict[str, Any] = {
        **_licence_metadata(described.licence),
        "library_name": "litho",
        "pipeline_tag": _task(described.signature),
        "tags": list(dict.fromkeys(tags)),
    }
    run = packed.run
    if run is not None and run.figures:
        metadata["model-index"] = [
            {
                "name": packed.package.name,
                "results": [
                    {
                        "task": {"type": _task(run.signature)},
                        "dataset": {
                            "name": _data_name(run.evaluated_on),
                            "type": _data_name(run.evaluated_on),
                        },
                        "metrics": [
                            {"type": figure.metric, "name": _named(figure), "value": figure.value}
                            for figure in run.figures
                        ],
                    }
                ],
            }
        ]
    return metadata


def _licence_metadata(licence: str | None) -> dict[str, str]:
    if licence is None:
        return {}
    small = licence.lower()
    if small in _LICENCES:
        return {"license": small}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.+-]+", "-", small)[:_LONGEST].strip("-")}


def _task(signature: GeneratorSignature) -> str:
    """The task of the hub that a signature is."""
    roles = {field.role for field in signature.inputs}
    if "image" in roles or "mask" in roles:
        return "image-to-image"
    return "text-to-image" if "prompt" in roles else "unconditional-image-generation"


def _of_bundle(packed: Packed, address: str, picture: CardPicture | None) -> Iterator[str]:
    assert packed.bundle is not None, "chosen by the caller"
    manifest = packed.bundle.manifest
    name = packed.package.name
    folder = f"bundles/{name}"
    yield from _heading(
        name,
        f"A bundle of {_origin(manifest)}: ONNX graphs and engines, each proven to give the"
        " pictures of the PyTorch generator that they were made from.",
        picture,
    )
    yield from _commands(
        packed, address, folder, f"litho verify {folder}", f"litho deploy {folder} --to models"
    )
    yield from _inputs(manifest.signature)
    yield from (
        "## Variants",
        "",
        *markdown_table(_VARIANT_COLUMNS, map(_variant_row, manifest.variants)),
        "",
    )
    yield _timed(manifest)
    yield ""
    yield from (
        "A verdict is of the gate at export: every variant replayed a bank of probes, and its pictures were compared"
        " with PyTorch's in FP32. *same picture*: every probe is within the limits of its precision."
        " *same distribution*: many pictures together are as near to PyTorch's as PyTorch's own. All figures are in"
        f" `{MANIFEST_NAME}`; `litho verify` measures them again.",
        "",
    )
    yield from _licence(manifest.licence)
    yield from _signature(packed)
    environment = ", ".join(f"{_words(key)} {_words(value)}" for key, value in manifest.environment.items())
    yield from (
        "## Provenance",
        "",
        f"- weights: SHA-256 `{_code(manifest.checkpoint_sha256)}`",
        f"- made with: {environment}",
        "",
    )
    yield _foot()


_VARIANT_COLUMNS = (
    "variant",
    "stage",
    "precision",
    "runtime",
    "verdict",
    "promises",
    "PSNR min, dB",
    "images/s",
)


def _variant_row(variant: Variant) -> Sequence[str]:
    psnr = next(
        (
            figure.value
            for figure in variant.verdict.figures
            if figure.metric.startswith("PSNR min") and not figure.bank
        ),
        None,
    )
    speed = max((timing.images_per_second for timing in variant.timings), default=None)
    runtime = variant.runtime + (f" on {variant.target}" if variant.target else "")
    return (
        f"`{_code(variant.name)}`",
        _words(variant.stage),
        _words(variant.precision),
        _words(runtime),
        variant.verdict.status.replace("_", " "),
        variant.grade,
        number(psnr),
        number(speed),
    )


def _timed(manifest: Manifest) -> str:
    machine, day = manifest.environment.get("timed_on"), manifest.environment.get("timed_at")
    if machine is None:
        return "The variants were not timed."
    return f"Images per second are of the best batch, measured on {_words(machine)}, {_words(day or 'day unknown')}."


def _of_run(packed: Packed, address: str, picture: CardPicture | None) -> Iterator[str]:
    run = packed.run
    assert run is not None, "chosen by the caller"
    name = packed.package.name
    trained = f", trained on {run.nimg:,} images" if run.nimg else ""
    folder = f"runs/{name}"
    yield from _heading(name, f"The weights of {_origin(run)}{trained}.", picture)
    yield from _commands(packed, address, folder, f"litho export {folder}")
    yield from _inputs(run.signature)
    yield from _figures(run)
    if run.data is not None:
        licence = f", licence {_words(run.data.licence)}" if run.data.licence else ", licence not stated"
        yield from (
            "## Training data",
            "",
            f"{_words(_data_name(run.data.name))}: {run.data.count:,} images{licence}.",
            "",
        )
    yield from _licence(run.licence)
    yield from _signature(packed)
    yield from ("## Provenance", "", f"- weights: SHA-256 `{run.weights_sha256}`", "")
    yield _foot()


_FIGURE_COLUMNS = ("figure", "value", "real images", "better", "pictures")


def _figures(run: RunDescription) -> Iterator[str]:
    if run.figures:
        rows = (
            (
                _words(_named(figure)),
                number(figure.value),
                number(figure.reference),
                figure.better,
                f"{figure.n:,}",
            )
            for figure in run.figures
        )
        yield from (
            "## Quality",
            "",
            *markdown_table(_FIGURE_COLUMNS, rows),
            "",
        )
        yield from (f"Measured by `litho evaluate` on {_words(_data_name(run.evaluated_on))}.", "")
    elif run.quality:
        rows = ((_words(name), number(value)) for name, value in run.quality.items())
        yield from ("## Quality", "", *markdown_table(("figure", "value"), rows), "")


def _heading(name: str, sentence: str, picture: CardPicture | None) -> Iterator[str]:
    yield from (f"# {_words(name)}", "", sentence, "")
    if picture is not None:
        yield from (f"![{_words(picture.shows)}]({picture.path})", "", *picture.caption, "")


def _commands(packed: Packed, address: str, folder: str, *further: str) -> Iterator[str]:
    required = " --require-signature public.pem" if packed.signer else ""
    lines = (
        f"pip install 'litho[{'registry,sign' if packed.signer else 'registry'}]'",
        f"litho pull {address}{required}",
        *further,
        f'python -c "import litho; print(litho.open_model({folder!r}))"',
    )
    yield from ("## Use", "", "```", *lines, "```", "")


def _inputs(signature: GeneratorSignature) -> Iterator[str]:
    rows = [
        (f"`{_code(field.name)}`", _words(field.allowed), _words(", ".join(field.class_names or ())))
        for field in signature.inputs
    ]
    output = signature.output
    rows.append((f"`{_code(output.name)}`", f"gives {_words(output.allowed)}", ""))
    yield from ("## Inputs and output", "", *markdown_table(("field", "takes", "classes"), rows), "")


def _licence(licence: str | None) -> Iterator[str]:
    said = f"{_words(licence)}." if licence else "Not stated: ask the maker before you use it."
    yield from ("## Licence", "", said, "")


def _signature(packed: Packed) -> Iterator[str]:
    covers = MANIFEST_NAME if packed.bundle else PACKAGE_NAME
    yield from ("## Digital signature", "")
    if packed.signer is None:
        yield from ("Not signed.", "")
        return
    yield from (
        f"`{covers}` is signed with Ed25519, it says with key `{packed.signer.fingerprint}`. Anybody can write that:"
        " get the public key from the maker by another way; `--require-signature` checks it before anything large is"
        " read.",
        "",
    )


def _origin(described: Manifest | RunDescription) -> str:
    preset = f", preset {_words(described.preset)}" if described.preset else ""
    return f"an image generator of family {_words(described.family)}{preset}"


def _named(figure: Any) -> str:
    return f"{figure.metric} ({figure.unit})" if figure.unit else figure.metric


def _data_name(name: str) -> str:
    """The name of data; of a path only its end, which says nothing of the machine."""
    return (
        re.split(r"[/\\]", name.rstrip("/\\"))[-1]
        if name.startswith(("/", "~", ".")) or "\\" in name
        else name
    )


def _foot() -> str:
    return f"Made by litho {__version__} from `{PACKAGE_NAME}` and the documents that it lists."


def _words(text: str) -> str:
    """A text of others on one line, without a meaning in Markdown or HTML."""
    plain = " ".join(text.split())
    cut = plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}…"
    return re.sub(r"([\\`*_\[\]<>|#!$~{}&])", r"\\\1", cut)


def _code(text: str) -> str:
    """A name of others inside back-quotes."""
    return re.sub(r"[`|\s]", " ", text)[:_LONGEST]
