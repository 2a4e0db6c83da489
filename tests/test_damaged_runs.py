"""Whatever an editor, a disk or a copy cut short has done to a run's files: a sentence and exit code 2, or it works."""

from __future__ import annotations

import json
import shutil
import tomllib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import SMALL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from room import Room
from safetensors.torch import load, save

from recon.cli.main import main
from recon.cli.opening import open_run, scene_to_look_at
from recon.errors import ReconError, RunError
from recon.io.settings import to_toml

Said = pytest.CaptureFixture[str]
Tree = dict[str, Any] | list[Any]


@pytest.fixture(scope="module")
def sound(room: Room, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with nothing wrong."""
    folder = tmp_path_factory.mktemp("runs") / "room"
    photos = room.write_posed_photos(tmp_path_factory.mktemp("photos") / "room")
    assert main(["train", "--images", str(photos), "--output", str(folder), *SMALL]) == 0
    return folder


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(sound, tmp_path / "run"))


def view(run: Path) -> int:
    """What `recon view` does before it serves."""
    try:
        opened = open_run(run)
        scene = scene_to_look_at(opened)
        opened.model.render(scene.cameras[0])
        assert scene.images[0].rgb.ndim == 3
    except ReconError:
        return 2
    return 0


COMMANDS: dict[str, Callable[[Path], int]] = {
    "resume": lambda run: main(["train", "--resume", str(run), "--no-viewer", "--quiet"]),
    "eval": lambda run: main(["eval", str(run), "--json"]),
    "render": lambda run: main(["render", str(run), "--views", "test", "--output", str(run / "out"), "--json"]),
    "export": lambda run: main(["export", str(run), "--to", str(run / "out.ply")]),
    "info": lambda run: main(["info", str(run)]),
    "view": view,
}


def change_config(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    tables = tomllib.loads((run / "config.toml").read_text())
    change(tables)
    (run / "config.toml").write_text(to_toml(tables))


def change_json(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    tree = json.loads(file.read_text())
    change(tree)
    file.write_text(json.dumps(tree))


def change_tensors(file: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """A checkpoint's tensors get the checksum they need: this is about what is in them."""
    tensors = load(file.read_bytes())
    change(tensors)
    data = save(tensors)
    file.write_bytes(data)
    state = file.parent / "state.json"
    if state.exists():
        change_json(state, lambda said: said.update(tensors_bytes=len(data), tensors_crc32=zlib.crc32(data)))


# --- One by one -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["resume", "eval", "render", "export", "view"])
@pytest.mark.parametrize("table", ["options", "inputs", "scene", "training"])
def test_a_config_without_a_table_is_not_whole(run: Path, table: str, command: str, capsys: Said) -> None:
    change_config(run, lambda tables: tables.pop(table))
    assert COMMANDS[command](run) == 2
    if command != "view":
        assert f"config.toml is not whole: [{table}] is missing." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "name", "value", "said"),
    [
        ("options", "hold_out", "eight", "it.options.hold_out is 'eight', not a whole number."),
        ("options", "hold_out", 8.5, "it.options.hold_out is 8.5, not a whole number."),
        ("scene", "image_size", True, "it.scene.image_size is True, not a whole number."),
        ("scene", "transparent", 1, "it.scene.transparent is 1, not true or false."),
        ("inputs", "hash", 7, "it.inputs.hash is 7, not text."),
        ("training", "budget", "long", "it.training.budget is 'long', not a number."),
    ],
)
def test_a_config_with_a_value_of_another_type_names_it(
    run: Path, table: str, name: str, value: object, said: str, capsys: Said
) -> None:
    change_config(run, lambda tables: tables[table].update({name: value}))
    assert COMMANDS["eval"](run) == 2
    assert f"config.toml is not whole: {said}" in capsys.readouterr().err


