"""Evaluation of a snapshot: figures with reference and baseline, and pictures to look at.

The document of an evaluation is read without torch.
"""
