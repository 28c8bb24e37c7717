"""Evaluation of a snapshot: figures with reference and baseline, and pictures to look at."""

from .context import EvaluationContext, EvaluationSettings
from .document import Figure, read_evaluation
from .evaluate import SAMPLES, evaluate, measure
from .feature_net import FeatureNet, feature_net

__all__ = [
    "SAMPLES",
    "EvaluationContext",
    "EvaluationSettings",
    "FeatureNet",
    "Figure",
    "evaluate",
    "feature_net",
    "measure",
    "read_evaluation",
]
