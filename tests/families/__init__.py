"""Families of images whose color goes with their class, made from the shipped digits.

In each, an image is made of a digit and a color's number; the color is that of the image's class
with the probability `bias`, else any of all. A CNN trained on a family that goes by its color is
wrong on images of the family whose colors are dealt anew, and that is how it is known what to find.
"""

from tests.families.cnn import SimpleConvNet, StridedCNN, train, train_as
from tests.families.families import FAMILIES, Family, Images, make

__all__ = [
    "FAMILIES",
    "Family",
    "Images",
    "SimpleConvNet",
    "StridedCNN",
    "make",
    "train",
    "train_as",
]
