"""A configuration that keeps every rule, and changed forms of it."""

from typing import Any

from google.protobuf import text_format

from litho.serving.configuration.model_config import parse_config

GOOD = """
name: "tiny"
backend: "litho"
max_batch_size: 8
version_policy { specific { versions: 1 } }
input { name: "seed" data_type: TYPE_INT64 dims: 1 reshape { } }
input { name: "label" data_type: TYPE_INT64 dims: 1 reshape { } }
input { name: "truncation" data_type: TYPE_FP32 dims: 1 reshape { } optional: true }
output { name: "image" data_type: TYPE_UINT8 dims: [32, 32, 1] }
instance_group { count: 1 kind: KIND_CPU }
dynamic_batching { }
"""

SEED = 'inputs { key: "seed" value { data_type: TYPE_INT64 dims: 1 zero_data: true } }'
WARM = f'model_warmup {{ name: "w" batch_size: 1 {SEED}'
LABEL = 'inputs { key: "label" value { data_type: TYPE_INT64 dims: 1 zero_data: true } }'


def changed(cleared: str, merged: str) -> Any:
    config = parse_config(GOOD)
    for name in cleared.split():
        config.ClearField(name.removeprefix("-"))
    return text_format.Merge(merged, config)
