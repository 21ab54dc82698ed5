"""The house: imports run one way, and starting is cheap."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Collection
from graphlib import TopologicalSorter
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from support.places import ROOT

PACKAGES = ("zoo", "applications", "tuning")
ROOMS = (  # each may import those before it, and those beside it
    ("ground",),
    ("builders", "pictures"),
    ("evaluation",),
    ("tasks",),
    ("data",),
    ("kinds",),
    ("artifacts",),
    ("training", "formats"),
    ("serving",),
    ("commands",),
    ("applications",),
    ("tuning",),
)
GROUND = {
    "__init__",
    "arrays",
    "cli",
    "errors",
    "files",
    "freezing",
    "keras_internals",
    "progress",
    "settings",
    "startup",
    "terminal",
}
FACES = {
    "zoo",
    "zoo.builders",
    "zoo.cli",
    "zoo.data",
    "zoo.tasks",
    "applications",
    "tuning",
}  # public names, which lead to wherever these are
BY_TASK = {  # what asks a task what it is, outside of the tasks; and why that is no ladder
    ("zoo.artifacts.card", "comparison"): "the kind of network that a card names is that of its task",
    ("zoo.artifacts.artifact", "table"): "the objects that users ask: a model that makes images has no predict()",
    ("zoo.builders.checks", "table"): "names of tasks that builders took before they took an activation, deprecated",
    ("zoo.kinds.array_targets", "issubclass"): "whole numbers in memory are positions of the classes that are named",
}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            if len(ast.parse(file.read_text(encoding="utf-8")).body) < 2:
                continue  # a folder's docstring
            found[".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = file
    return found


def imported(source: str, known: Collection[str], processes: bool = True) -> set[str]:
    """Which of the `known` modules a source imports, at its top or later, by statement or by a string.

    Code for other processes is among the strings, if `processes`.
    """
    tree, names = ast.parse(source), set()
    lists = [node.elts for node in ast.walk(tree) if isinstance(node, ast.List)]
    run = [each for items in lists for flag, each in zip(items, items[1:], strict=False) if ast.unparse(flag) == "'-m'"]
    for node in ast.walk(tree):
        if node in run and not processes:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports name their package"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names |= set(re.findall(r"^(\w+(?:\.\w+)+)(?::\w+)?$", node.value))  # as registries name them
            names |= set(re.findall(r"(?:from|import) (\w+(?:\.\w+)+)", node.value) if processes else ())
    return {name for name in names if name in known} - set(PACKAGES)


def room(module: str) -> int:
    parts = module.split(".")
    name = parts[0] if parts[0] != "zoo" else parts[1] if (ROOT / "zoo" / parts[1]).is_dir() else "ground"
    return next(at for at, rooms in enumerate(ROOMS) if name in rooms)


def test_imports_run_one_way() -> None:
    known, upward = modules(), set()
    for module in known.keys() - FACES:
        for other in imported(known[module].read_text(encoding="utf-8"), known):
            if other != "zoo.data" and room(other) > room(module):
                upward.add((module, other))
    assert not upward


def test_a_string_is_an_import_too() -> None:
    known = {"zoo.kinds.tables", "tuning.worker_process"}
    assert imported('READERS = {"table": "zoo.kinds.tables:tables"}', known) == {"zoo.kinds.tables"}
    assert imported('code = "import zoo; from tuning.worker_process import work"', known) == {"tuning.worker_process"}
    assert imported('[python, "-m", "tuning.worker_process"]', known) == {"tuning.worker_process"}
    assert imported('[python, "-m", "tuning.worker_process"]', known, processes=False) == set()
    assert imported('"""As `zoo.kinds.tables` has it."""', known) == set()


def test_nothing_but_the_ground_lies_at_the_top() -> None:
    assert {file.stem for file in (ROOT / "zoo").glob("*.py")} == GROUND
    folders = {file.parent.name for file in (ROOT / "zoo").glob("*/*.py")}
    assert folders == {name for rooms in ROOMS[:-2] for name in rooms} - {"ground"}


def test_there_are_no_circles() -> None:
    known = modules()
    below = {
        module: imported(file.read_text(encoding="utf-8"), known, processes=False) - FACES - {module}
        for module, file in known.items()
    }
    order = TopologicalSorter(below)
    order.prepare()  # raises CycleError, which names them


def by_task(source: str, names: Collection[str], classes: Collection[str]) -> set[str]:
    """How a source decides by what a task is: by comparing its name, in a table, a match, or by its class."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        texts = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        used |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
        if isinstance(node, ast.Compare) and (texts & names or {"task", "family"} & (used | texts)):
            sides = [node.left, *node.comparators]
            if texts & names or any(isinstance(side, ast.Attribute) and side.attr == "family" for side in sides):
                found.add("comparison")
        elif isinstance(node, ast.Match) and (texts & names or used & classes):
            found.add("match")
        elif isinstance(node, ast.Dict):
            keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            keys |= {key.id for key in node.keys if isinstance(key, ast.Name)}
            if len(keys & names) > 1 or keys & classes:
                found.add("table")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass") and used & classes:
            found.add(ast.unparse(node.func))
    return found


