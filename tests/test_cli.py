"""The command line as people meet it: help, misspellings, exit codes, errors that say what to do."""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import RECON, Said, refusal
from PIL import Image

from recon.cli.command import INTERRUPTED
from recon.cli.main import COMMANDS, main


def test_help_answers_in_half_a_second_without_torch() -> None:
    seconds, answer = [], None
    for _ in range(3):
        started = time.monotonic()
        answer = subprocess.run([*RECON, "--help"], capture_output=True, text=True, check=True)
        seconds.append(time.monotonic() - started)
    assert min(seconds) < 0.5
    assert answer is not None
    assert all(name in answer.stdout for name in COMMANDS)
    probe = "import sys; from recon.cli.main import main; main(['--help']); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True).stdout.endswith("False\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: Said) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: recon {name}" in text
    assert "--json" in text
    assert "default: None" not in text
    assert "default: False" not in text


def test_a_misspelt_command_is_answered_with_the_nearest(capsys: Said) -> None:
    assert "Did you mean recon train?" in refusal(capsys, "trian")
    assert "The commands are train" in refusal(capsys, "xyzzy")


@pytest.mark.parametrize("given", [("info",), ("poses", "here", "--bogus"), ("bogus",), ("convert", "a", "b", "c")])
def test_scripts_get_one_object_whatever_was_misspelt(given: tuple[str, ...]) -> None:
    answer = subprocess.run([*RECON, *given, "--json"], capture_output=True, text=True)
    assert answer.returncode == 2
    told = json.loads(answer.stdout)
    assert given[0] in told["error"]
    assert told["advice"]
    assert answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-1", "1e12"])
def test_a_film_of_no_length_is_refused_in_words(seconds: str, tmp_path: Path, capsys: Said) -> None:
    said = refusal(capsys, "render", tmp_path, "--views", "orbit", "--output", tmp_path / "o", f"--seconds={seconds}")
    assert "makes no film" in said


def test_no_command_shows_the_help_and_fails(capsys: Said) -> None:
    assert main([]) == 2
    assert "recon train --images" in capsys.readouterr().out


def test_a_misspelt_option_exits_with_2(capsys: Said) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--image", "x"])
    assert stopped.value.code == 2
    assert "--images" in capsys.readouterr().err


def test_interrupted_commands_exit_with_130(trained_run: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    from recon.cli import export

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "open_run", interrupted)
    assert main(["export", str(trained_run), "--to", "x.ply"]) == INTERRUPTED == 130
    assert "Interrupted" in capsys.readouterr().err


def test_a_full_disk_is_an_error_to_mend_wherever_it_is_noticed(
    trained_run: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recon.cli import export

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/full/disk")

    monkeypatch.setattr(export, "open_run", full)
    assert "/full/disk could not be written: No space" in refusal(capsys, "export", trained_run, "--to", "x.ply")


@pytest.mark.parametrize("number", ["EACCES", "EPERM", "ENAMETOOLONG", "EISDIR", "ENOTDIR", "EEXIST", "ENOENT"])
def test_a_file_that_cannot_be_used_is_named_with_what_helps(
    number: str, trained_run: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recon.cli import export

    def refused(*_: object) -> None:
        code = getattr(errno, number)
        raise OSError(code, os.strerror(code), "/some/file")

    monkeypatch.setattr(export, "open_run", refused)
    said = refusal(capsys, "export", trained_run, "--to", "x.ply")
    assert f"/some/file could not be used: {os.strerror(getattr(errno, number))}." in said
    assert "choose another folder" in said
    assert "space" not in said
    assert "Errno" not in said


def test_a_library_that_is_missing_is_named_with_its_package(
    trained_run: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recon.cli import export

    def missing(*_: object) -> None:
        raise ImportError("libusb-1.0.so.0: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(export, "open_run", missing)
    said = refusal(capsys, "export", trained_run, "--to", "mesh.glb")
    assert "libusb-1.0.so.0" in said
    assert "apt-get install libusb-1.0-0" in said


def test_scripts_get_errors_as_json_too(tmp_path: Path, capsys: Said) -> None:
    assert main(["info", str(tmp_path / "absent"), "--json"]) == 2
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert set(told) == {"error", "advice"}
    assert told["error"] in err


def test_nobody_reading_stderr_stops_no_work() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    told = "from recon.cli.streams import tell; [tell('on') for _ in range(9)]; print('done')"
    done = subprocess.run([sys.executable, "-c", told], stdout=subprocess.PIPE, stderr=writer, check=False)
    os.close(writer)
    assert done.returncode == 0
    assert done.stdout == b"done\n"


def test_closed_streams_leave_the_result_alone(tmp_path: Path) -> None:
    Image.linear_gradient("L").save(tmp_path / "a.png")
    recon = shlex.join([*RECON, "info", str(tmp_path), "--json"])
    done = subprocess.run(["sh", "-c", f"{recon} <&- 2>&-"], stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0
    assert json.loads(done.stdout)["photos"] == 1