def test_a_model_option_that_is_none_of_the_choices_lists_them(run: Path, capsys: Said) -> None:
    change_config(run, lambda tables: tables["options"]["model"].update(background="pink"))
    assert COMMANDS["export"](run) == 2
    assert "model.background is 'pink', not one of random, black, white." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tree: tree.pop("views"), "it.views is missing"),
        (lambda tree: tree["views"].pop(), "names and views do not agree"),
        (lambda tree: tree["views"][2].pop("mask"), "it.views.2.mask is missing"),
        (lambda tree: tree["views"][2]["lens"].update(model="MAGNIFIER"), "the lens of room_02.png cannot be used"),
        (lambda tree: tree["views"][2]["lens"]["params"].pop(), "the lens of room_02.png cannot be used"),
        (lambda tree: tree["views"][1]["cam_from_input"].pop(), "not a list of 4"),
        (lambda tree: tree["views"][1]["cam_from_input"][0].__setitem__(0, float("nan")), "are not finite"),
        (lambda tree: tree["train"].append(6), "train and test are not indices"),
        (lambda tree: tree["left_out"].append({"name": "x"}), "it.left_out.0.reason is missing"),
    ],
)
def test_a_damaged_scene_json_says_what_is_wrong(
    run: Path, change: Callable[[dict[str, Any]], object], said: str, capsys: Said
) -> None:
    change_json(run / "scene" / "scene.json", change)
    assert COMMANDS["export"](run) == 2
    error = capsys.readouterr().err
    assert "scene.json is not whole: " in error
    assert said in error


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensors: tensors.pop("focal"), "focal is missing"),
        (lambda tensors: tensors.update(up=torch.zeros(4)), "up is 4, not 3"),
        (lambda tensors: tensors.update(width=tensors["width"].float()), "width holds float32, not int64"),
        (lambda tensors: tensors.update(points=tensors["points"][1:].clone()), "points is"),
        (lambda tensors: tensors["center"].fill_(float("inf")), "center is not finite"),
        (lambda tensors: tensors["height"].fill_(10**9), "no sizes of pictures"),
    ],
)
def test_damaged_tensors_of_a_scene_are_named(
    run: Path, change: Callable[[dict[str, torch.Tensor]], object], said: str, capsys: Said
) -> None:
    change_tensors(run / "scene" / "tensors.safetensors", change)
    assert COMMANDS["render"](run) == 2
    error = capsys.readouterr().err
    assert "tensors.safetensors is not whole: " in error
    assert said in error


@pytest.mark.parametrize("command", ["resume", "export"])
@pytest.mark.parametrize("name", ["step", "model.blocks", "sampler.order"])
def test_a_checkpoint_without_an_entry_is_refused(run: Path, name: str, command: str, capsys: Said) -> None:
    change_tensors(run / "checkpoint" / "tensors.safetensors", lambda tensors: tensors.pop(name))
    assert COMMANDS[command](run) == 2
    assert f"{name} is missing" in capsys.readouterr().err


def test_a_checkpoint_of_more_gaussians_than_it_holds_is_refused(run: Path, capsys: Said) -> None:
    change_tensors(run / "checkpoint" / "tensors.safetensors", lambda tensors: tensors["model.count"].fill_(10**6))
    assert COMMANDS["export"](run) == 2
    assert "does not fit" in capsys.readouterr().err


def test_metrics_that_are_no_records_are_passed_over(run: Path) -> None:
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b'\xff\xfe\n[]\n{"step": "many"}\n{"step": 25, "losses": [1]}\n')
    assert COMMANDS["resume"](run) == 0
    assert COMMANDS["info"](run) == 0


@pytest.mark.parametrize("file", ["scene/scene.json", "checkpoint/state.json", "config.toml"])
def test_brackets_without_end_are_no_traceback(run: Path, file: str, capsys: Said) -> None:
    (run / file).write_text(("x = " if file == "config.toml" else "") + "[" * 200_000)
    for command in ("resume", "eval"):
        assert COMMANDS[command](run) == 2
        said = capsys.readouterr().err
        assert "nested too deeply" in said
        assert "Traceback" not in said


def test_metrics_of_brackets_without_end_are_passed_over(run: Path) -> None:
    with (run / "metrics.jsonl").open("a") as file:
        file.write("[" * 200_000 + "\n")
    assert COMMANDS["info"](run) == 0