def test_nothing_asks_a_task_what_it_is() -> None:
    """What follows from a task is in its room; what is listed is all there is outside."""
    from zoo.tasks.registry import TASKS

    classes = {"Task", *(task.__name__ for task in TASKS.values())}
    found = {
        (module, how)
        for module, file in modules().items()
        if module.split(".")[1:2] != ["tasks"]
        for how in by_task(file.read_text(encoding="utf-8"), TASKS.keys(), classes)
    }
    assert found == set(BY_TASK) and len(found) <= 10


@pytest.mark.parametrize(
    ("source", "how"),
    [
        ("if card['task'] == 'regression': pass", "comparison"),
        ("x = task in ('classification', 'multi_label')", "comparison"),
        ("if job.task.family == 'other': pass", "comparison"),
        ("match task:\n    case 'forecasting': pass", "match"),
        ("loss = {'classification': 1, 'regression': 2}[task]", "table"),
        ("x = {Regression: 1}", "table"),
        ("isinstance(task, Regression)", "isinstance"),
        ("if task.several: pass", None),
    ],
)
def test_it_is_seen_where_something_decides_by_task(source: str, how: str | None) -> None:
    names = {"classification", "multi_label", "regression", "forecasting"}
    assert by_task(source, names, {"Regression"}) == ({how} if how else set())


INTERNALS = {"zoo.keras_internals", "tuning.keras_tuner_internals"}
OTHERS = {"_asdict", "_replace", "_exit", "_getframe"}  # of named tuples, os and sys: documented


def defined_names(source: str) -> set[str]:
    """Names of the functions, variables and attributes that a source defines."""
    own = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            own.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            own.add(node.id if isinstance(node, ast.Name) else node.attr)
    return own


def private_names(source: str, own: Collection[str]) -> set[str]:
    """Private names of other packages that a source uses: attributes, texts that name them, imports of `keras.src`."""
    used = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr) and node.attr not in OTHERS:
            mine = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            used |= set() if mine and node.attr in own else {node.attr}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("getattr", "hasattr", "get"):
            texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            used |= {text for text in texts if re.fullmatch("_[a-z]+_[a-z_]+", text)}
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            used |= {node.slice.value} if re.match("_[a-z]", str(node.slice.value)) else set()
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            used |= {name for name in names if re.match(r"keras(_tuner)?\.src", name)}
    return used


def test_private_names_of_keras_are_in_one_file_for_each_library() -> None:
    sources = {name: file.read_text(encoding="utf-8") for name, file in modules().items()}
    own = set().union(*(defined_names(source) for name, source in sources.items() if name not in INTERNALS))
    found = {name: private_names(source, own) for name, source in sources.items()}
    assert {name for name, used in found.items() if used} == INTERNALS, {n: used for n, used in found.items() if used}


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("model._flatten_layers()", {"_flatten_layers"}),
        ("class A(B):\n    def f(self): return self._retry_queue", {"_retry_queue"}),
        ("class A(B):\n    def f(self): self._mine = 1; return self._mine", set()),
        ("class A(B):\n    def f(self): return super()._duplicate(1)", {"_duplicate"}),
        ("getattr(optimizer, '_learning_rate', None)", {"_learning_rate"}),
        ("vars(twin)['_iterations'] = 1", {"_iterations"}),
        ("from keras.src import backend", {"keras.src"}),
        ("row._replace(x=1); 'serving_default'.endswith('_bytes')", set()),
    ],
)
def test_private_names_are_seen(source: str, used: set[str]) -> None:
    assert private_names(source, defined_names(source)) == used


def test_no_class_hides_a_private_name_of_a_base_in_keras() -> None:
    """A method of ours with the name of one of Keras' own would be called by Keras."""
    hidden = set()
    for name, file in modules().items():
        if name in INTERNALS or not re.search(r"^class \w+\(", file.read_text(encoding="utf-8"), re.M):
            continue
        for each in vars(importlib.import_module(name)).values():
            if isinstance(each, type) and each.__module__ == name:
                bases = [base for base in each.__mro__ if base.__module__.split(".")[0] in ("keras", "keras_tuner")]
                own = {key for key in vars(each) if re.match("_[a-z]", key)}
                hidden |= {(name, each.__name__, key) for key in own if any(hasattr(base, key) for base in bases)}
    assert not {row for row in hidden if row[2] not in ("_abc_impl", "_serialize_args")}


