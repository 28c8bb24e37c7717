"""Evaluation of a snapshot: figures with reference and baseline, and pictures to look at."""

from ..metrics.likelihood import LatentVariableModel
from .context import EvaluationContext, EvaluationSettings
from .document import Evaluation, FeatureNetInfo, Figure, Section, read_evaluation
from .evaluate import SAMPLES, evaluate, measure
from .feature_net import FeatureNet, feature_net

__all__ = [
    "SAMPLES",
    "Evaluation",
    "EvaluationContext",
    "EvaluationSettings",
    "FeatureNet",
    "FeatureNetInfo",
    "Figure",
    "LatentVariableModel",
    "Section",
    "evaluate",
    "feature_net",
    "measure",
    "read_evaluation",
]
