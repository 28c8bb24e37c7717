"""Data sources, one module each, by the value of `--data`:

digits                      scikit-learn's handwritten digits
shapes, shapes-pairs        generated scenes of two shapes with captions; the second with outlines as sources
stacked-mnist               three digits of MNIST as red, green and blue: 1,000 classes
PATH                        a parquet or tar file, a folder of them, or a folder of images
stream:PATH or stream:URL   parquet or tar files that are read while they are used
NAME                        a file or folder in the folder of the environment variable LITHO_DATA
OWNER/NAME[/CONFIGURATION]  a dataset of the Hugging Face hub; `mnist` and `fashion_mnist` without their owner
"""

from .base import Source, find_source, load, source_names

__all__ = ["Source", "find_source", "load", "source_names"]
