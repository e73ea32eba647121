"""From a file to a CNN's weights, without running anything that the file holds.

Each kind of file has a module of its own: `safetensors_file`, `export_archive` (with the CNN that
it holds in `exported_cnn`), `torch_save`. A new kind is a `Format` in a new module and its line in
`FORMATS` in `loading`, which finds the CNN's weights in whatever was read.
"""
