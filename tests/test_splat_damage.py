"""Splat files from strangers: whatever the bytes, a reader gives splats or a sentence, soon and in little memory."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from splat_files import written_asset

from recon.errors import InputError
from recon.io.splats.formats import FORMATS, read_splats, write_splats
from recon.io.splats.glb import pack_glb, unpack_glb

ENDINGS = [known.ending for known in FORMATS]
LITTLE = 64 << 20
"""Bytes a reader may use for a file of a few kilobytes."""
FUZZ = settings(
    database=None, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def whole_file(ending: str, folder: Path) -> bytes:
    """A small file of each format; .ksplat, which recon does not write, by hand."""
    if ending == ".ksplat":
        return small_ksplat()
    if ending == "meta.json":
        return as_json(whole_file(".sog", folder), folder)
    path = folder / f"whole{ending}"
    write_splats(written_asset(40, degree=1), path)
    return path.read_bytes()


def as_json(bundle: bytes, folder: Path) -> bytes:
    """The description out of a bundle; its images are laid into the folder."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        archive.extractall(folder)
        return archive.read("meta.json")


def small_ksplat(*, count: int = 3, claimed: int | None = None) -> bytes:
    """Level 1, one section, one bucket that is full and one that is not."""
    header = bytearray(4096)
    header[1] = 1
    struct.pack_into("<I", header, 4, 1)
    struct.pack_into("<IH", header, 16, count if claimed is None else claimed, 1)
    section = bytearray(1024)
    struct.pack_into("<IIIIfH2xI4xIIH", section, 0, count, count, 2, 2, 5.0, 12, 32767, 1, 1, 0)
    buckets = struct.pack("<I", count - 2) + np.array([[1, 2, 3], [4, 5, 6]], "<f4").tobytes()
    row = struct.pack("<HHHeeeeeee4B", 32767, 32767, 0, 0.5, 0.5, 0.5, 1, 0, 0, 0, 255, 128, 0, 200)
    return bytes(header + section) + buckets + row * count


def read_bytes(data: bytes, ending: str, folder: Path) -> int:
    path = folder / (ending if ending == "meta.json" else f"any{ending}")
    path.write_bytes(data)
    asset = read_splats(path)
    assert all(bool(getattr(asset.gaussians, name).isfinite().all()) for name in ("means", "quats", "sh"))
    return len(asset)


def test_a_ksplat_places_splats_around_their_buckets_middles(tmp_path: Path) -> None:
    (tmp_path / "a.ksplat").write_bytes(small_ksplat())
    gaussians = read_splats(tmp_path / "a.ksplat").gaussians
    np.testing.assert_allclose(gaussians.means.numpy(), [[1, 2, 0.5], [1, 2, 0.5], [4, 5, 3.5]], atol=1e-6)
    np.testing.assert_allclose(gaussians.log_scales.numpy(), np.log(0.5), rtol=1e-6)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, ending: str) -> None:
    data = whole_file(ending, tmp_path)
    for length in (0, 1, 3, 10, len(data) // 3 | 1, len(data) // 2 | 1, len(data) - 1):  # .splat: no whole record
        with pytest.raises(InputError) as refused:
            read_bytes(data[:length], ending, tmp_path)
        assert ending in refused.value.message
        assert refused.value.advice


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_of_another_format_is_refused(tmp_path: Path, ending: str) -> None:
    for data in (b"\x89PNG\r\n\x1a\n" + bytes(4096), b"{}", b"<html>" * 999 + b"x"):
        with pytest.raises(InputError):
            read_bytes(data, ending, tmp_path)


def test_headers_that_promise_more_than_there_is_cost_no_memory(tmp_path: Path) -> None:
    ply = (whole_file(".ply", tmp_path)).replace(b"element vertex 40", b"element vertex 1000000000000")
    packed = whole_file(".compressed.ply", tmp_path).replace(b"vertex 40", b"vertex 999999999999")
    lies = [(ply, ".ply"), (packed, ".compressed.ply"), (small_ksplat(claimed=99_999_999), ".ksplat")]
    spz = bytearray(whole_file(".spz", tmp_path))
    struct.pack_into("<I", spz, 8, 0xFFFFFFFF)
    lies.append((bytes(spz), ".spz"))
    struct.pack_into("<I", spz, 8, 90_000_000)
    lies.append((bytes(spz), ".spz"))
    bomb = gzip.compress(struct.pack("<4sIIBBBB", b"NGSP", 2, 90_000_000, 3, 12, 0, 0) + bytes(50_000_000))
    lies.append((bomb, ".spz"))
    tree = unpack_glb(tmp_path / "a.glb", whole_file(".glb", tmp_path))
    for accessor in tree.tree["accessors"]:
        accessor["count"] = 50_000_000
    lies.append((pack_glb(tree.tree, tree.binary), ".glb"))
    for data, ending in lies:
        tracemalloc.start()
        with pytest.raises(InputError):
            read_bytes(data, ending, tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < LITTLE, f"{ending}: {peak / 1e6:.0f} MB"


def test_zip_bombs_in_a_sog_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.sog", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("meta.json", b" " * 300_000_000)
    with pytest.raises(InputError, match="claims 300000000 bytes"):
        read_splats(tmp_path / "bomb.sog")
    flat = io.BytesIO()
    Image.new("RGB", (16000, 16000)).save(flat, "WEBP", lossless=True)
    bundle = io.BytesIO(whole_file(".sog", tmp_path))
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(tmp_path / "wide.sog", "w") as archive:
        for name in old.namelist():
            archive.writestr(name, flat.getvalue() if name == "scales.webp" else old.read(name))
    tracemalloc.start()
    with pytest.raises(InputError):
        read_splats(tmp_path / "wide.sog")
    assert tracemalloc.get_traced_memory()[1] < LITTLE
    tracemalloc.stop()


def test_a_sog_whose_entries_lie_before_its_beginning_is_refused(tmp_path: Path) -> None:
    data = bytearray(whole_file(".sog", tmp_path))
    end = data.rindex(b"PK\x05\x06")
    (directory,) = struct.unpack_from("<I", data, end + 16)
    struct.pack_into("<I", data, end + 16, directory + 5000)
    with pytest.raises(InputError, match="zip archive is broken"):
        read_bytes(bytes(data), ".sog", tmp_path)


def test_images_outside_a_sogs_folder_are_not_opened(tmp_path: Path) -> None:
    tree = json.loads(whole_file("meta.json", tmp_path))
    for name in ("../scales.webp", "/etc/passwd", "", ".", "a/b.webp", "nothing.webp", 3, None):
        tree["scales"]["files"] = [name]
        with pytest.raises(InputError):
            read_bytes(json.dumps(tree).encode(), "meta.json", tmp_path)


def test_deeply_nested_json_is_refused(tmp_path: Path) -> None:
    text = b"[" * 200_000
    data = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text), len(text), 0x4E4F534A) + text
    with pytest.raises(InputError, match="JSON"):
        read_bytes(data, ".glb", tmp_path)


