import numpy as np
import torch
from torch import nn

from litho.export.validation.make_probes import make_probes
from litho.parity.probe_inputs import PROBE_COUNT
from litho.parity.replay import replay
from litho.runners.torch import Runner
from litho.signature import Signature
from litho.signature.fields import image_output, label_field, mask_field, source_field


class Emptied(nn.Module):
    """The source, black inside the hole."""

    signature = Signature(inputs=(source_field(6, 4, 3), mask_field(6, 4)), output=image_output(6, 4, 3))

    def forward(self, source: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.where(mask > 0, torch.zeros_like(source), source)


def test_probes_of_images_begin_with_black_white_and_the_finest_pattern() -> None:
    probes = make_probes(Runner(Emptied()))
    source, mask = probes.inputs["source"], probes.inputs["mask"]
    assert len(probes.images) == len(source) == len(mask) == PROBE_COUNT
    assert [np.unique(image).tolist() for image in source[:3]] == [[0], [255], [0, 255]]
    assert (np.abs(np.diff(source[2].astype(int), axis=0)) == 255).all()
    assert (np.abs(np.diff(source[2].astype(int), axis=1)) == 255).all()
    # No hole, nothing but hole, and a hole whose mask is as little as it may be.
    assert [np.unique(hole).tolist() for hole in mask[:3]] == [[0], [255], [0, 1]]
    assert not probes.images[mask.repeat(3, axis=3) > 0].any()
    assert len({image.tobytes() for image in source}) == PROBE_COUNT


class Painted(nn.Module):
    """A large picture of a class, and a picture that stays as it is."""

    signature = Signature(
        inputs=(
            label_field(tuple(f"class {number}" for number in range(200))),
            source_field(160, 120, 3),
        ),
        output=image_output(160, 120, 3),
    )

    def forward(self, label: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        return source // 2 + (label % 128).to(torch.uint8)[:, None, None, None]


def test_of_many_large_pictures_only_some_rows_and_columns_are_kept() -> None:
    probes = make_probes(Runner(Painted()))
    (labels,) = probes.others
    assert labels.name == "labels"
    assert labels.inputs["label"].tolist() == list(range(PROBE_COUNT, 200))
    # 136 pictures of 57,600 bytes fit into 16 MiB; those of twice the height and width would not.
    assert labels.stride == 1
    assert len(probes.to_bytes()) < 8 * 2**20 + probes.images.nbytes * 2


def test_large_pictures_are_made_few_at_a_time_and_each_run_is_reported() -> None:
    made, shares = list[int](), list[float]()

    class Counted(Painted):
        signature = Signature(inputs=(label_field(("one", "two")),), output=image_output(512, 256, 1))

        def forward(self, label: torch.Tensor) -> torch.Tensor:
            made.append(len(label))
            return label.to(torch.uint8)[:, None, None, None].expand(-1, 512, 256, 1)

    probes = make_probes(Runner(Counted()), progress=shares.append)
    assert max(made) == Counted.signature.at_once == 8
    assert len(shares) == len(made) + 1
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert len(probes.images) == PROBE_COUNT


def test_a_bank_of_labels_keeps_within_its_bytes() -> None:
    class Larger(Painted):
        signature = Signature(
            inputs=(label_field(tuple(f"class {number}" for number in range(200))),),
            output=image_output(256, 256, 3),
        )

        def forward(self, label: torch.Tensor) -> torch.Tensor:
            rows = torch.arange(256, dtype=torch.uint8)[None, :, None, None]
            return (label % 128).to(torch.uint8)[:, None, None, None] ^ rows.expand(1, 256, 256, 3)

    (labels,) = make_probes(Runner(Larger())).others
    assert labels.stride == 2
    assert labels.images.shape == (136, 128, 128, 3)
    assert labels.images[0, :, 0, 0].tolist() == [PROBE_COUNT ^ row for row in range(0, 256, 2)]
    runner = Runner(Larger())
    assert (replay(runner, labels, 64) == labels.images).all()
