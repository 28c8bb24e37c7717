"""A machine and work whose roofline is easy to follow."""

from litho.benchmarks.roofline.ceilings import Bandwidth, Ceilings, Peak
from litho.benchmarks.roofline.work import Work

CEILINGS = Ceilings(
    threads=1,
    peaks=tuple(
        Peak(runtime="onnxruntime", precision=name, per_second=speed, source="a product")
        for name, speed in (("fp32", 1e9), ("int8", 4e9))
    ),
    bandwidths=(
        Bandwidth(working_set=1000, per_second=1e8, source="triad"),
        Bandwidth(working_set=10**9, per_second=1e7, source="triad"),
    ),
)
COMPUTES = Work(operations={"fp32": 1e6}, weight_bytes=100, activation_bytes=10, largest_bytes=10)
MOVES = Work(operations={"fp32": 1e3}, weight_bytes=10**6, activation_bytes=0, largest_bytes=0)
