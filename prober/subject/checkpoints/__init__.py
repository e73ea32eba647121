"""From a file to a CNN's weights, without running anything that the file holds.

Each kind of file is a `Format` in a module of its own, and a line in `FORMATS` in `loading`, which
finds the CNN's weights in whatever was read.
"""
