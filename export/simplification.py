"""Simplify an exported graph: fold constants, merge nodes, remove what does nothing.

The rules are those of onnxscript's optimiser, but for four. It takes a number within 1e-8 of 0, or within 1e-5 of 1,
for 0 or 1, so that `x / (y + 1e-15)` of a linear attention divides by zero, and so may a normalisation whose epsilon
is 1e-8. Here a sum, difference, product or quotient is removed only where its number is exactly neutral.
"""

from __future__ import annotations

from typing import Any

from ..extras import require

__all__ = ["simplify"]

_RULES = (
    "one_reshape_matmul_reshape_rule",
    "two_reshapes_matmul_reshape_rule",
    "cast_constant_of_shape_rule",
    "cast_constant_of_shape_without_value_rule",
    "collapse_slice_rule",
    "collapse_slice2_rule",
    "materialize_reshape_shape_rule",
    "min_min_rule",
    "max_max_rule",
    "min_max_rule",
    "max_min_rule",
    "successive_clip_relu_rule",
    "successive_relu_clip_rule",
    "successive_relu_rule",
    "successive_clip_rule",
    "cast_cast_rule",
    "no_op_cast_rule",
    "no_op_expand_rule",
    "flatten_to_reshape_rule",
    "reshape_reshape_rule",
    "slice_split_rule",
    "no_op_transpose_rule",
    "transpose_transpose_rule",
    "unsqueeze_unsqueeze_rule",
    "squeeze_reshape_1d_rule",
    "no_op_dynamic_scatter_nd_rule",
    "no_op_static_scatter_nd_rule",
    "normalize_pad_format_conv_rule",
    "fuse_pad_into_conv_rule",
    "fuse_batchnorm_into_conv_rule",
    "fuse_batchnorm_into_conv_transpose_rule",
    "fuse_batchnorm_into_gemm_rule",
    "remove_optional_bias_from_conv_rule",
    "remove_optional_bias_from_conv_transpose_rule",
    "remove_optional_bias_from_gemm_rule",
)
"""Of `onnxscript.rewriter.rules.common`, in the order in which the optimiser tries them."""

_ROUNDS = 2
"""Folding gives the rules more constants, and they give it more to fold."""


def simplify(model: Any) -> None:
    """Simplify a model of onnx_ir in place; it computes the same values."""
    require("onnxscript", "export")
    from onnx_ir.passes import Sequential, common
    from onnxscript.optimizer import fold_constants_ir
    from onnxscript.rewriter import rewrite
    from onnxscript.rewriter.rules import common as rules

    common.InlinePass()(model)
    chosen: list[Any] = [_Tried(rule) for rule in (*_neutral(), *(getattr(rules, name) for name in _RULES))]
    for _ in range(_ROUNDS):
        fold_constants_ir(model, onnx_shape_inference=True)
        rewrite(model, chosen)
    Sequential(
        common.RemoveUnusedNodesPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.LiftSubgraphInitializersToMainGraphPass(),
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.OutputFixPass(),
        common.NameFixPass(),
    )(model)


class _Tried:
    """A rule that is tried only on nodes of the operator at the end of its pattern.

    By itself, a rule with several ends makes an index of the whole graph for each node, and each of the others
    prepares a match that fails at the node's operator.

    Args:
        rule: of onnxscript; everything else is asked of it.
    """

    def __init__(self, rule: Any) -> None:
        self._rule = rule
        self._operator = rule._target_pattern.output_nodes[0].op_identifier()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rule, name)

    def try_rewrite(self, model: Any, graph: Any, node: Any, **others: Any) -> Any:
        if self._operator not in (None, node.op_identifier()):
            return None
        return self._rule.try_rewrite(model, graph, node, **others)


def _neutral() -> list[Any]:
    """Rules that remove `x * 1`, `x + 0`, `x - 0` and `x / 1`."""
    from onnxscript.rewriter.pattern import Constant, RewriteRule

    zero, one = Constant(0, rel_tol=0, abs_tol=0), Constant(1, rel_tol=0, abs_tol=0)

    def same(op: Any, x: Any, **_: Any) -> Any:
        return op.Identity(x)

    product = RewriteRule(lambda op, x: op.Mul(x, one), same)
    total = RewriteRule(lambda op, x: op.Add(x, zero), same)
    difference = RewriteRule(lambda op, x: op.Sub(x, zero), same)
    quotient = RewriteRule(lambda op, x: op.Div(x, one), same)
    return [*product.commute(), *total.commute(), difference, quotient]
