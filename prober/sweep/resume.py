"""Going on with a command that was interrupted: only as it was begun."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from prober.common.errors import InputError

FREE_TO_CHANGE = {
    "resume",
    "yes",
    "config",
    "chunk_size",
    "trainer.accelerator",
    "trainer.default_root_dir",
    "trainer.devices",
    "trainer.enable_progress_bar",
    "trainer.num_nodes",
}
"""Settings that a sweep may be resumed with others of; its chunks stay those it began with."""


@dataclass(frozen=True)
class Config:
    """Everything that was set.

    Attributes:
        text: As YAML.
        today: Returns what such a text says today that was written by an earlier version: with the
            settings that have been added since, and classes where they are now.
    """

    text: str
    today: Callable[[str], str]


def check_unchanged(folder: Path, config: Config, what: str, known: Sequence[str] = ()) -> None:
    """Checks that a command is resumed as it was begun.

    Args:
        folder: Its folder, with the `config.yaml` that it was begun with.
        config: Everything that is set now.
        what: What it is: `sweep`, `report`.
        known: What else is known to have changed.

    Raises:
        InputError: There is no such folder, or a setting is another, but for those that are free
            to change.
    """
    try:
        text = (folder / "config.yaml").read_text(encoding="utf-8")
        began = yaml.safe_load(config.today(text))
        if not isinstance(began, dict):
            raise ValueError("it holds no settings")
        old = flat(began)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise no_folder_of(what, folder) from error
    new = flat(yaml.safe_load(config.text))
    changed = [
        f"{key} was {old.get(key)} and is {new.get(key)}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key) and key not in FREE_TO_CHANGE
    ]
    changed += known
    if changed:
        raise InputError(
            f"The {what} in '{folder}' was started with other settings: {'; '.join(changed)}. "
            f"Resume it with its own, or start a new {what} without --resume."
        )


def no_folder_of(what: str, folder: Path, file: str = "config.yaml") -> InputError:
    """Returns what is told if a folder is none of a command's, for it lacks a file."""
    return InputError(
        f"'{folder}' is not the folder of a {what} (it has no readable {file}). Give the "
        f"folder that the {what} named at its start."
    )


def flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Flattens nested settings, as YAML has them, to dotted names: `trainer.max_steps`."""
    if not isinstance(settings, dict):
        return {prefix: settings}
    return {
        key: value
        for name, each in settings.items()
        for key, value in flat(each, f"{prefix}.{name}" if prefix else str(name)).items()
    }
