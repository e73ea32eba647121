"""What is told of a layer that was asked for and cannot be probed."""

from difflib import get_close_matches

from torch import nn

from prober.common.errors import InputError, listed, suggestion
from prober.subject.layers import Listing

MOST_NAMES = 20
"""A message names all layers of a CNN up to so many; of a larger one only the nearest."""


def no_layer(cnn: nn.Module, name: str, listing: Listing, layer: str) -> InputError:
    """Says why a layer cannot be probed, or that there is none, and which there are.

    Args:
        cnn: The CNN.
        name: What it is called.
        listing: Its layers.
        layer: What was asked for, none of `listing.layers`.
    """
    asked = f"Layer '{layer}' of {name}"
    there_are = _there_are(list(listing.layers), layer)
    if layer in listing.unprobed:
        return InputError(f"{asked} cannot be probed: {listing.unprobed[layer]}. {there_are}")
    module = dict(cnn.named_modules(remove_duplicate=False)).get(layer)
    if layer in listing.unreached:
        parts = [name for name in listing.layers if name.startswith(f"{layer}.")]
        but = f", but its parts: {listed(parts, 5)}" if parts else ""
        return InputError(
            f"{asked} is never reached in the forward pass, which does not call this "
            f"{type(module).__name__}{but}. {there_are}"
        )
    if layer and module is not None:
        first = next(name for name, other in cnn.named_modules() if other is module)
        return InputError(f"{asked} is also '{first}': name that.")
    return InputError(
        f"{name} has no layer '{layer}'.{suggestion(layer, listing.layers)} {there_are}"
    )


def _there_are(names: list[str], layer: str) -> str:
    if len(names) <= MOST_NAMES:
        which = f"Layers that can be probed: {', '.join(names) or 'none'}."
    else:
        near = get_close_matches(layer, names, n=5, cutoff=0.3) or [names[0], names[-1]]
        which = f"{len(names)} layers can be probed, the nearest are {', '.join(near)}."
    return f"{which} python main.py layers --config ... shows them."
