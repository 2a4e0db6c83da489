"""`recon depth` on photos whose poses nobody finds: each photo is seen alone, and says that its depth is relative."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Said, refusal, result
from PIL import Image


@pytest.fixture
def one_photo(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rows, columns = np.mgrid[:96, :128]
    photo = np.stack([rows * 2, columns, (rows // 8 + columns // 8) % 2 * 200], axis=-1).astype(np.uint8)
    Image.fromarray(photo).save(folder / "alone.png")
    return folder


def test_one_photo_gets_a_relative_map(one_photo: Path, tmp_path: Path, capsys: Said) -> None:
    out = tmp_path / "maps"
    told = result(capsys, "depth", one_photo, "--method", "monocular", "--output", out)
    assert (told["maps"], told["kind"], told["reference"]) == (1, "relative", None)
    png = np.asarray(Image.open(out / "alone.png.png"))
    with np.load(out / "alone.png.npz") as held:
        inverse = held["inverse"]
        assert held["confidence"].shape == inverse.shape == png.shape == (96, 128)
    assert (png.dtype, png.min(), png.max()) == (np.uint16, 1, 65535)
    shown = 1 + (inverse - inverse.min()) / (inverse.max() - inverse.min()) * 65534
    np.testing.assert_allclose(png, shown, atol=1)  # whole numbers


def test_stereo_of_one_photo_names_what_sees_one(one_photo: Path, tmp_path: Path, capsys: Said) -> None:
    said = refusal(capsys, "depth", one_photo, "--output", tmp_path / "maps")
    assert "has one photo" in said
    assert "--method monocular" in said
    assert not (tmp_path / "maps").exists()


def test_relative_depth_is_not_compared_with_truth(one_photo: Path, tmp_path: Path, capsys: Said) -> None:
    given = ("--method", "monocular", "--truth", one_photo, "--output", tmp_path / "maps")
    assert "relative" in refusal(capsys, "depth", one_photo, *given)
    assert not (tmp_path / "maps").exists()
