"""What lies where a file should lie and is none: pipes, loops of links. Each has its sentence, and nothing hangs."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Said, refusal
from room import Room

from recon.errors import InputError
from recon.io.colmap_binary import read_binary
from recon.io.disk import advice_on, is_mendable
from recon.io.photos import read_capture
from recon.io.point_files import SUFFIXES, read_clouds
from recon.io.splats.formats import FORMATS, read_splats
from recon.mesh.files import read_shape


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Who opens a pipe that nobody writes to waits for ever; the alarm ends that with an error."""

    def fail(*_: object) -> None:
        raise AssertionError("somebody waits for a pipe")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("ending", sorted({known.ending.removeprefix("meta") for known in FORMATS} | set(SUFFIXES)))
def test_no_reader_waits_for_a_pipe(ending: str, tmp_path: Path, capsys: Said) -> None:
    path = pipe(tmp_path / f"meta{ending}")
    for read in (read_clouds, read_shape, read_splats):
        with pytest.raises(InputError) as refused:
            read(path)
        assert path.name in refused.value.message
    assert path.name in refusal(capsys, "info", path)


def test_a_pipe_among_photos_is_left_out_by_name(room: Room, tmp_path: Path) -> None:
    photos = room.write_photos(tmp_path / "photos")
    pipe(photos / "p.jpg")
    (photos / "loop.jpg").symlink_to("loop.jpg")
    capture = read_capture(photos)
    assert len(capture.photos) == 6
    left_out = {item.name: item.reason for item in capture.left_out}
    assert set(left_out) == {"p.jpg", "loop.jpg"}
    assert "not a file" in left_out["p.jpg"]
    assert os.strerror(errno.ELOOP) in left_out["loop.jpg"]


def test_a_loop_of_links_alone_is_no_photo(tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "l.jpg").symlink_to("l.jpg")
    assert "has no readable photo: l.jpg cannot be read" in refusal(capsys, "info", tmp_path)


def test_pipes_inside_models_and_recordings_are_named(room: Room, tmp_path: Path, capsys: Said) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name in ("cameras.bin", "images.bin"):
        pipe(model / name)
    with pytest.raises(OSError, match="not a file") as refused:
        read_binary(model)
    assert is_mendable(refused.value)
    (tmp_path / "meta.json").write_text(
        json.dumps({"version": 2, "count": 1, "means": {"files": ["a.webp", "b.webp"]}})
    )
    pipe(tmp_path / "a.webp")
    refusal(capsys, "info", tmp_path / "meta.json")


@pytest.mark.parametrize("number", [errno.ELOOP, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE])
def test_what_the_system_refuses_is_a_sentence_with_advice(number: int) -> None:
    error = OSError(number, os.strerror(number), "file")
    assert is_mendable(error)
    assert advice_on(error).endswith(".")
