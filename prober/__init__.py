"""The Prober: what the channels, neurons and classes of a trained CNN want to see.

From Python and notebooks: `prober.visualize(model, "conv2:3")`.
"""

from importlib import import_module
from typing import Any

# By the loader, which finds it within a zip archive, too.
_STUB = __spec__.loader.get_data(f"{__path__[0]}/__init__.pyi").decode()
_HOMES = {
    name: module
    for module, name in (line.split()[1:4:2] for line in _STUB.splitlines() if line[:5] == "from ")
}
"""The names that are offered, and where each is at home.

It is loaded when it is first used, because PyTorch and Lightning take seconds to load."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
