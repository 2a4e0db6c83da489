"""Depth Anything and DPT: real classes and processors with small random weights, read from a folder."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Said, refusal
from hub import Hub, serving
from room import InMemory, Room

from recon.errors import InputError, RunError
from recon.priors.depth import depth_prior
from recon.priors.depth.pretrained import PretrainedDepth
from recon.priors.protocols import DepthPrior
from recon.types import Picture, Reconstruction, Scene


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("RECON_WEIGHTS", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))


@pytest.fixture(scope="module")
def depth_anything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _depth_anything(tmp_path_factory.mktemp("relative"))


@pytest.fixture(scope="module")
def dpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import DPTConfig, DPTForDepthEstimation

    folder = tmp_path_factory.mktemp("dpt")
    torch.manual_seed(0)
    config = DPTConfig(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=64,
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
        is_hybrid=False,
        readout_type="project",
    )
    DPTForDepthEstimation(config).save_pretrained(folder)
    _processor(64, 16, keep_aspect_ratio=False).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("network", ["depth_anything", "dpt"])
def test_each_photo_gets_a_relative_map_of_its_size(network: str, room: Room, request: pytest.FixtureRequest) -> None:
    prior = PretrainedDepth(request.getfixturevalue(network))
    assert isinstance(prior, DepthPrior)
    maps = list(prior.predict(room.scene(), range(6), _silent))
    assert [tuple(map.inverse.shape) for map in maps] == [(48, 64)] * 6
    assert {map.kind for map in maps} == {"relative"}
    assert all(bool(torch.isfinite(map.inverse).all()) and bool(map.known.all()) for map in maps)
    assert not torch.equal(maps[0].inverse, maps[1].inverse)


def test_a_map_is_what_transformers_itself_says(depth_anything: Path, room: Room) -> None:
    from transformers import AutoImageProcessor, DepthAnythingForDepthEstimation

    processor = AutoImageProcessor.from_pretrained(depth_anything, backend="pil")
    net = DepthAnythingForDepthEstimation.from_pretrained(depth_anything).eval()
    rgb = room.scene().images[2].rgb
    with torch.inference_mode():
        expected = net(**processor(images=rgb.numpy(), return_tensors="pt")).predicted_depth
    expected = torch.nn.functional.interpolate(expected[None], size=(48, 64), mode="bilinear")[0, 0]
    (map,) = PretrainedDepth(depth_anything).predict(room.scene(), [2], _silent)
    # Answers are kept with 11 bits, in units of the largest.
    torch.testing.assert_close(map.inverse, expected, rtol=0, atol=float(expected.abs().max()) / 1024)


def test_metric_networks_answer_metres(tmp_path: Path, room: Room) -> None:
    folder = _depth_anything(tmp_path, depth_estimation_type="metric", max_depth=20)
    (map,) = PretrainedDepth(folder).predict(room.scene(), [0], _silent)
    assert map.kind == "metric"
    assert 0 < float(map.depth[map.known].min()) <= float(map.depth[map.known].max()) <= 20


def test_a_photo_is_asked_about_once(depth_anything: Path, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    first = list(PretrainedDepth(depth_anything).predict(room.scene(), [0, 1], _silent))
    again = PretrainedDepth(depth_anything)
    asked: list[int] = []
    run = again._run
    monkeypatch.setattr(again, "_run", lambda photos: asked.append(len(photos)) or run(photos))
    second = list(again.predict(room.scene(), [0, 1, 2], _silent))
    assert asked == [1], "only the new photo"
    for before, after in zip(first, second, strict=False):
        # 11 bits are kept.
        torch.testing.assert_close(before.inverse, after.inverse, rtol=0, atol=float(before.inverse.max()) / 1024)


def test_another_network_is_asked_anew(depth_anything: Path, tmp_path: Path, room: Room) -> None:
    list(PretrainedDepth(depth_anything).predict(room.scene(), [0], _silent))
    other = _depth_anything(tmp_path, seed=1)
    assert PretrainedDepth(other)._kept.read(room.scene().images[0].rgb) is None


@pytest.mark.parametrize(
    "failure", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: not enough memory")]
)
def test_a_full_memory_halves_the_batch_and_says_so_once(
    failure: Exception, depth_anything: Path, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    prior = PretrainedDepth(depth_anything, batch=4, say=said.append)
    expected = [map.inverse for map in PretrainedDepth(depth_anything).predict(room.scene(), range(4), _silent)]
    shutil.rmtree(prior._kept.folder)
    run, sizes = prior._run, []

    def small(photos: list[torch.Tensor]) -> list[torch.Tensor]:
        sizes.append(len(photos))
        if len(photos) > 1:
            raise failure
        return run(photos)

    monkeypatch.setattr(prior, "_run", small)
    maps = [map.inverse for map in prior.predict(room.scene(), range(4), _silent)]
    assert sizes == [4, 2, 1, 1, 1, 1]
    assert len(said) == 1
    assert "2 photos at a time" in said[0]
    # A batch of one takes other kernels than one of four: rounding, kept with 11 bits.
    torch.testing.assert_close(maps, expected, rtol=0, atol=float(expected[0].max()) / 512)


def test_one_photo_too_large_for_the_memory_ends_in_words(
    depth_anything: Path, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(photos: list[torch.Tensor]) -> list[torch.Tensor]:
        raise MemoryError

    prior = PretrainedDepth(depth_anything, say=lambda text: None)
    monkeypatch.setattr(prior, "_run", full)
    with pytest.raises(RunError, match="does not fit"):
        list(prior.predict(room.scene(), [0], _silent))


@pytest.mark.parametrize("shape", [(10, 64), (30, 3000)])
def test_a_photo_smaller_than_a_patch_is_named(depth_anything: Path, room: Room, shape: tuple[int, int]) -> None:
    scene = _with_photo(room.scene(), Picture(torch.zeros(*shape, 3, dtype=torch.uint8)))
    with pytest.raises(InputError, match=rf"room_00\.png has {shape[1]} x {shape[0]} pixels"):
        list(PretrainedDepth(depth_anything).predict(scene, [0], _silent))


def test_the_background_of_a_cut_out_thing_has_no_depth(depth_anything: Path, room: Room) -> None:
    alpha = torch.zeros(48, 64, dtype=torch.uint8)
    alpha[10:20] = 255
    scene = _with_photo(room.scene(), Picture(room.scene().images[0].rgb, alpha=alpha))
    (map,) = PretrainedDepth(depth_anything).predict(scene, [0], _silent)
    assert torch.equal(map.known, alpha > 0)


def test_missing_weights_say_how_to_get_them(room: Room) -> None:
    with pytest.raises(InputError, match="recon weights get depth-anything-v2-small"):
        depth_prior("pretrained", Reconstruction((), room.points), source=None)


@pytest.mark.parametrize("command", ["train", "depth"])
def test_missing_weights_are_missed_before_photos_are_posed(
    command: str, room: Room, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECON_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "weights"))
    photos = room.write_photos(tmp_path / "room")
    given = ("train", "--images", photos, "--depth") if command == "train" else ("depth", photos, "--method")
    said = refusal(capsys, *given, "pretrained", "--output", tmp_path / "out")
    assert "99 MB" in said
    assert "recon weights get depth-anything-v2-small" in said
    assert "photos " not in said.split("The weights")[0]  # no stage was begun


def test_a_network_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertModel"], "model_type": "bert"}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="BertModel"):
        PretrainedDepth(tmp_path)


def test_missing_weights_inside_a_file_are_not_made_up(depth_anything: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(depth_anything, tmp_path / "copy")
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("head.conv1.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"1 are missing, head\.conv1\.weight first"):
        PretrainedDepth(folder)


def test_a_damaged_file_of_weights_is_refused(depth_anything: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(depth_anything, tmp_path / "copy")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        PretrainedDepth(folder)


def test_pickles_that_run_code_are_refused(depth_anything: Path, tmp_path: Path) -> None:
    folder, trace = shutil.copytree(depth_anything, tmp_path / "copy"), tmp_path / "it ran"
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Trap(trace)))
    with pytest.raises(InputError, match="cannot be read"):
        PretrainedDepth(folder)
    assert not trace.exists()


def test_a_folder_without_a_processor_is_named(depth_anything: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(depth_anything, tmp_path / "copy")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match="preprocessor_config"):
        PretrainedDepth(folder)


def test_what_was_downloaded_runs(
    depth_anything: Path, room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recon.priors.hub import fetch_weights, look_up

    files = {path.name: path.read_bytes() for path in depth_anything.iterdir()}
    monkeypatch.setenv("RECON_WEIGHTS", str(tmp_path / "weights"))
    with serving(Hub("depth-anything/Depth-Anything-V2-Small-hf", files)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        fetch_weights(look_up("depth-anything-v2-small"))
    prior = depth_prior("pretrained", Reconstruction((), room.points), source=Path("depth-anything-v2-small"))
    assert len(list(prior.predict(room.scene(), [0], _silent))) == 1


class _Trap:
    """What a pickle can do to those who open it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple:
        return Path.touch, (self.trace,)


def _silent(done: float, what: str) -> None: ...


def _with_photo(scene: Scene, picture: Picture) -> Scene:
    return replace(scene, images=InMemory((picture, *(scene.images[k] for k in range(1, len(scene))))))


def _depth_anything(folder: Path, *, seed: int = 0, **options: Any) -> Path:
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation

    torch.manual_seed(seed)
    backbone = {
        "model_type": "dinov2",
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "image_size": 56,
        "patch_size": 14,
        "out_indices": [1, 2, 3, 4],
        "reshape_hidden_states": False,
    }
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
        head_hidden_size=8,
        **options,
    )
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    _processor(56, 14, keep_aspect_ratio=True).save_pretrained(folder)
    return folder


def _processor(side: int, patch: int, *, keep_aspect_ratio: bool):
    from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

    return DPTImageProcessorPil(
        size={"height": side, "width": side}, ensure_multiple_of=patch, keep_aspect_ratio=keep_aspect_ratio
    )
