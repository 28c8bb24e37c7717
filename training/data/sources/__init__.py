"""The sources of data, one a file: what `--data` takes.

digits                      scikit-learn's handwritten digits
shapes, shapes-pairs        made scenes of two shapes, with captions; the second from outlines to filled shapes
stacked-mnist               three digits of MNIST as red, green and blue: 1,000 classes
PATH                        a parquet file, a folder of them, or a folder of images
NAME                        what lies in the folder that the environment variable LITHO_DATA names
OWNER/NAME[/CONFIGURATION]  a dataset of the Hugging Face hub; `mnist` and `fashion_mnist` without their owner
"""

from .base import Source, find_source, load, source_names

__all__ = ["Source", "find_source", "load", "source_names"]
