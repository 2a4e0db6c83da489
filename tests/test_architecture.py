"""The rules of the house that a machine can hold: layers, weight of imports, names, and what the public finds."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "recon"

LAYERS = (
    ("cli",),
    ("viewer", "bench"),
    ("training", "evaluation", "export", "report"),
    ("models", "sfm", "priors", "mesh"),
    ("io", "losses", "likeness", "retrieval", "sampling", "sparse", "datasets"),
    ("ops",),  # operators speak in the nouns
    ("types",),
    ("geometry",),
    ("errors",),
)
"""Top first. A part may import parts of lower layers, and nothing beside or above it."""

LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
NATIVE_CALLER = "ops"
HOMELESS = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
HEAVY = (
    *("av", "dash", "gsplat", "imageio", "matplotlib", "nerfacc", "open3d", "pandas", "plyfile", "pycolmap", "rich"),
    *("scipy", "sklearn", "transformers", "trimesh", "tyro", "viser"),
)
SHORT = 15
"""Lines of a function whose signature may say it all."""
CODE_FOLDERS = ("recon", "viewer", "cli", "datasets", "tests", "benchmarks", "scripts", "cuda")


@dataclass(frozen=True)
class Import:
    """One import statement inside the package."""

    where: str
    module: str
    target: str


def test_imports_point_down() -> None:
    wrong = [
        f"{found.where} imports {found.target}"
        for found in _imports()
        if (ours := _part(found.module)) is not None
        and (theirs := _part(found.target)) is not None
        and ours != theirs
        and LEVEL[theirs] <= LEVEL[ours]
    ]
    assert wrong == []


def test_every_part_has_a_layer() -> None:
    parts = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if _is_code(path)}
    assert sorted(parts - set(LEVEL) - {"__init__"}) == []


def test_only_the_operators_call_native_code() -> None:
    callers = {found.where for found in _imports() if found.target.startswith("recon._native")}
    assert [where for where in sorted(callers) if not where.startswith(f"recon/{NATIVE_CALLER}/")] == []


def test_nothing_above_the_models_asks_of_which_kind_one_is() -> None:
    """Models are told apart by what they can do (`recon.types`), never by their class or that of their options."""
    asked = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}"
        for path in _outside_of_models()
        for node in (*_nodes(path, ast.Call), *_nodes(path, ast.MatchClass))
        if (isinstance(node, ast.MatchClass) or ast.unparse(node.func) in ("isinstance", "issubclass", "type"))
        and _from_models(path) & {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    ]
    assert asked == []


def _outside_of_models() -> Iterator[Path]:
    for folder in ("recon", "cli", "viewer", "datasets"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            if "models" not in path.relative_to(REPOSITORY).parts:
                yield path


def _from_models(path: Path) -> set[str]:
    """Names that a file takes from `recon.models`."""
    imports = (node for node in _nodes(path, ast.ImportFrom) if (node.module or "").startswith("recon.models"))
    return {alias.asname or alias.name for node in imports for alias in node.names}


def _nodes(path: Path, kind: type[ast.AST]) -> Iterator[Any]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kind))


@pytest.mark.parametrize("part", ["recon.ops", "recon.models", "recon.training", "recon.evaluation", "recon.bench"])
def test_the_core_imports_torch_and_nothing_heavier(part: str) -> None:
    probe = f"import sys, {part}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == []


def test_help_needs_no_torch() -> None:
    probe = (
        "import sys\nfrom recon.cli.main import main\nsys.argv = ['recon', '--help']\n"
        "try: main()\nexcept SystemExit as stop: assert not stop.code, stop.code\n"
        "print('LOADED', *[name for name in ['torch', *sys.argv[2:]] if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1].split() == ["LOADED"]


def test_help_answers_in_half_a_second() -> None:
    bare = min(_cpu_seconds("pass") for _ in range(3))
    helped = min(
        _cpu_seconds("import sys; sys.argv[1:] = ['--help']; import recon.cli.main as m; m.main()") for _ in "123"
    )
    assert helped - bare < 0.5, f"recon --help takes {helped:.2f} s of CPU, python itself {bare:.2f} s"


def test_no_file_is_homeless() -> None:
    assert [str(path) for path in _code_files() if path.stem in HOMELESS or path.parent.name in HOMELESS] == []


def test_public_names_exist() -> None:
    for module in _modules():
        loaded = importlib.import_module(module)
        missing = [name for name in getattr(loaded, "__all__", []) if not hasattr(loaded, name)]
        assert missing == [], f"{module}.__all__"


def test_modules_and_long_public_functions_say_what_they_do() -> None:
    silent = []
    for path in _package_files():
        tree = ast.parse(path.read_text())
        if len(tree.body) > 0 and ast.get_docstring(tree) is None:
            silent.append(_place(path))
        public = getattr(importlib.import_module(_module(path)), "__all__", ())
        for node in ast.iter_child_nodes(tree):
            if not isinstance(node, ast.FunctionDef) or node.name not in public or node.name == "main":
                continue
            is_command = node.name == "run" and _part(_module(path)) == "cli"  # its Options say it
            lines = (node.end_lineno or 0) - node.lineno
            if lines > SHORT and not is_command and ast.get_docstring(node) is None:
                silent.append(f"{_place(path)}: {node.name}")
    assert silent == []


def test_nothing_shadows_nvidias_cuda_package() -> None:
    assert not (REPOSITORY / "cuda" / "__init__.py").exists()


def _imports() -> Iterator[Import]:
    """Every import in the package, inside functions too, but not those for type checkers alone."""
    for path in _package_files():
        tree = ast.parse(path.read_text())
        for_types = {id(node) for block in ast.walk(tree) if _is_type_checking(block) for node in ast.walk(block)}
        for node in ast.walk(tree):
            if id(node) in for_types:
                continue
            for target in _targets(node, path):
                yield Import(f"{_place(path)}:{getattr(node, 'lineno', 0)}", _module(path), target)


def _targets(node: ast.AST, path: Path) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    source = node.module or ""
    if node.level > 0:
        package = _module(path).split(".")
        package = package if path.name == "__init__.py" else package[:-1]
        source = ".".join([*package[: len(package) - node.level + 1], *([source] if source else [])])
    return [f"{source}.{name.name}" for name in node.names]


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _part(module: str) -> str | None:
    """The part of recon a module belongs to; None for other packages and for recon itself."""
    names = module.split(".")
    return names[1] if names[0] == "recon" and len(names) > 1 and names[1] in LEVEL else None


def _package_files() -> list[Path]:
    roots = [PACKAGE, *(PACKAGE / name for name in ("cli", "viewer", "datasets"))]  # rglob does not enter links
    return sorted({path for root in roots for path in root.rglob("*.py")})


def _modules() -> list[str]:
    return [_module(path) for path in _package_files() if path.name != "__main__.py"]


def _module(path: Path) -> str:
    names = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def _place(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def _is_code(path: Path) -> bool:
    return path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py")))


def _code_files() -> list[Path]:
    kinds = {".py", ".h", ".cpp", ".cu"}
    return [path for name in CODE_FOLDERS for path in (REPOSITORY / name).rglob("*") if path.suffix in kinds]


def _cpu_seconds(program: str) -> float:
    before = os.times()
    subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
