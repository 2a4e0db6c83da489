"""The splat file: exact, readable by others, and safe to read from strangers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from splat_files import likely_gaussians

from recon.errors import InputError, RunError
from recon.geometry import rotation_from_quaternion
from recon.io.ply import read_ply, write_ply
from recon.io.ply_header import read_header
from recon.io.point_files import read_clouds
from recon.io.points import read_points
from recon.mesh.files import read_shape
from recon.types import Gaussians


def some_gaussians(g: int, degree: int = 3, *, antialiased: bool = False) -> Gaussians:
    draw = torch.Generator().manual_seed(g + 31 * degree)
    k = (degree + 1) ** 2
    return Gaussians(
        means=torch.randn(g, 3, generator=draw),
        quats=torch.randn(g, 4, generator=draw),
        log_scales=torch.randn(g, 3, generator=draw),
        opacity_logits=torch.randn(g, generator=draw),
        sh=torch.randn(g, k, 3, generator=draw),
        antialiased=antialiased,
    )


def assert_same_bits(a: Gaussians, b: Gaussians) -> None:
    for name in ("means", "quats", "log_scales", "opacity_logits", "sh"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    assert a.antialiased == b.antialiased


@pytest.mark.parametrize("g", [0, 1, 257])
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_splats_come_back_bit_for_bit(tmp_path: Path, g: int, degree: int) -> None:
    gaussians = some_gaussians(g, degree, antialiased=g == 1)
    write_ply(gaussians, tmp_path / "splat.ply", up=[0.0, -1.0, 0.0])
    assert_same_bits(read_ply(tmp_path / "splat.ply"), gaussians)


def test_plyfile_reads_what_the_3dgs_format_says(tmp_path: Path) -> None:
    from plyfile import PlyData

    gaussians = some_gaussians(5)
    write_ply(gaussians, tmp_path / "splat.ply")
    vertex = PlyData.read(str(tmp_path / "splat.ply"))["vertex"]
    assert [p.name for p in vertex.properties][:9] == ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
    np.testing.assert_array_equal(vertex["rot_0"], gaussians.quats[:, 0])
    np.testing.assert_array_equal(vertex["f_dc_2"], gaussians.sh[:, 0, 2])
    np.testing.assert_array_equal(vertex["f_rest_0"], gaussians.sh[:, 1, 0])
    np.testing.assert_array_equal(vertex["f_rest_14"], gaussians.sh[:, 15, 0])
    np.testing.assert_array_equal(vertex["f_rest_15"], gaussians.sh[:, 1, 1])
    np.testing.assert_array_equal(vertex["f_rest_44"], gaussians.sh[:, 15, 2])


@pytest.mark.parametrize("order", ["<", ">", "ascii"])
def test_files_of_other_programs_are_read(tmp_path: Path, order: str) -> None:
    from plyfile import PlyData, PlyElement

    gaussians = some_gaussians(4, degree=0)
    columns = {"scale_0": gaussians.log_scales[:, 0], "extra": torch.zeros(4), "x": gaussians.means[:, 0]}
    columns |= {"y": gaussians.means[:, 1], "z": gaussians.means[:, 2], "opacity": gaussians.opacity_logits}
    columns |= {f"f_dc_{i}": gaussians.sh[:, 0, i] for i in range(3)}
    columns |= {"scale_1": gaussians.log_scales[:, 1], "scale_2": gaussians.log_scales[:, 2]}
    columns |= {f"rot_{i}": gaussians.quats[:, i] for i in range(4)}
    table = np.empty(4, dtype=[(name, "u1" if name == "extra" else "f8") for name in columns])
    for name, values in columns.items():
        table[name] = values
    element = PlyElement.describe(table, "vertex")
    PlyData([element], text=order == "ascii", byte_order=order if order != "ascii" else "<").write(
        str(tmp_path / "other.ply")
    )
    assert_same_bits(read_ply(tmp_path / "other.ply"), gaussians)


def test_up_and_antialiasing_are_noted_in_comments(tmp_path: Path) -> None:
    write_ply(some_gaussians(1, antialiased=True), tmp_path / "splat.ply", up=[0.0, 0.0, 1.0])
    header = read_header(tmp_path / "splat.ply")
    assert (header.note("antialiased"), header.note("up"), header.note("scale")) == ("1", "0 0 1", None)


def written(tmp_path: Path) -> tuple[Path, bytes]:
    path = tmp_path / "splat.ply"
    write_ply(some_gaussians(3), path)
    return path, path.read_bytes()


LIES = {
    "promises 1000000000000 vertices": lambda data: data.replace(b"vertex 3", b"vertex 1000000000000"),
    "claims 99999999999999999999": lambda data: data.replace(b"vertex 3", b"vertex " + b"9" * 30),
    "claims -3": lambda data: data.replace(b"vertex 3", b"vertex -3"),
    "cut off": lambda data: data[:-1],
    "no end_header": lambda data: data[:200],
    "not a PLY": lambda data: b"hello",
    "not a PLY file": lambda data: b"",
    "no opacity": lambda data: data.replace(b"float opacity", b"float whatever"),
    "44 f_rest": lambda data: data.replace(b"float f_rest_9\n", b"float f_pest_9\n"),
    "unknown type": lambda data: data.replace(b"float opacity", b"quaternion opacity"),
    "lists": lambda data: data.replace(b"property float nx", b"property list uchar int nx"),
    "appears twice": lambda data: data.replace(b"float nx", b"float x"),
    "format is 'binary_middle": lambda data: data.replace(b"little_endian", b"middle_endian"),
    "header has the line": lambda data: data.replace(b"comment", b"rubbish", 1),
    "does not hold 3 rows": lambda data: data.replace(b"binary_little_endian", b"ascii") + b"\n\n\n",
}


@pytest.mark.parametrize("words", LIES)
def test_damaged_files_are_refused_with_the_reason(tmp_path: Path, words: str) -> None:
    path, data = written(tmp_path)
    path.write_bytes(LIES[words](data))
    with pytest.raises(InputError, match=words) as caught:
        read_ply(path)
    assert str(path) in caught.value.message
    assert caught.value.advice


LYING = [(form, *counts) for form in ("ascii", "binary_little_endian") for counts in ((10**9, 0), (4, 0), (3, 10**9))]


@pytest.mark.parametrize(("form", "vertices", "faces"), [*LYING, ("ascii", 3, 2)])  # binary lists may be of any length
def test_a_header_that_promises_more_than_follows_is_believed_by_nobody(
    tmp_path: Path, form: str, vertices: int, faces: int
) -> None:
    lines = ["ply", f"format {form} 1.0", f"element vertex {vertices}", *(f"property float {axis}" for axis in "xyz")]
    lines += [f"element face {faces}", "property list uchar int vertex_indices", "end_header", ""]
    corners = np.eye(3, dtype="<f4").tobytes()
    face = bytes([3]) + np.arange(3, dtype="<i4").tobytes()
    if form == "ascii":
        corners, face = b"1.000 0.000 0.000\n" * 3, b"3 0 1 2"  # long lines: there are bytes enough
    path = tmp_path / "lie.ply"
    path.write_bytes("\n".join(lines).encode() + corners + (face if faces > 0 else b""))
    for read in (read_header, read_shape, read_points, read_clouds):
        with pytest.raises(InputError, match=f"cut off: its header promises {vertices} vertices"):
            read(path)


def test_a_point_cloud_is_told_apart_from_splats(tmp_path: Path) -> None:
    header = (
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    )
    (tmp_path / "cloud.ply").write_text(header + "0 0 0\n")
    with pytest.raises(InputError, match="holds no Gaussian splats"):
        read_ply(tmp_path / "cloud.ply")


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        read_ply(tmp_path / "nothing.ply")


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder should be")
    with pytest.raises(RunError, match=r"splat\.ply could not be written"):
        write_ply(some_gaussians(1), tmp_path / "blocked" / "splat.ply")


def test_viser_shows_our_file_as_its_own_example_reads_it(tmp_path: Path) -> None:
    """Columns by name, wxyz quaternions, sizes and opacities before the activations, as viser's example has them."""
    from plyfile import PlyData
    from viser import ViserServer

    from recon.viewer.splats import splats_from

    gaussians = likely_gaussians(50)
    gaussians.opacity_logits.clamp_(min=-4.0)  # fainter ones are not sent by our viewer
    write_ply(gaussians, tmp_path / "a.ply")
    rows = PlyData.read(str(tmp_path / "a.ply"))["vertex"]

    def columns(*names: str) -> np.ndarray:
        return np.stack([rows[name] for name in names], axis=-1).astype(np.float64)

    rotations = rotation_from_quaternion(columns("rot_0", "rot_1", "rot_2", "rot_3"))
    axes = rotations * np.exp(columns("scale_0", "scale_1", "scale_2"))[:, None, :]
    ours = splats_from(gaussians, unit=1.0)
    np.testing.assert_allclose(columns("x", "y", "z"), ours.centers, rtol=1e-6)
    np.testing.assert_allclose(axes @ axes.swapaxes(1, 2), ours.covariances, rtol=1e-4, atol=1e-9)  # float32 sizes
    rgb = (0.5 + 0.28209479177387814 * columns("f_dc_0", "f_dc_1", "f_dc_2")).clip(0, 1)
    np.testing.assert_allclose(rgb, ours.rgb, atol=1e-6)
    server = ViserServer(host="127.0.0.1", port=0, verbose=False)
    try:
        opacities = 1 / (1 + np.exp(-columns("opacity")))
        shown = server.scene.add_gaussian_splats(
            "/splats",
            centers=columns("x", "y", "z"),
            covariances=axes @ axes.swapaxes(1, 2),
            rgbs=rgb,
            opacities=opacities,
        )
        assert shown.visible
    finally:
        server.stop()
