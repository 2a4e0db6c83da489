"""The run folder: settings come back as they were, checkpoints are whole, other people's folders are safe."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recon.errors import InputError, RunError
from recon.io import checkpoint as checkpoint_module
from recon.io.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from recon.io.moved import missing_photos, with_photos_in
from recon.io.run import MetricsLog, Run
from recon.io.scene_file import read_reconstruction, read_scene, write_scene
from recon.io.settings import from_plain, to_plain, to_toml
from recon.types import Cameras, LeftOut, Lens, Points, Reconstruction, Scene, View


@dataclass(frozen=True)
class Oak:
    height: float = 1.0


@dataclass(frozen=True)
class Fir:
    needles: int = 2


@dataclass(frozen=True)
class Garden:
    tree: Oak | Fir = Oak()
    paths: tuple[Path, ...] = ()
    gate: Path | None = None
    size: tuple[int, float] = (1, 2.0)
    name: str | None = 'a "quoted" name\nwith ünïcode'
    open: bool = True
    budget: float | None = None


@pytest.mark.parametrize(
    "garden",
    [
        Garden(),
        Garden(tree=Fir(7), paths=(Path("a b"), Path("c")), gate=Path("/x"), name=None, open=False, budget=1e-7),
        Garden(tree=Oak(float("inf")), budget=3),
    ],
)
def test_settings_come_back_from_toml_as_they_were(garden: Garden) -> None:
    read = tomllib.loads(to_toml({"options": to_plain(garden)}))
    without_none = {name: value for name, value in read["options"].items()}
    if garden.name is None:
        assert "name" not in without_none
        without_none["name"] = "given"
        assert from_plain(Garden, without_none).tree == garden.tree
    else:
        assert from_plain(Garden, without_none) == garden


def test_settings_of_another_version_name_what_is_unknown() -> None:
    with pytest.raises(RunError, match="the option moat"):
        from_plain(Garden, {"moat": 1})
    with pytest.raises(RunError, match="kind 'Yew'"):
        from_plain(Garden, {"tree": {"kind": "Yew"}})


def some_state(step: int) -> dict:
    draw = torch.Generator().manual_seed(step)
    weights = {"blocks": torch.rand(3, 5, generator=draw), "empty": torch.zeros(0, 4)}
    return {"step": step, "model": weights, "generator": draw.get_state(), "note": {"rates": [0.1, 1e-17], "who": None}}


def assert_same_state(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        if isinstance(value, dict):
            assert_same_state(value, b[name])
        elif isinstance(value, torch.Tensor):
            assert value.dtype == b[name].dtype
            assert torch.equal(value, b[name])
        else:
            assert value == b[name]


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path / "checkpoint", some_state(step))
        assert_same_state(load_checkpoint(tmp_path / "checkpoint"), some_state(step))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_a_full_disk_is_reported_and_the_old_checkpoint_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "checkpoint"
    save_checkpoint(folder, some_state(1))

    def full(path: Path, data: bytes) -> None:
        path.write_bytes(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint_module, "write_synced", full)
    with pytest.raises(RunError, match="No space left on device") as caught:
        save_checkpoint(folder, some_state(2))
    assert str(folder) in caught.value.message
    assert "untouched" in caught.value.message
    assert_same_state(load_checkpoint(folder), some_state(1))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_a_checkpoint_survives_being_killed_between_the_two_renames(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    save_checkpoint(folder, some_state(1))
    save_checkpoint(tmp_path / "checkpoint.new", some_state(2))
    folder.rename(tmp_path / "checkpoint.old")
    assert has_checkpoint(folder)
    assert_same_state(load_checkpoint(folder), some_state(2))
    save_checkpoint(folder, some_state(3))
    assert_same_state(load_checkpoint(folder), some_state(3))


def test_a_half_written_newer_checkpoint_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    save_checkpoint(folder, some_state(1))
    folder.rename(tmp_path / "checkpoint.old")
    (tmp_path / "checkpoint.new").mkdir()
    (tmp_path / "checkpoint.new" / "state.json").write_text("{}")
    assert_same_state(load_checkpoint(folder), some_state(1))


def test_kill_9_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import torch
        from pathlib import Path
        from recon.io.checkpoint import save_checkpoint
        for step in range(100000):
            save_checkpoint(Path({str(tmp_path / "checkpoint")!r}), {{"step": step, "x": torch.full((20000,), step)}})
            print(step, flush=True)
    """)
    for saves in (1, 6):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(saves)]
        process.send_signal(signal.SIGKILL)
        process.wait()
        state = load_checkpoint(tmp_path / "checkpoint")
        assert state["step"] >= int(printed[-1])
        assert torch.equal(state["x"], torch.full((20000,), state["step"]))


