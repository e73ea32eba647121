"""The layers of a CNN that can be probed, as a table for people and as JSON for machines."""

import json
import textwrap
from typing import Any

from prober.common.errors import listed
from prober.common.inputs import input_kind
from prober.subject import LOGITS, Layer, Subject
from prober.subject.channel_layout import Layout
from prober.subject.receptive_fields import receptive_fields

CONSOLE_WIDTH = 100
"""Columns of the sentences around the table."""

MOST_IN_A_NOTE = 4
"""Of what cannot be probed, the table names so many."""


def describe_layers(subject: Subject) -> list[dict[str, Any]]:
    """Lists the layers that can be probed, in the order of the forward pass.

    Args:
        subject: The CNN under study.

    Returns:
        For each layer: `name`, as a config takes it; `type`, the class of its module; `output`,
        the shape for one image as the module gives it, `[1, ...]`; `channels`; `neurons`, rows and
        columns of a channel, of a volume its slices before, None if the layer is flat;
        `receptive_field`, height and width in pixels of what a neuron sees, within the image, None
        if unknown; `parameters` of the module with its parts, and `own_parameters` without them;
        `calls`, how many times a forward
        pass calls it.
    """
    fields = receptive_fields(subject)
    buffers = subject.cnn.named_buffers(remove_duplicate=False)
    weights = {id(tensor) for name, tensor in buffers if name in subject.weights}

    def parameters(layer: Layer, recurse: bool) -> int:
        module = subject.cnn.get_submodule(layer.module)
        return sum(t.numel() for t in module.buffers(recurse) if id(t) in weights)

    return [
        {
            "name": name,
            "type": layer.kind,
            "output": list(layer.output),
            "channels": layer.shape[0],
            "neurons": list(layer.shape[1:]) or None,
            "receptive_field": list(field) if (field := fields[name]) else None,
            "parameters": parameters(layer, recurse=True),
            "own_parameters": parameters(layer, recurse=False),
            "calls": layer.calls,
        }
        for name, layer in subject.layers.items()
        if layer.call is None or not name.endswith(f"@{layer.call}")  # `calls` tells of these
    ]


def layers_json(subject: Subject) -> str:
    """Returns what `describe_layers` gives as a JSON list, one layer a line."""
    return "[\n" + ",\n".join(json.dumps(layer) for layer in describe_layers(subject)) + "\n]"


def layers_table(subject: Subject) -> str:
    """Returns the layers that can be probed as a table, with what a newcomer needs to read it."""
    layers = describe_layers(subject)
    several = any(layer["calls"] > 1 for layer in layers)
    head = ["layer", "type", "output", "channels", "neurons", "receptive field", "parameters"]
    rows = [
        [
            layer["name"],
            layer["type"],
            f"[{', '.join(['N', *map(str, layer['output'][1:])])}]",
            str(layer["channels"]),
            _sides(layer["neurons"]) if layer["neurons"] else "-",
            _field(layer["receptive_field"], subject.input_shape[1:] or subject.input_shape),
            f"{layer['parameters']:,}",
            *([str(layer["calls"])] if several else []),
        ]
        for layer in layers
    ]
    table = [head + ["calls"] * several, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if i < 3 else cell.rjust(width)  # words to the left, numbers right
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    notes = _notes(subject, layers) + _not_listed(subject)
    above = [textwrap.fill(each, CONSOLE_WIDTH) for each in _title(subject, layers)]
    below = [textwrap.fill(each, CONSOLE_WIDTH) for each in notes]
    return "\n".join([*above, "", *lines, "", *below] if layers else [*above, *below])


def _title(subject: Subject, layers: list[dict[str, Any]]) -> list[str]:
    buffers = dict(subject.cnn.named_buffers())
    number = sum(buffers[name].numel() for name in subject.weights if name in buffers)
    return [
        f"{subject.name}: input {list(subject.input_shape)}, {number:,} parameters. "
        + (
            f"{len(layers)} layers can be probed, in the order of the forward pass:"
            if len(layers) > 1
            else f"{'One' if layers else 'No'} layer can be probed:"
        ),
        *subject.notes,
    ]


def _notes(subject: Subject, layers: list[dict[str, Any]]) -> list[str]:
    """What the columns mean, where this CNN makes them hard to read."""
    notes = _of_columns(subject) if layers else []
    if any(layer["receptive_field"] is None for layer in layers):
        notes.append("?: the layer, or one before it, computes what is not known here.")
    if again := [layer["name"] for layer in layers if layer["calls"] > 1]:
        notes.append(
            "calls: how many times a forward pass calls the layer; the last is probed from which a "
            f"gradient leads back. The first is {again[0]}@0, the next {again[0]}@1, and so on."
        )
    for layout, what in (
        (Layout.TOKENS, "a channel is a feature, and neuron (h, 0) is token h"),
        (Layout.SEQUENCES, "neuron (h, 0) is place h"),
        (Layout.MAPS_LAST, "the channels come last"),
        (Layout.VOLUMES, "a channel has the neurons (d, h, w)"),
        (Layout.VOLUMES_LAST, "the channels come last, and one has the neurons (d, h, w)"),
    ):
        names = [name for name, layer in subject.layers.items() if layer.layout is layout]
        if names:
            notes.append(f"{layout.value}: {what} ({listed(names, MOST_IN_A_NOTE)}).")
    return notes


def _not_listed(subject: Subject) -> list[str]:
    """What a forward pass never reaches, and what cannot be probed, with the reasons."""
    notes = []
    unprobed = subject.listing.unprobed
    unreached = [
        name
        for name in subject.listing.unreached
        # Lists of modules only hold others and are never called.
        if not any(layer.startswith(f"{name}.") for layer in [*subject.layers, *unprobed])
    ]
    if unreached:
        notes.append(f"Never reached in the forward pass: {listed(unreached, MOST_IN_A_NOTE)}.")
    taken = {layer.module for layer in subject.layers.values()}  # one of its tensors can be
    outputs = subject.listing.outputs
    # By the notes above, or by `logits` of its parts where none of them can be probed.
    told = {*subject.listing.cut, *([LOGITS] if outputs else [])}
    if LOGITS in unprobed and not outputs:
        told |= {name for name in unprobed if name.startswith(f"{LOGITS}.")}
    reasons = subject.listing.by_reason(n for n in unprobed if n not in taken and n not in told)
    without = [f"{listed(names, MOST_IN_A_NOTE)}: {why}" for why, names in reasons.items()]
    if without:
        notes.append(f"Cannot be probed: {listed(without, MOST_IN_A_NOTE, '; ')}.")
    return notes


def _of_columns(subject: Subject) -> list[str]:
    logits = subject.layers.get(LOGITS)
    of_whole = logits and not logits.module and not subject.listing.outputs
    kind = input_kind(subject.input_shape)
    field = f"{' x '.join(kind.axes)} of what a neuron sees, in {kind.parts}"
    if not kind.axes:
        field = f"how many {kind.parts} a neuron sees"
    return [
        "output: N images. parameters: with those of a module's parts."
        + f" {LOGITS}: what the whole CNN puts out." * bool(of_whole),
        f"receptive field: {field}; whole: the whole {kind.name.lower()}.",
    ]


def _sides(sides: list[int]) -> str:
    return " x ".join(map(str, sides))


def _field(field: list[int] | None, image: tuple[int, ...]) -> str:
    if field is None:
        return "?"
    return "whole" if field == list(image) else _sides(field)
