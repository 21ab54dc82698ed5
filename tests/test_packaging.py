"""The package as users install it: a wheel, in an environment without this folder, run from another one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from support.places import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; what it depends on is that of this one, so that nothing is downloaded."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    parts = ("zoo", "applications", "tuning", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
    for part in parts:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(ROOT / part, source / part)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(place), str(source)], check=True
    )
    wheel = next(place.glob("*.whl"))
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = ("zoo", "applications", "tuning")
    assert {f"{package}/py.typed" for package in packages} <= names
    assert {
        path.relative_to(ROOT).as_posix()
        for package in packages
        for path in (ROOT / package).rglob("*.*")
        if path.suffix in (".py", ".html", ".css", ".js", ".tsv")
    } <= names
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "build"))]
    environment = place / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    libraries = next(environment.glob("lib*/python*/site-packages"))
    subprocess.run([*pip, "--python", str(environment), "install", "--no-deps", "--no-index", str(wheel)], check=True)
    (libraries / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return environment


@pytest.mark.slow
def test_the_demo_runs_from_another_folder(installed: Path, tmp_path: Path) -> None:
    place = tmp_path / "Ein Ordner"
    place.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def zoo(*arguments: str) -> str:
        command = [str(installed / "bin" / "zoo"), *arguments]
        done = subprocess.run(command, cwd=place, env=clean, capture_output=True, text=True)
        assert done.returncode == 0, done
        return done.stdout

    where = [str(installed / "bin" / "python"), "-c", "import zoo, applications, tuning; print(zoo.__file__)"]
    found = subprocess.run(where, cwd=place, env=clean, capture_output=True, text=True).stdout
    assert Path(found.strip()).is_relative_to(installed)
    zoo("sample", "digits", "demo/digits")
    for file in (place / "demo" / "digits").rglob("*.png"):  # a few of three classes show as much
        if int(file.parent.name) > 2 or int(file.stem) >= 200:
            file.unlink()
    for digit in range(3, 10):
        (place / "demo" / "digits" / str(digit)).rmdir()
    assert "the export answers as the model does" in zoo("finetune", "demo/digits", "--input-size", "32")
    assert "accuracy" in zoo("evaluate", "saved_models/digits", "demo/digits", "--csv", "demo/scores.csv")
    assert (place / "demo" / "scores.csv").is_file()
    assert "2/0002.png" in zoo("predict", "saved_models/digits", "demo/digits/2/0002.png")