@pytest.mark.parametrize(
    "statement",
    [
        "import zoo, applications, tuning",
        "import zoo.data, applications.backbones, applications.fine_tuning",
        "import sys; sys.argv = ['zoo', '--help']\nfrom zoo.cli import main\ntry: main()\nexcept SystemExit: pass",
    ],
)
def test_starting_loads_neither_tensorflow_nor_keras(statement: str) -> None:
    code = f"{statement}\nimport sys; print(sorted({{'tensorflow', 'keras', 'sklearn'}} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip().endswith("[]")


def test_commands_load_keras_without_what_they_do_not_need() -> None:
    code = """
import sys
import zoo, applications, tuning
finders = list(sys.meta_path)  # a program that imports the project keeps what Keras finds
from zoo.cli import main
assert sys.meta_path == finders
sys.argv = ["zoo", "show", "mlp"]
try:
    main()
finally:
    assert "keras" in sys.modules
    assert not {"sklearn", "matplotlib", "pandas", "jax"} & sys.modules.keys()
    import sklearn.base, matplotlib.pyplot  # whoever needs them finds them
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert shown.returncode == 0 and "Total params" in shown.stdout, shown


def test_command_modules_import_only_the_command_line_library_at_their_top() -> None:
    files = [*ROOT.glob("*/commands.py"), *ROOT.glob("zoo/commands/*.py")]
    entries = {entry.value.split(":")[0] for entry in entry_points(group="zoo.commands")}
    commands = [
        file for file in files if file.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") in entries
    ]
    assert len(commands) == len(entries)
    for file in commands:
        top = [n for n in ast.parse(file.read_text()).body if isinstance(n, ast.Import | ast.ImportFrom)]
        names = {n.module if isinstance(n, ast.ImportFrom) else n.names[0].name for n in top}
        ours = {
            "zoo.commands",
            "zoo.commands.completing",
            "zoo.commands.datasets",
            "zoo.commands.options",
            "zoo.terminal",
        }
        assert names <= {"__future__", "collections.abc", "typing", "click"} | ours, file


@pytest.mark.parametrize("package", PACKAGES)
def test_what_people_read_is_written_in_one_place(package: str) -> None:
    for file in sorted((ROOT / package).rglob("*.py")):
        if (package, file.name) in (("zoo", "terminal.py"), ("zoo", "process.py")):  # that prints to its parent
            continue
        calls = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        names = {ast.unparse(call.func) for call in calls}
        assert not names & {"print", "click.echo", "click.secho", "Console", "rich.print"}, file


def test_public_names_are_there() -> None:
    import applications
    import tuning
    import zoo

    for package in (zoo, applications, tuning):
        for name in dir(package):
            assert getattr(package, name) is not None
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            package.nothing  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_the_public_names(package: str) -> None:
    source = ast.parse((ROOT / package / "__init__.py").read_text())
    block = next(node for node in source.body if isinstance(node, ast.If))
    assert {alias.asname for node in block.body for alias in node.names} == set(
        importlib.import_module(package)._PUBLIC
    )


PROGRAM = """
import applications, tuning, zoo

trained = zoo.train("mlp", zoo.data.open("cancer.csv"), model={"units": (64,)}, epochs=3)
print(trained.export("saved_models/cancer").name, zoo.load("saved_models/cancer").predict("rows.csv")[0].label)
print(applications.fine_tune("photos").evaluation.accuracy + 1, tuning.search("cancer.csv", trials=3).best)
"""


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a type checker keeps of the files that it has seen."""
    return tmp_path_factory.mktemp("types")


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [False, True])
def test_a_program_that_uses_the_packages_passes_a_type_checker(tmp_path: Path, types: Path, wrong: bool) -> None:
    assert all((ROOT / package / "py.typed").is_file() for package in PACKAGES)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM + ("zoo.train('mlp', 'cancer.csv', epochs='three')\n" if wrong else ""))
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(types), str(program)]
    checked = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"MYPYPATH": str(ROOT)}
    )
    ours = [line for line in checked.stdout.splitlines() if line.startswith("program.py")]
    assert (len(ours) == 1 and "epochs" in ours[0]) if wrong else not ours, checked.stdout + checked.stderr
