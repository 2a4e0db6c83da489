"""Results are kept under the contents of what they were made of."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from recon.errors import InputError
from recon.io.cache import content_key, fill_stage, has_stage


@dataclass(frozen=True)
class Options:
    size: int = 1
    name: str = "a"


def test_the_key_follows_contents_not_names_or_dates(tmp_path: Path) -> None:
    first, copy = tmp_path / "first", tmp_path / "copy"
    first.write_bytes(b"photo")
    copy.write_bytes(b"photo")
    assert content_key(first) == content_key(copy)
    copy.write_bytes(b"Photo")
    assert content_key(first) != content_key(copy)


def test_the_key_tells_values_types_and_places_apart() -> None:
    parts = [
        1,
        "1",
        1.5,
        None,
        True,
        [1],
        [[1]],
        [1, 1],
        {"a": 1},
        {"b": 1},
        Options(),
        Options(size=2),
        Options(name="b"),
    ]
    assert len({content_key(part) for part in parts}) == len(parts)
    assert content_key("a", "b") != content_key("b", "a")
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})


def test_what_has_no_key_is_refused_not_ignored() -> None:
    with pytest.raises(TypeError, match="object has no content key"):
        content_key(object())


def test_a_missing_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.jpg"):
        content_key(tmp_path / "gone.jpg")


def test_a_stage_is_filled_once_per_key(tmp_path: Path) -> None:
    stage, calls = tmp_path / "stage", []

    def fill(folder: Path) -> None:
        calls.append(folder)
        (folder / "result").write_text(str(len(calls)))

    assert fill_stage(stage, "k1", fill)
    assert not fill_stage(stage, "k1", fill)
    assert (stage / "result").read_text() == "1"
    assert fill_stage(stage, "k2", fill)
    assert (stage / "result").read_text() == "2"
    assert not has_stage(stage, "k1")
    assert [path.name for path in tmp_path.iterdir()] == ["stage"]


def test_a_stage_that_fails_leaves_the_old_result_and_nothing_half(tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    fill_stage(stage, "old", lambda folder: (folder / "result").touch())

    def interrupted(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_stage(stage, "new", interrupted)
    assert has_stage(stage, "old")
    assert not has_stage(stage, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["stage"]


def test_what_a_killed_program_left_behind_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".stage.part").mkdir()
    (tmp_path / ".stage.part" / "half").touch()
    fill_stage(tmp_path / "stage", "key", lambda folder: None)
    assert [path.name for path in (tmp_path / "stage").iterdir()] == ["stage.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"key": 3}', "{"])
def test_a_damaged_key_file_is_no_result(tmp_path: Path, text: str) -> None:
    fill_stage(tmp_path / "stage", "key", lambda folder: None)
    (tmp_path / "stage" / "stage.json").write_text(text)
    assert not has_stage(tmp_path / "stage", "key")


def test_a_folder_of_somebody_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "sparse" / "0").mkdir(parents=True)
    (tmp_path / "sparse" / "0" / "cameras.bin").write_bytes(b"a model of weeks")
    with pytest.raises(InputError, match="not recon's own"):
        fill_stage(tmp_path / "sparse", "key", lambda folder: None)
    assert (tmp_path / "sparse" / "0" / "cameras.bin").read_bytes() == b"a model of weeks"
