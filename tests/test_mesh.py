"""Meshes of whatever renders: fused, cleaned, written, read back, measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ball import CENTRE, RADIUS, Ball, Nothing, ball_cameras, ball_scene

from recon.errors import InputError, RunError
from recon.io.cloud import OrientedPoints, write_cloud
from recon.mesh.aligning import aligned, best_similarity
from recon.mesh.cleaning import close_holes, decimate, without_floaters
from recon.mesh.comparing import Shape, compare, default_threshold, sample
from recon.mesh.config import MeshConfig
from recon.mesh.files import mesh_format, read_shape, write_mesh
from recon.mesh.fusion import choose_voxel, fuse
from recon.mesh.making import make_mesh, seen_surface, without_unseen
from recon.mesh.mesh import Mesh
from recon.ops.surface import normals_of_depth, pixel_rays
from recon.types import Cameras


def quiet(done: float, what: str) -> None:
    assert 0 <= done <= 1, what


@pytest.fixture(scope="module")
def ball() -> Mesh:
    return make_mesh(Ball(), ball_scene(), MeshConfig(faces=3000), progress=quiet)


def square(side: float = 1.0, height: float = 0.0) -> Mesh:
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]) * side + np.array([0, 0, height])
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]), np.full((4, 3), 128, dtype=np.uint8))


def shape(mesh: Mesh) -> Shape:
    return Shape(mesh.vertices, mesh.faces)


def test_the_mesh_of_a_ball_is_round_and_its_faces_look_outwards(ball):
    from_centre = ball.vertices - CENTRE.numpy()
    radius = np.linalg.norm(from_centre, axis=1)
    assert np.abs(np.median(radius) / RADIUS - 1) < 0.01
    assert np.percentile(np.abs(radius / RADIUS - 1), 95) < 0.03
    outward = from_centre[ball.faces].mean(axis=1)
    assert ((ball.face_normals * outward).sum(axis=1) > 0).mean() > 0.98
    assert 500 < len(ball) <= 3000


def test_the_mesh_has_the_colours_of_what_was_rendered(ball):
    height = (ball.vertices - CENTRE.numpy())[:, 2] / RADIUS
    expected = 255 * (0.5 + 0.4 * np.sin(6 * height))
    assert np.median(np.abs(ball.rgb[:, 0] - expected)) < 12  # a tenth of the stripes' contrast, by averaging in voxels


def test_normals_of_depth_are_those_of_the_ball():
    camera = ball_cameras()[0]
    depth = Ball().render(camera).depth
    assert depth is not None
    normal = normals_of_depth(depth, camera)
    points = depth[..., None] * pixel_rays(camera)
    centre = camera.cam_from_world[:3, :3] @ CENTRE + camera.cam_from_world[:3, 3]
    known = normal.norm(dim=-1) > 0
    assert float(known.float().mean()) > 0.1
    cosine = (normal * (points - centre) / RADIUS).sum(-1)[known]
    assert float(cosine.quantile(0.1)) > 0.98


def test_what_one_view_alone_claims_stays_out():
    """A ball whose first view sees a wall in front of it."""

    class Mistaken(Ball):
        def render(self, cameras, pixels=None):
            render = super().render(cameras)
            assert render.depth is not None
            if torch.equal(cameras.cam_from_world, ball_cameras()[0].cam_from_world):
                render.depth[:] = torch.where(render.alpha > 0, 0.7, 0)
            return render

    views = seen_surface(Mistaken(), ball_scene(), progress=quiet)
    assert float((views[0].depth > 0).float().mean()) < 0.01
    assert all(float((view.depth > 0).float().mean()) > 0.1 for view in views[1:])


def test_an_empty_model_is_told():
    with pytest.raises(RunError, match="see no surface"):
        make_mesh(Nothing(), ball_scene(), MeshConfig(), progress=quiet)


def test_cameras_inside_the_wall_are_told():
    scene = ball_scene(views=4)
    inside = scene.cameras.cam_from_world.clone()
    inside[:, :3, 3] = -(inside[:, :3, :3] @ CENTRE) + torch.tensor([0, 0, -1e-3])
    cameras = Cameras(inside, scene.cameras.focal, scene.cameras.center, scene.cameras.width, scene.cameras.height)
    with pytest.raises(RunError, match="see no surface"):
        make_mesh(Ball(), replace(scene, cameras=cameras), MeshConfig(), progress=quiet)


def test_absurd_voxels_end_with_advice_and_not_with_the_memory():
    with pytest.raises(InputError, match="so fine a grid"):
        make_mesh(Ball(), ball_scene(), MeshConfig(voxel=1e-4), progress=quiet)
    with pytest.raises(InputError, match="voxel"):
        MeshConfig(voxel=-1.0)
    with pytest.raises(InputError, match="faces"):
        MeshConfig(faces=0)


def test_voxels_follow_the_pictures_resolution():
    coarse = choose_voxel(seen_surface(Ball(), ball_scene(size=48), progress=quiet))
    fine = choose_voxel(seen_surface(Ball(), ball_scene(size=96), progress=quiet))
    assert coarse / fine == pytest.approx(2, rel=0.15)


def test_points_of_the_field_lie_on_the_ball_with_outward_normals():
    views = seen_surface(Ball(), ball_scene(), progress=quiet)
    xyz, normals, rgb = fuse(views, voxel=0.03, progress=quiet).points()
    outward = (xyz - CENTRE.numpy()) / RADIUS
    assert len(xyz) == len(normals) == len(rgb) > 300
    assert np.median(np.abs(np.linalg.norm(outward, axis=1) - 1)) < 0.02
    assert np.median((outward * normals).sum(axis=1)) > 0.95


def test_small_pieces_are_removed_and_large_ones_stay():
    big, small = square(), square(0.01, height=1.0)
    both = Mesh(
        np.concatenate([big.vertices, small.vertices]),
        np.concatenate([big.faces, small.faces + 4]),
        np.concatenate([big.rgb, small.rgb]),
    )
    assert len(without_floaters(both, least=1e-3)) == 2
    assert len(without_floaters(both, least=1e-5)) == 4


def test_holes_up_to_the_radius_are_closed(ball):
    opened = ball.keep(ball.vertices[ball.faces].mean(axis=1)[:, 2] < CENTRE[2].item() + 0.9 * RADIUS)
    missing = ball.face_areas.sum() - opened.face_areas.sum()
    assert missing > 0.05
    closed = close_holes(opened, radius=1.0)
    assert closed.face_areas.sum() - opened.face_areas.sum() > 0.5 * missing
    assert len(close_holes(opened, radius=1e-4)) == len(opened)


def test_decimation_keeps_the_form(ball):
    fewer = decimate(ball, faces=500)
    assert len(fewer) <= 500
    assert compare(shape(fewer), shape(ball), threshold=0.03).fscore > 0.95


@pytest.mark.parametrize("suffix", [".ply", ".glb", ".obj"])
def test_written_meshes_read_back_where_they_were(ball, tmp_path: Path, suffix):
    far = (
        ball.moved(np.array([[1, 0, 0, 5e5], [0, 1, 0, -3e5], [0, 0, 1, 100], [0, 0, 0, 1.0]]))
        if suffix != ".ply"
        else ball
    )
    path = tmp_path / f"mesh{suffix}"
    write_mesh(far, path, suffix=mesh_format(path), up=np.array([0.0, 0.0, 1.0]))
    read = read_shape(path)
    assert len(read.faces) == len(far.faces)
    np.testing.assert_allclose(read.vertices[read.faces], far.vertices[far.faces], atol=1e-4)


def test_a_glb_stands_upright_in_programs_where_y_is_up(ball, tmp_path: Path):
    import trimesh

    path = tmp_path / "mesh.glb"
    write_mesh(ball, path, suffix=".glb", up=np.array([0.0, 0.0, 1.0]))
    scene = trimesh.load_scene(path)
    shown = scene.to_geometry()
    assert shown.bounds.mean(axis=0)[1] == pytest.approx(CENTRE[2].item(), abs=0.02)


def test_files_that_are_no_meshes_are_told(tmp_path: Path):
    for name, content in {"a.ply": b"ply\nformat", "b.glb": b"glTF" + bytes(8), "c.stl": b"", "d.obj": b"v 1"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError):
            read_shape(tmp_path / name)
    (tmp_path / "huge.ply").write_bytes(
        b"ply\nformat binary_little_endian 1.0\nelement vertex 1000000000000\n"
        b"property float x\nproperty float y\nproperty float z\nend_header\n" + bytes(120)
    )
    with pytest.raises(InputError):
        read_shape(tmp_path / "huge.ply")
    with pytest.raises(InputError, match="does not exist"):
        read_shape(tmp_path / "nowhere.ply")
    with pytest.raises(InputError, match="mesh as"):
        mesh_format(Path("scene.xyz"))


def test_scores_of_a_shifted_square_are_its_distance():
    truth, found = shape(square()), shape(square(height=0.02))
    scores = compare(found, truth, threshold=0.03)
    assert scores.accuracy == pytest.approx(0.02, rel=0.03)  # samples lie 0.007 apart
    assert scores.chamfer == pytest.approx(0.02, rel=0.03)  # samples lie 0.007 apart
    assert scores.fscore == 1
    assert compare(found, truth, threshold=0.01).fscore == 0
    assert default_threshold(truth) == pytest.approx(0.01)


def test_what_could_not_be_seen_need_not_be_found():
    truth, half = shape(square()), square()
    half = Shape(half.vertices * np.array([0.5, 1, 1]), half.faces)
    assert compare(half, truth, threshold=0.01).recall == pytest.approx(0.5, abs=0.02)
    seen = Shape(sample(half, count=2000, seed=3), np.zeros((0, 3), dtype=np.int64))
    scores = compare(half, truth, threshold=0.02, visible=seen)
    assert scores.recall == 1
    assert scores.precision == 1


def test_alignment_finds_a_similarity(ball):
    bumpy = ball.vertices * np.array([1.0, 0.6, 0.3]) + 0.1 * np.maximum(ball.vertices[:, :1], 0)
    truth = Shape(bumpy, ball.faces)
    turn = best_similarity(np.eye(3), np.eye(3)[[1, 2, 0]])[:3, :3]
    moved = Shape(0.3 * bumpy @ turn.T + np.array([4.0, -2, 1]), ball.faces)
    assert compare(moved, truth, threshold=0.02).fscore < 0.1
    assert compare(aligned(moved, truth), truth, threshold=0.02).fscore > 0.98


def test_a_reflection_keeps_the_outside_outside(ball):
    mirrored = ball.moved(np.diag([1.0, 1, -1, 1]))
    centre = CENTRE.numpy() * np.array([1, 1, -1])
    outward = mirrored.vertices[mirrored.faces].mean(axis=1) - centre
    assert ((mirrored.face_normals * outward).sum(axis=1) > 0).mean() > 0.98


def test_poisson_closes_what_no_camera_saw():
    scene = ball_scene()
    from_above = [index for index in range(len(scene)) if index % 2 == 1]
    half = replace(scene, train=tuple(from_above))
    fused = make_mesh(Ball(), half, MeshConfig(faces=3000), progress=quiet)
    closed = make_mesh(Ball(), half, MeshConfig(faces=3000, method="poisson"), progress=quiet)
    assert closed.vertices[:, 2].min() < fused.vertices[:, 2].min() - 0.1
    radius = np.linalg.norm(closed.vertices - CENTRE.numpy(), axis=1)
    assert np.median(np.abs(radius / RADIUS - 1)) < 0.03


def test_faces_that_no_camera_sees_are_left_out():
    """A ball in a ball: the inner one is hidden."""
    inner = make_mesh(Ball(), ball_scene(), MeshConfig(faces=400, method="poisson"), progress=quiet)
    middle = CENTRE.numpy()
    outer = Mesh(middle + 1.5 * (inner.vertices - middle), inner.faces, inner.rgb)
    both = Mesh(
        np.concatenate([outer.vertices, inner.vertices]),
        np.concatenate([outer.faces, inner.faces + len(outer.vertices)]),
        np.concatenate([outer.rgb, inner.rgb]),
    )
    kept = without_unseen(both, ball_cameras(), progress=quiet)
    assert np.linalg.norm(kept.vertices - middle, axis=1).min() > 1.2 * RADIUS
    assert len(kept) > 0.8 * len(outer)


def test_the_command_line_measures_meshes(ball, tmp_path: Path, capsys):
    from recon.cli.main import main

    for name, mesh in {"found.glb": ball, "truth.ply": ball}.items():
        path = tmp_path / name
        write_mesh(mesh, path, suffix=mesh_format(path), up=np.array([0.0, 0.0, 1.0]))
    paths = [str(tmp_path / "found.glb"), "--gt", str(tmp_path / "truth.ply")]
    assert main(["mesh-eval", *paths, "--threshold", "0.05", "--json", "--quiet"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["fscore"] == 1
    assert {"accuracy", "completeness", "chamfer", "precision", "recall", "threshold"} < set(scores)
    assert main(["mesh-eval", *paths, "--threshold", "-1", "--quiet"]) == 2
    assert "positive" in capsys.readouterr().err


def test_a_truth_with_points_far_away_is_told(ball, tmp_path: Path, capsys):
    from recon.cli.main import main

    far = np.concatenate([ball.vertices, ball.vertices[:1] + 1e4])
    for name, points in {"near": ball.vertices, "far": far}.items():
        colours = np.zeros(points.shape, dtype=np.uint8)
        write_cloud(OrientedPoints(points, np.zeros_like(points), colours), tmp_path / f"{name}.ply", suffix=".ply")
    for name, warned in {"near": False, "far": True}.items():
        assert main(["mesh-eval", str(tmp_path / "near.ply"), "--gt", str(tmp_path / f"{name}.ply")]) == 0
        assert ("lie far from the rest" in capsys.readouterr().err) == warned


# --- Clouds of matter -----------------------------------------------------------------------------------------------


class DenseBall(Ball):
    """The ball as matter that thins out over a fiftieth of its radius."""

    surface_density = 10.0
    bounds = torch.stack([CENTRE - 0.7, CENTRE + 0.7])

    def density(self, points: torch.Tensor) -> torch.Tensor:
        outside = (points - CENTRE).norm(dim=-1) / RADIUS - 1
        return 10 * torch.exp(-50 * outside)


def test_the_surface_of_a_dense_ball_is_where_its_density_passes_the_threshold():
    mesh = make_mesh(DenseBall(), ball_scene(), MeshConfig(faces=20_000, method="density", voxel=0.05), progress=quiet)
    from_centre = mesh.vertices - CENTRE.numpy()
    radius = np.linalg.norm(from_centre, axis=1)
    assert np.abs(radius / RADIUS - 1).max() < 0.01  # a fifth of a cell; the frame's scale makes voxels 0.025
    outward = from_centre[mesh.faces].mean(axis=1)
    assert ((mesh.face_normals * outward).sum(axis=1) > 0).all()
    sides = np.sort(mesh.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert (np.unique(sides, axis=0, return_counts=True)[1] == 2).all()  # closed, where no camera looks too
    height = from_centre[:, 2] / RADIUS
    assert np.median(np.abs(mesh.rgb[:, 0] - 255 * (0.5 + 0.4 * np.sin(6 * height)))) < 12


def test_matter_that_fills_its_box_is_closed_at_the_box():
    class Full(DenseBall):
        def density(self, points: torch.Tensor) -> torch.Tensor:
            return torch.full((len(points),), 100.0)

    mesh = make_mesh(Full(), ball_scene(), MeshConfig(method="density", voxel=0.2, faces=5000), progress=quiet)
    reach = np.abs(mesh.vertices - CENTRE.numpy()).max(axis=0)
    assert (np.abs(reach - 0.7) < 0.1).all()  # half a voxel of the world


def test_meshes_of_density_say_what_they_need():
    with pytest.raises(InputError, match="radiance field"):
        make_mesh(Ball(), ball_scene(), MeshConfig(method="density"), progress=quiet)
    with pytest.raises(InputError, match="GB"):
        make_mesh(DenseBall(), ball_scene(), MeshConfig(method="density", voxel=0.001), progress=quiet)

    class Fog(DenseBall):
        def density(self, points: torch.Tensor) -> torch.Tensor:
            return torch.full((len(points),), 0.1)

    with pytest.raises(RunError, match="dense nowhere"):
        make_mesh(Fog(), ball_scene(), MeshConfig(method="density", voxel=0.1), progress=quiet)
