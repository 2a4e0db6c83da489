"""Where exports shall go: what cannot become a file is told before any work, and by the name that was given."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from room import Room

from recon.errors import InputError, ReconError, RunError
from recon.export import splats
from recon.export.splat_renderer import SplatRenderer
from recon.export.splats import export_splats
from recon.export.targets import check_targets
from recon.export.work import Work


def test_folders_that_are_still_to_be_made_are_no_hindrance(tmp_path: Path) -> None:
    check_targets([tmp_path / "new" / "deeper" / "a.ply", tmp_path / "a.ply", tmp_path / "depth"])
    assert list(tmp_path.iterdir()) == []


def test_one_file_under_two_names_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    for other in ("a.ply", "./a.ply", "../" + tmp_path.name + "/a.ply", str(tmp_path / "a.ply"), "link/a.ply"):
        with pytest.raises(InputError, match=r"--to names .*a\.ply") as refused:
            check_targets([Path("a.ply"), Path("b.ply"), Path(other)])
        assert refused.value.advice == "Give each file a name of its own."


def test_a_folder_where_a_file_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scene.ply").mkdir()
    with pytest.raises(InputError, match=r"scene\.ply is a folder") as refused:
        check_targets([tmp_path / "scene.ply"])
    assert str(tmp_path / "scene.ply" / "scene.ply") in refused.value.advice


def test_a_file_where_a_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"a\.ply could not be written: Not a directory"):
        check_targets([tmp_path / "notes.txt" / "new" / "a.ply"])


def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)  # root may write anywhere
    with pytest.raises(RunError, match=r"a\.mp4 could not be written: Permission denied") as refused:
        check_targets([tmp_path / "new" / "a.mp4"])
    assert "permissions" in refused.value.advice


def test_a_disk_that_fills_up_is_told_by_the_files_own_name(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = splats.write_splats

    def fills_up(asset: object, path: Path) -> None:
        write(asset, path)  # pyright: ignore[reportArgumentType] - handed on
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(splats, "write_splats", fills_up)
    work = Work(SplatRenderer(room.gaussians()), room.scene())
    with pytest.raises(ReconError, match=r"^\S*/scene\.ply could not be written: No space left on device"):
        export_splats(work, tmp_path / "scene.ply", lambda done, what: None)
    assert list(tmp_path.iterdir()) == []