@pytest.mark.parametrize("change", ["bufferView", "count", "componentType", "type", "byteOffset"])
def test_a_glb_that_points_outside_itself_is_refused(tmp_path: Path, change: str) -> None:
    glb = unpack_glb(tmp_path / "a.glb", whole_file(".glb", tmp_path))
    for value in (-1, 10**15, None, "3", [], {}, True, 1.5):
        tree = json.loads(json.dumps(glb.tree))
        tree["accessors"][0][change] = value
        with pytest.raises(InputError):
            read_bytes(pack_glb(tree, glb.binary), ".glb", tmp_path)


def spoiled(data: bytes, changes: list[tuple[int, int]], cut: int | None) -> bytes:
    """The file with some bytes changed and its end cut off; most changes fall on the header."""
    out = bytearray(data)
    for at, value in changes:
        out[at % len(out) if at % 3 else at % min(len(out), 400)] = value
    return bytes(out if cut is None else out[: cut % len(out)])


CHANGES = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=12)


def attempt(data: bytes, ending: str, folder: Path) -> None:
    with contextlib.suppress(InputError):
        read_bytes(data, ending, folder)


def inside(page: bytes) -> tuple[bytes, bytes, bytes]:
    """The splats of a page, and the page before and after them."""
    start = page.index(b'x-spz;base64">') + 14
    end = page.index(b"<", start)
    return page[:start], base64.b64decode(page[start:end]), page[end:]


@pytest.mark.parametrize(
    "spoil", [lambda data: data[: len(data) // 2], lambda data: data[:40] + data[99:], lambda _: bytes(80)]
)
def test_a_page_of_spoiled_splats_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    before, splats, after = inside(whole_file(".html", tmp_path))
    with pytest.raises(InputError):
        read_bytes(before + base64.b64encode(spoil(splats)) + after, ".html", tmp_path)


@pytest.mark.parametrize("ending", ENDINGS)
@given(changes=CHANGES, cut=st.none() | st.integers(0, 1 << 20), noise=st.binary(max_size=300))
@settings(FUZZ, max_examples=25)
def test_spoiled_files_give_splats_or_a_sentence(
    tmp_path: Path, ending: str, changes: list[tuple[int, int]], cut: int | None, noise: bytes
) -> None:
    attempt(spoiled(whole_file(ending, tmp_path), changes, cut), ending, tmp_path)
    attempt(noise, ending, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
@given(changes=CHANGES, cut=st.none() | st.integers(0, 1 << 20))
@settings(FUZZ, max_examples=1300)
def test_ten_thousand_spoiled_files_give_splats_or_a_sentence(
    tmp_path: Path, ending: str, changes: list[tuple[int, int]], cut: int | None
) -> None:
    attempt(spoiled(whole_file(ending, tmp_path), changes, cut), ending, tmp_path)
