"""Depth in training: what it asks of Gaussians, what they start from, and the commands around it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import SMALL, STEPS, Said, refusal, result
from PIL import Image
from room import Room

from recon.io.colmap import write_colmap
from recon.io.posed import find_posed
from recon.models import GaussianConfig, build_model
from recon.models.gaussians import DepthTerms
from recon.models.gaussians.depth_guide import guidance
from recon.priors.backdrop import backdrop
from recon.priors.seeding import points_of_depths
from recon.sampling import Sampler
from recon.training import TrainConfig, TrainState, train
from recon.types import Batch, Cameras, DepthMap, Points, Scene

TERMS = DepthTerms()


def test_the_gradient_is_that_of_the_losses(room: Room) -> None:
    generator = torch.Generator().manual_seed(2)
    truth = torch.from_numpy(room.depth[1]).double()
    alpha = 0.6 + 0.4 * torch.rand(truth.shape, generator=generator).double()
    total = alpha * truth * (1 + 0.2 * torch.rand(truth.shape, generator=generator).double())
    known = DepthMap(1 / truth, torch.rand(truth.shape, generator=generator).double(), "scene")

    def told(total: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
        losses = guidance(total, alpha, known, room.cameras[1], terms=TERMS, progress=0.1).losses
        return torch.stack(list(losses.values())).sum()

    found = guidance(total, alpha, known, room.cameras[1], terms=TERMS, progress=0.1)
    for gradient, moved in ((found.grad_depth, (1e-6, 0.0)), (found.grad_alpha, (0.0, 1e-6))):
        direction = torch.randn(truth.shape, generator=generator).double()
        up = told(total + moved[0] * direction, alpha + moved[1] * direction)
        down = told(total - moved[0] * direction, alpha - moved[1] * direction)
        slope = (up - down) / 2e-6
        assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=1e-3)


def test_what_is_right_or_unknown_or_late_asks_for_nothing(room: Room) -> None:
    truth = torch.from_numpy(room.depth[1])
    solid, sure = torch.ones_like(truth), torch.ones_like(truth)
    right = guidance(truth, solid, DepthMap(1 / truth, sure, "scene"), room.cameras[1], terms=TERMS, progress=0.0)
    assert all(float(loss) < 1e-6 for loss in right.losses.values())
    wrong = DepthMap(2 / truth, sure * 0, "scene")
    unknown = guidance(truth, solid, wrong, room.cameras[1], terms=TERMS, progress=0.0)
    late = guidance(truth, solid, DepthMap(2 / truth, sure, "scene"), room.cameras[1], terms=TERMS, progress=0.5)
    for found in (unknown, late):
        assert all(float(loss) == 0 for loss in found.losses.values())
        assert float(found.grad_depth.abs().sum() + found.grad_alpha.abs().sum()) == 0


def test_training_with_depth_renders_it_better(room: Room) -> None:
    scene = replace(room.scene(), points=replace_points(room))
    known = replace(scene, depths=_true_depths(room, scene))
    off = {}
    for name, seen in (("without", scene), ("with", known)):
        config = GaussianConfig(max_gaussians=2000, sh_degree=0, depth_terms=DepthTerms(depth=1.0, until=1.0))
        model = build_model(config, seen, steps=60)
        for report in train(TrainState.start(model, seen), seen, TrainConfig(steps=60)):
            assert ("depth" in report.losses) == (name == "with")
        depth = model.render(scene.cameras[0]).depth
        assert depth is not None
        off[name] = float((depth / torch.from_numpy(room.depth[0]) - 1).abs().median())
    assert off["with"] < 0.8 * off["without"]


def test_smaller_pictures_have_smaller_depth(room: Room) -> None:
    scene = replace(room.scene(), depths=_true_depths(room, room.scene()))
    batch: Batch = Sampler(scene, seed=0).view(1, 0.75)
    assert batch.depth is not None
    assert batch.depth.inverse.shape == batch.rgb.shape[:2]
    inside = batch.depth.depth.median() / torch.from_numpy(room.depth[1]).median()
    assert float(inside) == pytest.approx(1, abs=0.05)


def test_points_of_depths_lie_on_the_surfaces_in_their_colours(room: Room) -> None:
    scene = room.scene()
    points = points_of_depths(_true_depths(room, scene), scene.cameras, scene.images, count=500, seed=0)
    assert 400 <= len(points) <= 500
    walls = torch.tensor([[-2.0, -2.0, 0.0], [2.0, 2.0, 2.4]])
    cube = torch.tensor([[-0.4, -0.4, 0.0], [0.4, 0.4, 0.8]])
    to_walls = (points.xyz[:, None] - walls).abs().amin(dim=(1, 2))
    to_cube = (points.xyz[:, None] - cube).abs().amin(dim=(1, 2))
    assert float(torch.minimum(to_walls, to_cube).max()) < 1e-3
    nearest = torch.cdist(points.xyz, room.points.xyz).min(dim=1)
    same = (room.points.rgb[nearest.indices] == points.rgb).all(dim=1)[nearest.values < 0.02]
    assert float(same.float().mean()) > 0.7  # within two centimetres begins another tile now and then


def test_a_backdrop_surrounds_all_points_in_the_colours_beside_it() -> None:
    """Red things to the left, blue ones to the right."""
    generator = torch.Generator().manual_seed(3)
    xyz = torch.randn(500, 3, generator=generator) * torch.tensor([0.2, 0.2, 0.2])
    xyz[:, 0] += torch.where(torch.arange(500) % 2 == 0, -2.0, 2.0)
    rgb = torch.where(xyz[:, :1] < 0, torch.tensor([200, 0, 0]), torch.tensor([0, 0, 200])).byte()
    middle = torch.eye(4)[None].repeat(2, 1, 1)
    size, pair = torch.tensor([64, 64]), torch.full((2, 2), 50.0)
    cameras = Cameras(middle, focal=pair, center=pair, width=size, height=size)
    around = backdrop(Points(xyz, rgb), cameras, count=300, seed=0)
    distance = around.xyz.norm(dim=1)
    torch.testing.assert_close(distance, distance[:1].expand(300))
    assert float(distance[0]) > float(xyz.norm(dim=1).quantile(0.98))
    assert float(around.xyz.mean(dim=0).norm()) < 0.02 * float(distance[0])  # in all directions alike
    left = around.xyz[:, 0] < -0.5 * distance
    right = around.xyz[:, 0] > 0.5 * distance
    assert bool((around.rgb[left][:, 0] > 190).all())
    assert bool((around.rgb[right][:, 2] > 190).all())


def test_nothing_known_has_no_backdrop(room: Room) -> None:
    nothing = Points(torch.empty(0, 3), torch.empty(0, 3, dtype=torch.uint8))
    assert len(backdrop(nothing, room.cameras, count=50, seed=0)) == 0
    assert len(backdrop(room.points, room.cameras, count=0, seed=0)) == 0


# --- The commands -----------------------------------------------------------------------------------------------------


SMALL_FIELD = (*SMALL[: SMALL.index("gaussians")], "nerf", "--samples", "1024", "--detail.entries", "12")


@pytest.mark.parametrize("kind", [SMALL, SMALL_FIELD], ids=["gaussians", "nerf"])
def test_a_sensors_depth_guides_a_run(
    room: Room, photos_with_poses: Path, tmp_path: Path, capsys: Said, kind: tuple[str, ...]
) -> None:
    maps = _write_maps(room, tmp_path / "maps")
    run = tmp_path / "run"
    model = _with_points(room, photos_with_poses, tmp_path / "model")
    given = ("--colmap", model, "--depth", "sensor", "--depth-from", maps, *kind)
    told = result(capsys, "train", "--images", photos_with_poses, "--output", run, *given)
    assert told["steps"] == STEPS
    assert "depth" in [stage["name"] for stage in told["stages"]]
    first = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    assert first["losses"]["depth"] > 0


def test_depth_says_how_right_it_is(room: Room, photos_with_poses: Path, tmp_path: Path, capsys: Said) -> None:
    maps, out = _write_maps(room, tmp_path / "maps"), tmp_path / "out"
    model = _with_points(room, photos_with_poses, tmp_path / "model")
    given = ("--colmap", model, "--method", "sensor", "--depth-from", maps, "--truth", maps, "--output", out)
    told = result(capsys, "depth", photos_with_poses, *given)
    assert (told["maps"], told["reference"], told["delta_1"]) == (6, "truth", 1.0)
    assert told["abs_rel"] < 0.02  # the scale comes from points, each anywhere in its pixel
    listed = json.loads((out / "depth.json").read_text())
    assert len(listed["photos"]) == 6
    for photo, truth in zip(listed["photos"], room.depth, strict=True):
        png = np.array(Image.open(out / photo["png"])).astype(np.float64) * photo["unit"]
        with np.load(out / photo["npz"]) as held:
            np.testing.assert_allclose(png, held["depth"], atol=photo["unit"])
            assert held["confidence"].shape == truth.shape
            np.testing.assert_allclose(held["depth"], truth, rtol=0.05)


def test_what_cannot_be_guided_is_refused(photos_with_poses: Path, tmp_path: Path, capsys: Said) -> None:
    train_there = ("train", "--images", photos_with_poses, "--output", tmp_path / "run")
    assert "nerf-classic learns nothing" in refusal(capsys, *train_there, "--depth", "stereo", "nerf-classic")
    nothing = ("nerf", "--losses.depth", "0")
    assert "--losses.depth 0" in refusal(capsys, *train_there, "--depth", "stereo", *nothing)
    assert "mcmc density" in refusal(capsys, *train_there, "--depth", "stereo", "gaussians", "adaptive-density")
    assert "without --depth" in refusal(capsys, *train_there, "--depth-from", "maps")
    assert "no folder of depth maps" in refusal(
        capsys, *train_there, "--depth", "sensor", "--depth-from", tmp_path / "none", *SMALL
    )


def test_depth_keeps_out_of_folders_of_others(photos_with_poses: Path, tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    assert "holds other files" in refusal(capsys, "depth", photos_with_poses, "--output", tmp_path)


def replace_points(room: Room):
    """The room's points, moved as bad triangulation would."""
    generator = torch.Generator().manual_seed(1)
    moved = room.points.xyz + 0.15 * torch.randn(room.points.xyz.shape, generator=generator)
    return replace(room.points, xyz=moved)


def _with_points(room: Room, photos: Path, folder: Path) -> Path:
    """A COLMAP model of the room: six photos of 64 pixels alone agree on no points."""
    posed = find_posed(photos)
    assert posed is not None
    write_colmap(replace(posed.read(), points=room.points), folder)
    return folder


def _true_depths(room: Room, scene: Scene) -> dict[int, DepthMap]:
    depths = torch.from_numpy(room.depth)
    return {view: DepthMap(1 / depths[view], torch.ones_like(depths[view]), "scene") for view in scene.train}


def _write_maps(room: Room, folder: Path) -> Path:
    folder.mkdir()
    for name, depth in zip(room.names, room.depth, strict=True):
        np.savez(folder / f"{Path(name).stem}.npz", depth=depth)
    return folder
