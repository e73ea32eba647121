"""The documents name everything that there is, and nothing that there is not."""

import ast
import inspect
import json
import re
import shlex
from functools import cache
from importlib import import_module
from pkgutil import walk_packages

import pytest
import torch
import yaml
from lightning.pytorch import Trainer

import prober as package
from prober.ascent.objectives import Objective
from prober.ascent.parameterizations import Parameterization
from prober.ascent.records import concrete
from prober.ascent.regularizers import Regularizer
from prober.ascent.starts import InitialImage
from prober.ascent.transforms import Transform
from prober.cli.commands import command_files
from prober.subject.reference import ReferenceCNN
from tests.command_line import CONFIGS, ROOT

FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in FILES}
EVERYTHING = "\n".join(PAGES.values())

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"[\w./-]+/|[\w./-]*\w\.(py|yaml|yml|md|toml|txt|pt|npz|png|json|html)")
DRAWN = re.compile(r"(?<=\s\s)prober/\S+")
OPTION = re.compile(r"(--)?([a-z_]+(?:\.[a-z_]+)*)( .*)?")
CLASS = re.compile(r"([A-Z]\w*[a-z]\w*)(\(.*\))?")

PERSONS = {"my", "my_cnn", "my_parts", "my_images", "my_photographs", "my_target", "my_grid"}
"""What a person reading the pages has made."""

OTHERS = {"LightningModule", "LightningDataModule", "LightningCLI", "Trainer", "Scale", "Ctrl"}
"""Classes of others that the pages name."""


def prose(text):
    return BLOCK.sub("", text)


def blocks(text, *languages):
    return [body for language, body in BLOCK.findall(text) if language in languages]


def spans(text):
    return SPAN.findall(prose(text))


def is_named(word, text):
    return re.search(rf"(?<![\w.]){re.escape(word)}(?!\w)", text) is not None


@cache
def modules():
    names = [each.name for each in walk_packages(package.__path__, "prober.")]
    return {"prober": package} | {name: import_module(name) for name in names}


@cache
def choices():
    """What people can choose by its name in a config, by its name."""
    bases = (Objective, InitialImage, Regularizer, Parameterization, Transform)
    found = {each.__name__: each for base in bases for each in concrete(base)}
    return {name: each for name, each in found.items() if name in package.__all__}


OPTIONS = {}


@pytest.fixture
def options(prober):
    """The options of each command as dotted names, from the configuration that it prints."""
    if not OPTIONS:
        for command in command_files():
            printed = prober(command, "--print_config")
            assert printed.code == 0, printed.err
            OPTIONS[command] = set(flat(yaml.safe_load(printed.out)))
    return OPTIONS


def flat(settings, prefix=""):
    for name, value in settings.items():
        if isinstance(value, dict) and value and "class_path" not in value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def of_trainer():
    return {f"trainer.{name}" for name in inspect.signature(Trainer).parameters}


# Everything that there is, is named.


def names_option(text, option):
    owner, _, last = option.rpartition(".")
    # In a table of `grid.` each option stands in a row of its own.
    in_table = f"| `{owner}.` |" in text and re.search(rf"^\| [^|]*`{last}`", text, re.MULTILINE)
    # An argument that has no dashes stands in a command line as RUN.
    names = (option, f"--{option}", option.upper())
    return bool(in_table) or any(is_named(name, text) for name in names)


def test_every_option_is_named(options):
    for command, own in options.items():
        assert own, command
        missing = {each for each in own - of_trainer() if not names_option(EVERYTHING, each)}
        assert not missing, command


def test_every_command_is_named():
    shown = {line.values[0].split()[0] for line in command_lines()}
    assert shown == set(command_files())


def test_every_config_is_named():
    configs = list(CONFIGS.glob("*.yaml"))
    assert len(configs) > 20
    for file in configs:
        assert is_named(file.name, prose(EVERYTHING)) or f"configs/{file.name}" in EVERYTHING, file


def test_every_page_is_in_the_contents():
    for page in PAGES.keys() - {"README.md"}:
        assert f"]({page})" in PAGES["README.md"], page


def test_every_choice_is_named_with_its_settings():
    assert len(choices()) > 20
    for name, each in choices().items():
        rows = [line for line in EVERYTHING.splitlines() if line.startswith(f"| `{name}` |")]
        settings = set(inspect.signature(each).parameters)
        if issubclass(each, Regularizer):
            settings -= {"weight"}  # which all of them have
        assert rows, name
        assert not {s for s in settings if not any(f"`{s}`" in row for row in rows)}, name


def test_everything_public_in_python_is_named():
    for name in package.__all__:
        assert is_named(name, EVERYTHING) or is_named(f"prober.{name}", EVERYTHING), name


