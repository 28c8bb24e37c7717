"""Batch normalisation and constant scales -> into the weights before them."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from .editing import Editor, constant, nodes_of

__all__ = ["apply"]

SUMMARY = "batch normalisation and constant scales folded into weights"


def apply(model: ir.Model) -> int:
    """Fold what the rules of onnxscript fold, and normalisations after a matrix product that was made a picture of.

    Returns:
        How many nodes were folded.
    """
    from onnxscript.rewriter import RewriteRuleSet
    from onnxscript.rewriter.rules import common

    rules = RewriteRuleSet(
        [
            common.fuse_batchnorm_into_conv_rule,
            common.fuse_batchnorm_into_conv_transpose_rule,
            common.fuse_batchnorm_into_gemm_rule,
            common.conv_affine_fusion_rule,
        ]
    )
    behind_products = sum(
        _fold_into_product(Editor(model, node)) for node in nodes_of(model, "BatchNormalization")
    )
    return behind_products + rules.apply_to_model(model)


def _fold_into_product(edit: Editor) -> bool:
    """Gemm -> Reshape to channels -> BatchNormalization: the scale of a channel is that of its rows."""
    reshape = edit.node.inputs[0].producer() if edit.node.inputs[0] else None
    product = reshape.inputs[0].producer() if reshape is not None and reshape.inputs[0] else None
    if reshape is None or product is None or (reshape.op_type, product.op_type) != ("Reshape", "Gemm"):
        return False
    statistics = [constant(value) for value in edit.node.inputs[1:5]]
    weight, shape = constant(product.inputs[1]), reshape.outputs[0].shape
    alone = len(product.outputs[0].uses()) == 1 and len(reshape.outputs[0].uses()) == 1
    plain = all(product.attributes.get_float(name, 1.0) == 1 for name in ("alpha", "beta"))
    if weight is None or shape is None or not alone or not plain or any(part is None for part in statistics):
        return False
    bias = constant(product.inputs[2]) if len(product.inputs) > 2 and product.inputs[2] else np.float32(0)
    extents = [extent for extent in shape[1:] if isinstance(extent, int)]
    if bias is None or len(extents) < len(shape) - 1:
        return False
    gamma, beta, mean, variance = (np.asarray(part, np.float64) for part in statistics)
    scale = gamma / np.sqrt(variance + edit.node.attributes.get_float("epsilon", 1e-5))
    area = math.prod(extents) // len(scale)
    factor, offset = np.repeat(scale, area), np.repeat(beta - mean * scale, area)
    across = product.attributes.get_int("transB", 0)
    scaled = weight * (factor[:, None] if across else factor)
    result = edit.op(
        "Gemm",
        [
            product.inputs[0],
            edit.constant("weight", scaled.astype(np.float32)),
            edit.constant("bias", (bias * factor + offset).astype(np.float32)),
        ],
        transA=product.attributes.get_int("transA", 0),
        transB=across,
    )
    edit.finish(
        edit.op("Reshape", [result, reshape.inputs[1]], allowzero=reshape.attributes.get_int("allowzero", 0))
    )
    return True
