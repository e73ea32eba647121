"""Templates of a report's page and of its summary, filled in."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"


def filled(name: str, **values: Any) -> str:
    """Fills in a template; in HTML, what is no markup is escaped.

    Args:
        name: Its file in `TEMPLATES`.
        **values: All that it names.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=".html" in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name).render(**values)