def spoil(folder: Path, how: str) -> None:
    tensors, state = folder / "tensors.safetensors", folder / "state.json"
    match how:
        case "cut":
            tensors.write_bytes(tensors.read_bytes()[:-1])
        case "flipped":
            data = bytearray(tensors.read_bytes())
            data[-1] ^= 1
            tensors.write_bytes(data)
        case "gone":
            tensors.unlink()
        case "json":
            state.write_text(state.read_text()[:-9])
        case "lies":
            state.write_text(json.dumps({"tensors_bytes": 0}))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("cut", "tensors.safetensors has"),
        ("flipped", "is not what was written"),
        ("gone", "No such file"),
        ("json", "state.json is cut off or damaged"),
        ("lies", "tensors.safetensors has"),
    ],
)
def test_a_damaged_checkpoint_is_refused_with_the_reason(tmp_path: Path, how: str, reason: str) -> None:
    folder = tmp_path / "checkpoint"
    save_checkpoint(folder, some_state(1))
    spoil(folder, how)
    with pytest.raises(RunError, match=f"cannot be used: .*{reason}") as caught:
        load_checkpoint(folder)
    assert str(folder) in caught.value.message
    assert caught.value.advice


def a_run(folder: Path) -> Run:
    run = Run.create(folder)
    run.write_config({"options": {"seed": 1}})
    return run


def test_a_trained_run_is_not_overwritten_unless_told(tmp_path: Path) -> None:
    run = a_run(tmp_path / "runs" / "scene")
    assert Run.create(run.folder).folder == run.folder  # nothing trained yet: nothing to lose
    run.save_checkpoint(some_state(1))
    with pytest.raises(InputError, match="already holds a trained run") as caught:
        Run.create(run.folder)
    assert "--resume" in caught.value.advice
    again = Run.create(run.folder, overwrite=True)
    assert again.has_checkpoint  # until the new run is sure to start
    again.begin({})
    assert not again.has_checkpoint


