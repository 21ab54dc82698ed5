"""The house: imports run one way, and starting is cheap."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ABOVE = {"zoo": {"applications", "tuning"}, "applications": {"tuning"}, "tuning": set()}


def imported(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", ABOVE)
def test_imports_run_one_way(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        assert not imported(file.read_text(encoding="utf-8")) & ABOVE[package], file


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
    for file in [*ROOT.glob("*/*commands.py"), *ROOT.glob("*/*/commands.py")]:
        top = [n for n in ast.parse(file.read_text()).body if isinstance(n, ast.Import | ast.ImportFrom)]
        names = {n.module if isinstance(n, ast.ImportFrom) else n.names[0].name for n in top}
        assert names <= {"__future__", "collections.abc", "typing", "click", "zoo.commands", "zoo.terminal"}, file


@pytest.mark.parametrize("package", ABOVE)
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


@pytest.mark.parametrize("package", ABOVE)
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


@pytest.mark.parametrize("wrong", [False, True])
def test_a_program_that_uses_the_packages_passes_a_type_checker(tmp_path: Path, wrong: bool) -> None:
    assert all((ROOT / package / "py.typed").is_file() for package in ABOVE)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM + ("zoo.train('mlp', 'cancer.csv', epochs='three')\n" if wrong else ""))
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(program)]
    checked = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"MYPYPATH": str(ROOT)}
    )
    ours = [line for line in checked.stdout.splitlines() if line.startswith("program.py")]
    assert (len(ours) == 1 and "epochs" in ours[0]) if wrong else not ours, checked.stdout + checked.stderr