def test_every_maker_of_pictures_and_every_benchmark_is_named():
    makers = [f"docs/{file.name}" for file in (ROOT / "docs").glob("make_*.py")]
    benchmarks = [
        f"tests.benchmarks.{file.stem}"
        for file in (ROOT / "tests" / "benchmarks").glob("*.py")
        if '__name__ == "__main__"' in file.read_text(encoding="utf-8")
    ]
    assert makers and benchmarks
    for name in makers + benchmarks:
        assert name in PAGES["CONTRIBUTING.md"], name


# Everything that is named, is there.


@cache
def anchors(file):
    """The anchors of a page's headings, as hosts of projects make them."""
    headings = re.findall(r"^#+ (.+)$", prose(file.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wrong_links(text, page="README.md"):
    for link in LINK.findall(prose(text)):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        if re.match(r"https?://", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target.resolve())):
            yield link


def wrong_files(text):
    places = [ROOT, CONFIGS, ROOT / "docs", ROOT / "prober", ROOT / "prober/subject/reference"]
    drawn = [path for block in blocks(text, "text") for path in DRAWN.findall(block)]
    for span in spans(text) + drawn:
        if not FILE.fullmatch(span) or re.split(r"[./]", span)[0] in PERSONS:
            continue
        there = any((place / span).exists() for place in places)
        if not there and span.rstrip("/") not in made_by_runs():
            yield span


@cache
def made_by_runs():
    """Names of files and folders that runs make, from the tables that list them."""
    tables = "".join(PAGES[f"docs/{name}.md"] for name in ("runs", "sweeps", "reports"))
    rows = [line.split("|")[1] for line in tables.splitlines() if line.startswith("| `")]
    return {span.rstrip("/") for row in rows for span in SPAN.findall(row)} | {"lightning_logs"}


def wrong_classes(text):
    there = {name for module in modules().values() for name in vars(module)} | OTHERS
    there |= set(re.findall(r"^class (\w+)", "".join(blocks(text, "python")), re.MULTILINE))
    for span in spans(text):
        if (found := CLASS.fullmatch(span)) and found[1] not in there:
            yield span


def wrong_paths(text):
    for path in set(re.findall(r"(?<![\w/.])prober(?:\.\w+)+", text)):
        owner, _, name = path.rpartition(".")
        owner_class, _, method = owner.rpartition(".")
        there = path in modules() or hasattr(modules().get(owner), name)
        if not there and not hasattr(getattr(modules().get(owner_class), method, None), name):
            yield path


def wrong_options(text, options):
    known = set().union(*options.values()) | of_trainer() | {"help", "print_config", "config"}
    known |= {"interpolate.blends", "interpolate.records"}
    groups = {key.rsplit(".", n)[0] for key in known for n in range(key.count(".") + 1)}
    first = {key.split(".")[0] for key in known}
    for span in spans(text):
        found = OPTION.fullmatch(span)
        if not found or FILE.fullmatch(span):
            continue
        dashes, option, _ = found.groups()
        if (dashes or ("." in option and option.split(".")[0] in first)) and option not in groups:
            yield span


@pytest.mark.parametrize("page", PAGES)
def test_everything_that_a_page_names_is_there(page, options):
    text = PAGES[page]
    assert list(wrong_links(text, page)) == []
    assert list(wrong_files(text)) == []
    # The page for users of other libraries names theirs, too; its own lines are run below.
    assert page == "docs/coming_from.md" or list(wrong_classes(text)) == []
    assert list(wrong_paths(text)) == []
    assert list(wrong_options(text, options)) == []


def test_what_is_not_there_is_found(options):
    text = (
        "[a](docs/sweeps.md#the-grid) [b](docs/sweeps.md#the-great) [c](docs/nowhere.md) [d](#no)\n"
        "`configs/class7.yaml` `conv2_ch4.yaml` `my_cnn.py` `final.png` `first.png` `prober/x/`\n"
        "```text\na  prober/ascent/module.py\nb  prober/ascent/modul.py\n```\n"
        "`ChannelMean` `Fourier(1.5)` `ChannelMedian` `Furier(1)`\n"
        "`prober.visualize` `prober.InputError` prober.visualise prober.ascent.nothing\n"
        "`grid.layers` `--trainer.max_steps 5` `grid.lairs` `--sweeps x` `trainer.steps`\n"
    )
    assert list(wrong_links(text)) == ["docs/sweeps.md#the-great", "docs/nowhere.md", "#no"]
    assert list(wrong_files(text)) == [
        "conv2_ch4.yaml",
        "first.png",
        "prober/x/",
        "prober/ascent/modul.py",
    ]
    assert list(wrong_classes(text)) == ["ChannelMedian", "Furier(1)"]
    assert sorted(wrong_paths(text)) == ["prober.ascent.nothing", "prober.visualise"]
    assert list(wrong_options(text, options)) == ["grid.lairs", "--sweeps x", "trainer.steps"]
    assert not names_option("`grid.layers`", "grid.lay") and names_option("--memory 4", "memory")
    assert names_option("| `grid.` |\n| `layers` |", "grid.layers")
    assert not names_option("| `grid.` |\n| a | `layers` |", "grid.layers")


def command_lines():
    """Every command line of `main.py` or `prober` in the documents' blocks."""
    for page, text in PAGES.items():
        for block in blocks(text, ""):
            for line in block.replace("\\\n", "").splitlines():
                found = re.search(r"(?:main\.py|^prober) +(.*)", line)
                if found and found[1].split()[0] in command_files():
                    yield pytest.param(found[1].strip(), id=f"{page}: {found[1].strip()[:60]}")


@pytest.fixture
def reader(prober, tmp_path):
    """Runs commands in a folder as it is after reading the pages."""
    page = PAGES["docs/your_cnn.md"]
    fit, sweep, *_ = blocks(page, "yaml")
    for name, content in {
        "my_cnn.py": blocks(page, "python")[0],
        "my_target.yaml": fit,
        "my_grid.yaml": sweep,
        "my_parts.py": blocks(PAGES["docs/extending.md"], "python")[0],
    }.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    for config in CONFIGS.iterdir():
        (tmp_path / "configs").mkdir(exist_ok=True)
        (tmp_path / "configs" / config.name).write_bytes(config.read_bytes())
    return prober


@pytest.mark.parametrize("line", command_lines())
def test_command_lines_are_understood(reader, line):
    ended = reader(*shlex.split(line, comments=True), "--print_config")
    assert ended.code == 0, ended.err
    assert yaml.safe_load(ended.out)


def configs_in_pages():
    """Every block of YAML in the documents that is a whole config of a command."""
    for page, text in PAGES.items():
        for number, block in enumerate(blocks(text, "yaml")):
            if set(yaml.safe_load(block)) <= {"model", "grid", "trainer", "seed_everything"}:
                yield pytest.param(block, id=f"{page} {number}")


@pytest.mark.parametrize("config", configs_in_pages())
def test_configs_in_the_pages_are_understood(reader, tmp_path, config):
    (tmp_path / "page.yaml").write_text(config, encoding="utf-8")
    command = "sweep" if "grid:" in config else "fit"
    ended = reader(command, "--config", "page.yaml", "--print_config")
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("page", ["README.md", "docs/objectives.md", "docs/your_cnn.md"])
def test_the_python_in_the_pages_runs(page):
    names = {"model": ReferenceCNN()}
    for block in blocks(PAGES[page], "python"):
        exec(block, names)


class Short(ast.NodeTransformer):
    """Two steps, whatever a line of a page says, are enough to know that it is understood."""

    def visit_Call(self, node):
        self.generic_visit(node)
        if ast.unparse(node.func) == "prober.visualize":
            node.keywords = [each for each in node.keywords if each.arg != "steps"]
            node.keywords.append(ast.keyword("steps", ast.Constant(2)))
        return node


def test_the_lines_for_users_of_other_libraries_run():
    page = PAGES["docs/coming_from.md"]
    names = {}
    made = 0
    for block in blocks(page, "python"):
        tree = ast.fix_missing_locations(Short().visit(ast.parse(block)))
        exec(compile(tree, "coming_from.md", "exec"), names)
        made += block.count("prober.visualize(")
    assert made > 12
    for library in ("Lucent", "Captum", "Xplique", "torch-dreams", "pytorch-cnn-visualizations"):
        assert f"## {library}" in page


def test_the_layers_on_the_page_are_those_that_the_command_lists(reader, tmp_path):
    names = {}
    exec(blocks(PAGES["docs/your_cnn.md"], "python")[0], names)
    torch.save(names["MyCNN"](width=12).state_dict(), tmp_path / "my_cnn.pt")
    said = reader("layers", "--config", "my_target.yaml").out
    (shown,) = blocks(PAGES["docs/your_cnn.md"], "text")
    assert said == shown
    listed = json.loads(reader("layers", "--config", "my_target.yaml", "--json").out)
    assert [layer["name"] for layer in listed] == ["conv", "head", "logits"]


def test_the_readme_is_a_door():
    text = PAGES["README.md"]
    assert len(text.splitlines()) < 200
    first, second = blocks(text, "")[:2]
    install = "pip install -r requirements.txt && "
    assert first == f"{install}python main.py fit --config configs/conv2_ch3.yaml\n"
    assert second == f"{install}pytest -n 2 --dist loadfile\n"
    for word in ("*activation maximization*", "*feature visualization*", "Erhan", "Simonyan"):
        assert word in text
    assert "CC BY-SA 3.0" in text.splitlines()[-1]
    assert "its owner's to choose" in text.splitlines()[-1]
