"""What the repository promises around the code: set-up, documents, demo photos."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recon.datasets import data_root, demo_capture, demo_truth
from recon.errors import InputError

REPOSITORY = Path(__file__).resolve().parent.parent


def test_demo_photos_are_few_megabytes_and_know_their_focal_length() -> None:
    photos = sorted(demo_capture().glob("*.jpg"))
    assert len(photos) == 72
    assert 3e6 < sum(photo.stat().st_size for photo in photos) < 4e6
    truth = json.loads((demo_truth() / "poses.json").read_text())
    for photo in photos:
        with Image.open(photo) as picture:
            camera = picture.getexif().get_ifd(0x8769)
            assert picture.size == (truth["width"], truth["height"])
        pixels_per_millimetre = float(camera[0xA20E]) / 10  # the unit, tag 0xA210, says centimetres
        assert camera[0xA210] == 3
        assert float(camera[0x920A]) * pixels_per_millimetre == pytest.approx(truth["focal"], rel=1e-6)
        assert camera[0xA405] / 36 * picture.width == pytest.approx(truth["focal"], rel=0.02)


def test_demo_photos_come_without_poses() -> None:
    assert {path.suffix for path in demo_capture().iterdir()} == {".jpg"}


def test_demo_truth_covers_every_photo_and_agrees_with_its_depth() -> None:
    truth = json.loads((demo_truth() / "poses.json").read_text())
    assert sorted(truth["cam_from_world"]) == sorted(path.name for path in demo_capture().glob("*.jpg"))
    cameras = {Path(name).stem: np.array(matrix) for name, matrix in truth["cam_from_world"].items()}
    depths = np.load(demo_truth() / "depth.npz")
    assert len(depths.files) == 4
    # The middle of the first photo with depth, lifted to the world, lies in the same pixel depth in the others' view.
    one, other = depths.files[0], depths.files[1]
    rows, columns = np.mgrid[20:380:20, 20:380:20]
    lifted = _lift(rows, columns, depths[one].astype(float), cameras[one], truth["focal"])
    seen = lifted @ cameras[other].T
    x, y = (seen[:, :2] / seen[:, 2:3] * truth["focal"] + 200).T
    inside = (seen[:, 2] > 0) & (x >= 0) & (x < 400) & (y >= 0) & (y < 400)
    measured = depths[other][y[inside].astype(int), x[inside].astype(int)].astype(float)
    agrees = np.abs(measured - seen[inside, 2]) < 0.02
    assert inside.sum() > 50
    assert agrees.mean() > 0.4  # the rest is hidden in the other view


def test_missing_data_folder_is_told_with_advice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RECON_DATA", raising=False)
    with pytest.raises(InputError, match="RECON_DATA is not set") as unset:
        data_root()
    assert "export RECON_DATA" in unset.value.advice
    monkeypatch.setenv("RECON_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere"):
        data_root()


def test_tested_versions_cover_every_dependency() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["dev"],
        *project["build-system"]["requires"],
    ]
    pinned = set(re.findall(r"^([\w.-]+)==", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE))
    names = {_plain(re.split(r"[\[><=!~ ]", requirement)[0]) for requirement in wanted}
    assert sorted(names - {_plain(name) for name in pinned}) == []


def test_links_in_documents_lead_somewhere() -> None:
    documents = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("datasets/*.md")]
    broken = [
        f"{document.name}: {link}"
        for document in documents
        for link in re.findall(r"\]\(([^)#]+)", document.read_text())
        if not link.startswith("http") and not (document.parent / link).exists()
    ]
    assert broken == []


def test_make_commands_in_documents_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (REPOSITORY / document).read_text()
        named = set(re.findall(r"(?:^    |`)make ([\w-]+)", text, re.MULTILINE))
        assert len(named) > 0
        assert sorted(named - targets) == [], document


def test_a_machine_without_a_compiler_is_told_what_to_install(tmp_path: Path) -> None:
    for tool in ("sh", "mktemp", "cat", "rm", "df", "awk", "id", "head", "python3"):
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / tool).symlink_to(found)
    told = _check_machine({"PATH": str(tmp_path)})
    assert told.returncode == 2
    assert "no C++ compiler" in told.stderr
    assert "apt-get install -y" in told.stderr
    assert "build-essential" in told.stderr


def test_a_machine_without_python_is_told_what_to_install() -> None:
    told = _check_machine({"PATH": os.environ["PATH"]}, python="python-that-is-not-there")
    assert told.returncode == 2
    assert "python3-venv" in told.stderr


def test_scripts_are_sound_shell() -> None:
    for script in [*REPOSITORY.glob("scripts/*.sh"), REPOSITORY / ".ci" / "run"]:
        assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0, script
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)


def _check_machine(environment: dict[str, str], python: str = "python3") -> subprocess.CompletedProcess[str]:
    script = ["/bin/sh", str(REPOSITORY / "scripts" / "check_machine.sh"), python]
    return subprocess.run(script, env=environment, capture_output=True, text=True, check=False)


def _lift(rows: np.ndarray, columns: np.ndarray, depth: np.ndarray, camera: np.ndarray, focal: float) -> np.ndarray:
    """Homogeneous world points of pixel centres, `[p 4]`."""
    z = depth[rows, columns].ravel()
    x, y = (columns.ravel() + 0.5 - 200) / focal * z, (rows.ravel() + 0.5 - 200) / focal * z
    return np.stack([x, y, z, np.ones_like(z)], axis=-1) @ np.linalg.inv(camera).T


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