def test_a_folder_of_other_files_is_never_taken_over(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="holds other files"):
        Run.create(tmp_path, overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        Run.create(tmp_path / "thesis.tex")
    with pytest.raises(RunError, match="is not a run"):
        Run.open(tmp_path)
    with pytest.raises(RunError, match="does not exist"):
        Run.open(tmp_path / "nowhere")


def test_a_folder_in_which_a_first_start_failed_is_as_good_as_empty(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run").locked():
        pass
    assert [file.name for file in (tmp_path / "run").iterdir()] == [".lock"]
    assert Run.create(tmp_path / "run").folder == tmp_path / "run"


def test_a_full_disk_names_the_log_that_could_not_grow(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    with contextlib.closing(MetricsLog(run, after_step=0)) as log:
        log._file = Path("/dev/full").open("ab", buffering=0)  # noqa: SIM115 - the log closes it
        with pytest.raises(OSError, match="No space left") as caught:
            log.write({"step": 1})
    assert caught.value.filename == "/dev/full"


def test_two_trainings_into_one_run_are_refused(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    with run.locked(), pytest.raises(RunError, match="Another recon train"), run.locked():
        pass
    with run.locked():
        pass


def test_resumed_metrics_read_as_if_never_interrupted(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    log = MetricsLog(run, after_step=0)
    for step in range(1, 6):
        log.write({"step": step, "loss": 1 / step})
    log.close()
    with run.metrics_file.open("a") as file:
        file.write('{"step": 6, "lo')
    log = MetricsLog(run, after_step=3)
    log.write({"step": 4, "loss": 0.0})
    log.close()
    assert [record["step"] for record in run.read_metrics()] == [1, 2, 3, 4]


def a_scene(folder: Path) -> tuple[Reconstruction, Scene]:
    draw = np.random.default_rng(0)
    lens = Lens("OPENCV", 64, 48, tuple(draw.random(8)))
    poses = [np.linalg.qr(draw.random((4, 4)))[0] for _ in range(3)]
    splits = ("train", "test", None)
    views = tuple(
        View(f"a/{i}.jpg", folder / f"a/{i}.jpg", lens, pose, splits[i], folder / "mask.png" if i == 0 else None)
        for i, pose in enumerate(poses)
    )
    points = Points(torch.rand(7, 3), torch.randint(0, 255, (7, 3), dtype=torch.uint8))
    reconstruction = Reconstruction(
        views, points, (LeftOut("b.jpg", "is blurred"),), np.array([0.0, 0.6, 0.8]), 3.5, 0.7
    )
    cameras = Cameras(
        torch.eye(4).repeat(3, 1, 1), torch.rand(3, 2), torch.rand(3, 2), torch.full((3,), 64), torch.full((3,), 48)
    )
    scene = Scene(
        tuple(view.name for view in views),
        cameras,
        images=_NoImages(),
        points=points,
        train=(0, 2),
        test=(1,),
        input_from_world=torch.diag(torch.tensor([2.0, 2, 2, 1])),
        up=torch.tensor([0.0, 0.6, 0.8]),
    )
    return reconstruction, scene


class _NoImages:
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int):
        raise IndexError(index)


def test_a_scene_opens_again_without_its_photos(tmp_path: Path) -> None:
    reconstruction, scene = a_scene(tmp_path)
    write_scene(tmp_path / "scene", reconstruction, scene)
    read = read_scene(tmp_path / "scene")
    assert (read.names, read.train, read.test) == (scene.names, scene.train, scene.test)
    for name in ("cam_from_world", "focal", "center", "width", "height"):
        assert torch.equal(getattr(read.cameras, name), getattr(scene.cameras, name)), name
    assert torch.equal(read.input_from_world, scene.input_from_world)
    assert torch.equal(read.up, scene.up)
    with pytest.raises(RunError, match="without its photos"):
        read.images[0]


def test_posed_photos_come_back_exactly_and_can_have_moved(tmp_path: Path) -> None:
    reconstruction, scene = a_scene(tmp_path)
    write_scene(tmp_path / "scene", reconstruction, scene)
    read = read_reconstruction(tmp_path / "scene")
    for a, b in zip(read.views, reconstruction.views, strict=True):
        assert (a.name, a.path, a.lens, a.split, a.mask) == (b.name, b.path, b.lens, b.split, b.mask)
        np.testing.assert_array_equal(a.cam_from_input, b.cam_from_input)
    assert torch.equal(read.points.xyz, reconstruction.points.xyz)
    assert (read.left_out, read.mean_track_length) == (reconstruction.left_out, 3.5)
    assert missing_photos(read) == ("a/0.jpg", "a/1.jpg", "a/2.jpg")
    (tmp_path / "new" / "a").mkdir(parents=True)
    (tmp_path / "new" / "a" / "1.jpg").touch()
    assert missing_photos(with_photos_in(read, tmp_path / "new")) == ("a/0.jpg", "a/2.jpg")


def test_moved_photos_are_found_without_the_folder_in_their_names(tmp_path: Path) -> None:
    reconstruction, _ = a_scene(tmp_path)
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in ("0.jpg", "1.jpg", "2.jpg"):
        (flat / name).touch()
    assert missing_photos(with_photos_in(reconstruction, flat)) == ()
    first, second, third = reconstruction.views
    alike = replace(reconstruction, views=(first, replace(second, name="b/0.jpg"), third))
    assert missing_photos(with_photos_in(alike, flat)) == ("a/0.jpg", "b/0.jpg")


def test_a_damaged_scene_is_refused(tmp_path: Path) -> None:
    write_scene(tmp_path / "scene", *a_scene(tmp_path))
    (tmp_path / "scene" / "scene.json").write_text('{"names": [')
    with pytest.raises(RunError, match=r"scene\.json is not whole"):
        read_scene(tmp_path / "scene")
