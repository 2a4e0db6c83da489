"""A GPU whose memory is full: training saves, keeps what fits and goes on; and the choice of a device before that."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from room import Room

from recon.cli.device import choose_device
from recon.cli.main import main
from recon.errors import InputError
from recon.io.checkpoint import load_checkpoint
from recon.models.gaussians import GaussianModel
from recon.models.gaussians.store import GaussianStore
from recon.ops import device as ops_device
from recon.types import Batch

STEPS = 20


@pytest.fixture
def train(room: Room, tmp_path: Path) -> Callable[[], tuple[int, Path]]:
    """Trains the room for a few steps; the exit code and the run."""
    photos = room.write_posed_photos(tmp_path / "room")

    def run() -> tuple[int, Path]:
        options = ["--steps", str(STEPS), "--no-viewer", "--hold-out", "3", "--save-every", "1h"]
        code = main(["train", "--images", str(photos), "--output", str(tmp_path / "run"), *options])
        return code, tmp_path / "run"

    return run


def out_of_memory_at(
    monkeypatch: pytest.MonkeyPatch,
    steps: set[int],
    error: Callable[[], Exception] = lambda: torch.OutOfMemoryError("CUDA out of memory (injected)"),
) -> None:
    """The first time that a step of these is taken, its memory runs out."""
    left, take = set(steps), GaussianModel.train_step

    def train_step(self: GaussianModel, batch: Batch, step: int) -> dict[str, torch.Tensor]:
        if step in left:
            left.discard(step)
            raise error()
        return take(self, batch, step)

    monkeypatch.setattr(GaussianModel, "train_step", train_step)


def test_training_goes_on_with_what_fits(
    monkeypatch: pytest.MonkeyPatch, train: Callable[[], tuple[int, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    out_of_memory_at(monkeypatch, {5, 9})
    code, run = train()
    assert code == 0
    said = capsys.readouterr().err
    assert said.count("The GPU's memory is full") == 2
    assert "fit. Saved; going on" in said
    state = load_checkpoint(run / "checkpoint")
    assert int(state["step"]) == STEPS
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    first, last = records[0]["gaussians"], records[-1]["gaussians"]
    assert last <= 0.81 * first + 2


def test_memory_that_stays_full_ends_in_a_sentence_and_a_checkpoint(
    monkeypatch: pytest.MonkeyPatch, train: Callable[[], tuple[int, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(GaussianModel, "make_do", lambda self: 10)
    out_of_memory_at(monkeypatch, {7})
    code, run = train()
    assert code == 2
    said = capsys.readouterr().err
    assert "Saved at step 7" in said
    assert f"recon train --resume {run}" in said
    assert int(load_checkpoint(run / "checkpoint")["step"]) == 7
    monkeypatch.undo()
    assert main(["train", "--resume", str(run), "--no-viewer", "--quiet"]) == 0
    assert int(load_checkpoint(run / "checkpoint")["step"]) == STEPS


def test_memory_that_runs_out_while_making_room_still_leaves_a_checkpoint(
    monkeypatch: pytest.MonkeyPatch, train: Callable[[], tuple[int, Path]]
) -> None:
    def full(self: GaussianStore, gone: torch.Tensor) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory (injected)")

    monkeypatch.setattr(GaussianStore, "remove", full)
    out_of_memory_at(monkeypatch, {3})
    code, run = train()
    assert code == 2
    assert int(load_checkpoint(run / "checkpoint")["step"]) == 3


SAID = {
    "python": lambda: MemoryError(),
    "torch": lambda: RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: 9."),
    "cuda": lambda: torch.OutOfMemoryError("CUDA out of memory."),
}
"""Made anew each time: a kept one keeps the frames it passed through."""


@pytest.mark.parametrize("whose", SAID)
def test_training_goes_on_with_what_fits_whatever_says_that_memory_is_full(
    whose: str,
    monkeypatch: pytest.MonkeyPatch,
    train: Callable[[], tuple[int, Path]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out_of_memory_at(monkeypatch, {5}, SAID[whose])
    code, run = train()
    assert code == 0
    assert "memory is full with" in capsys.readouterr().err
    assert int(load_checkpoint(run / "checkpoint")["step"]) == STEPS


@pytest.mark.parametrize("whose", SAID)
def test_memory_that_is_full_anywhere_is_a_sentence(
    whose: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise SAID[whose]()

    monkeypatch.setattr("recon.cli.info.run", full)
    assert main(["info", str(tmp_path)]) == 2
    assert "memory is full. Close other programs" in capsys.readouterr().err.replace("\n", " ")
    assert main(["info", str(tmp_path), "--json"]) == 2
    assert "memory is full." in json.loads(capsys.readouterr().out)["error"]


def test_other_faults_are_not_taken_for_a_full_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def wrong(*_: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("recon.cli.info.run", wrong)
    with pytest.raises(RuntimeError, match="mat1"):
        main(["info", str(tmp_path)])


def test_the_model_promises_not_to_grow_again(room: Room) -> None:
    from recon.models import GaussianConfig, build_model

    model = build_model(GaussianConfig(), room.scene(), steps=100)
    assert isinstance(model, GaussianModel)
    before, opacity = model.store.count, torch.sigmoid(model.store.plane(10)).sum()
    fits = model.make_do()
    assert fits == model.store.count == int(0.9 * before)
    assert float(torch.sigmoid(model.store.plane(10)).sum()) >= 0.9 * float(opacity) - 1  # the faintest went
    assert int(model.state_dict()["density.counters"][3]) == fits


def test_auto_says_which_device_it_took_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops_device, "why_no_gpu", lambda: "no NVIDIA driver")
    chosen = choose_device("auto")
    assert chosen.name == "cpu"
    assert "no NVIDIA driver" in chosen.sentence
    assert choose_device("cpu").sentence == ""
    with pytest.raises(InputError, match="no NVIDIA driver"):
        choose_device("cuda")


def test_auto_takes_a_gpu_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops_device, "why_no_gpu", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA Test 1")
    chosen = choose_device("auto")
    assert chosen.name == "cuda"
    assert "NVIDIA Test 1" in chosen.sentence
    assert choose_device("cuda").name == "cuda"