def test_deep_values_of_another_type_are_named_in_short(run: Path, capsys: Said) -> None:
    change_config(run, lambda tables: tables["scene"].update(image_size=[[[[[[[[[[1]]]]]]]]]]))
    assert COMMANDS["eval"](run) == 2
    assert "it.scene.image_size is [[[[[[[...]]]]]]], not a whole number." in capsys.readouterr().err


def test_a_scene_that_opens_once_opens_again(run: Path) -> None:
    """No command mends or worsens what it only reads."""
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for command in ("eval", "info", "view"):
        assert COMMANDS[command](run) == 0
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


# --- By chance ------------------------------------------------------------------------------------------------------

FILES = ("config.toml", "scene/scene.json", "checkpoint/state.json", "metrics.jsonl")
TENSORS = ("scene/tensors.safetensors", "checkpoint/tensors.safetensors")
VALUES = (
    None,
    True,
    0,
    -1,
    3,
    25,
    0.5,
    -1e300,
    float("nan"),
    float("inf"),
    "",
    "x",
    "a\0b",
    [],
    [1],
    {},
    {"kind": "x"},
)


def places(tree: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every entry."""
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    below = [place for name, value in inside for place in places(value, (*way, name))]
    return [way, *below] if way else below


def spoil_tree(tree: Tree, draw: Callable[[Any], Any]) -> None:
    *way, last = draw(st.sampled_from(places(tree)))
    for name in way:
        tree = tree[name]
    value = draw(st.sampled_from((*VALUES, "DELETED")))
    if value == "DELETED":
        del tree[last]
    else:
        tree[last] = value


def spoil_tensor(tensors: dict[str, torch.Tensor], draw: Callable[[Any], Any]) -> None:
    name = draw(st.sampled_from(sorted(tensors)))
    tensor = tensors[name]
    how = {
        "gone": lambda: tensors.pop(name),
        "cut": lambda: tensors.update({name: tensor.flatten()[1:].clone()}),
        "longer": lambda: tensors.update({name: torch.cat([tensor.flatten(), tensor.flatten()])}),
        "double": lambda: tensors.update({name: tensor.double()}),
        "zero": lambda: tensor.zero_(),
        "negative": lambda: tensors.update({name: -torch.ones_like(tensor)}),
    }
    how[draw(st.sampled_from(sorted(how)))]()


def spoil(run: Path, draw: Callable[[Any], Any]) -> None:
    file = run / draw(st.sampled_from((*FILES, *TENSORS)))
    if draw(st.booleans()) and draw(st.booleans()):
        data = bytearray(file.read_bytes())
        at = draw(st.integers(0, len(data) - 1))
        data[at:] = data[at + 1 :] if draw(st.booleans()) else b""
        file.write_bytes(data)
    elif file.suffix == ".safetensors":
        change_tensors(file, lambda tensors: spoil_tensor(tensors, draw))
    elif file.suffix == ".toml":
        tables = tomllib.loads(file.read_text())
        spoil_tree(tables, draw)
        file.write_text(to_toml(tables))
    elif file.suffix == ".json":
        change_json(file, lambda tree: spoil_tree(tree, draw))
    else:
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        spoil_tree(lines, draw)
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,  # the same damage each time: a suite that fails by chance is not listened to
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), command=st.sampled_from(sorted(COMMANDS)))
def test_no_damage_ends_in_a_traceback(
    data: st.DataObject, command: str, sound: Path, tmp_path_factory: pytest.TempPathFactory, capsys: Said
) -> None:
    run = Path(shutil.copytree(sound, tmp_path_factory.mktemp("damaged") / "run"))
    spoil(run, data.draw)
    assert COMMANDS[command](run) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err
    shutil.rmtree(run)


def test_a_scene_is_refused_as_a_run_error(run: Path) -> None:
    (run / "scene" / "scene.json").unlink()
    with pytest.raises(RunError, match="cannot be read"):
        open_run(run)
