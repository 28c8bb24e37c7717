from contextlib import ExitStack
from pathlib import Path

from litho.benchmarks.limits.forms import open_forms, torch_operations, usable
from litho.benchmarks.roofline.work import calls_of
from litho.bundle import Bundle
from litho.export.source import from_run


def test_forms_of_one_graph(run: Path, bundle: Path) -> None:
    opened = Bundle.load(bundle)
    assert [variant.name for variant in usable(opened)] == ["generator.fp32.onnx"]
    with ExitStack() as stack:
        forms = list(open_forms(opened, from_run(run), 1, stack))
        assert [form.name for form in forms] == ["fp32 in onnxruntime", "fp32 in torch", "bf16 in torch"]
        works = [form.stages["generator"][2] for form in forms]
        assert works[0] == works[1]
        assert (
            works[2].operations
            == {"bf16": works[0].all_operations}
            == {"bf16": torch_operations(from_run(run))}
        )
        assert all(form.stages["generator"][0] is form.whole for form in forms)


def test_forms_of_a_sampler(flow_run: Path, flow_bundle: Path) -> None:
    opened = Bundle.load(flow_bundle)
    calls = calls_of(opened)
    assert calls == {"text_encoder": 1, "denoiser": calls["denoiser"], "decoder": 1}
    with ExitStack() as stack:
        graphs, torch, _ = open_forms(opened, from_run(flow_run), 1, stack)
        assert set(graphs.stages) == set(torch.stages) == set(calls)
        assert graphs.whole.signature == torch.whole.signature
        assert torch.stages["denoiser"][0] is None
        counted = sum(calls[name] * work.all_operations for name, (_, _, work) in graphs.stages.items())
        assert counted == torch_operations(from_run(flow_run))
