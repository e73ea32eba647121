"""Names of the classes, as people give them: a list, a text or JSON file."""

import json
from collections.abc import Sequence

from prober.common.errors import InputError, suggestion
from prober.common.files import find_file


def read_class_names(given: Sequence[str] | str) -> tuple[str, ...]:
    """Reads the names of classes, in the order of their logits.

    Args:
        given: The names; or the path of a file of one name a line, or of JSON: a list, or an object
            of names by number (`{"0": "cat", "1": "dog"}`), as the hub's `id2label`.

    Raises:
        InputError: There is no such file, it holds something else, or a name stands twice.
    """
    names = _of_file(given) if isinstance(given, str) else list(given)
    names = [str(name).strip() for name in names]
    if not all(names) or len(set(names)) < len(names):
        wrong = next((name for name in names if names.count(name) > 1), "")
        raise InputError(
            f"classes has the name '{wrong}' twice: give each class its own."
            if wrong
            else "classes has an empty name: give every class one."
        )
    return tuple(names)


def class_number(names: Sequence[str] | None, name: str, where: str) -> int:
    """Returns the number of the class of a name.

    Args:
        names: The names of all classes, None if they are not known.
        name: The name.
        where: What was asked for, for messages.

    Raises:
        InputError: There is no such class; the nearest is told.
    """
    if names is None:
        raise InputError(
            f"{where}: the classes have no names here, so none is '{name}'; give their names as "
            "model.subject.classes (in Python, Subject(classes=...)), or a number."
        )
    if name not in names:
        raise InputError(
            f"{where}: there is no class '{name}'.{suggestion(name, names)} There are {len(names)} "
            "classes."
        )
    return list(names).index(name)


def _of_file(path: str) -> list[str]:
    file = find_file(path, "File of classes")
    try:
        text = file.read_text(encoding="utf-8")
        if not path.endswith(".json"):
            return text.splitlines()
        read = json.loads(text)
        if isinstance(read, dict):
            numbered = {int(number): name for number, name in read.items()}
            read = [numbered[number] for number in range(len(numbered))]
        if isinstance(read, list):
            return [str(name) for name in read]
    except (ValueError, KeyError):
        pass
    raise InputError(
        f"The classes in '{path}' cannot be read: the file must hold, in UTF-8, one name a line, "
        "or as JSON a list of names, or an object of names by number, from 0 on without a gap."
    )
