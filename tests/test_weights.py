"""Networks of others: where their weights are looked for, and what a download survives and refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub import Hub, serving

from recon.cli.main import main
from recon.errors import InputError, ReconError
from recon.priors.hub import fetch_weights, look_up
from recon.priors.weights import KNOWN, weights_folder, weights_place

NAME = "somebody/Some-Network"
WEIGHTS = bytes(range(256)) * 4000
FILES = {"config.json": b'{"model_type": "dpt"}', "model.safetensors": WEIGHTS, "pytorch_model.bin": b"pickle"}


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECON_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub(NAME, dict(FILES))) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        yield hub


def test_a_download_brings_checked_files_and_no_pickles(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "get", NAME, "--json"]) == 0
    folder = Path(json.loads(capsys.readouterr().out)["folder"])
    assert folder == weights_folder(NAME) == weights_place(NAME)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "source.json"]
    asked = len(hub.requests)
    fetch_weights(look_up(NAME))
    assert len(hub.requests) == asked + 1, "what is there and right is not brought again"


def test_a_transfer_that_breaks_off_goes_on_where_it_was(hub: Hub) -> None:
    hub.break_after = 300_000
    fetch_weights(look_up(NAME))
    assert (weights_place(NAME) / "model.safetensors").read_bytes() == WEIGHTS
    assert [asked for _, asked in hub.requests if asked] == ["bytes=300000-"]


def test_an_interrupted_download_goes_on_in_the_next_command(hub: Hub) -> None:
    def interrupt(done: float, what: str) -> None:
        if what == "model.safetensors":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_weights(look_up(NAME), interrupt)
    part = weights_place(NAME) / "model.safetensors.part"
    assert not (weights_place(NAME) / "model.safetensors").exists()
    part.write_bytes(part.read_bytes()[:1000])  # as if it had come less far
    with pytest.raises(InputError, match="not on this machine"):
        weights_folder(NAME)
    fetch_weights(look_up(NAME))
    assert "bytes=1000-" in [asked for _, asked in hub.requests]
    assert (weights_place(NAME) / "model.safetensors").read_bytes() == WEIGHTS


def test_a_server_that_knows_no_ranges_sends_it_from_the_start(hub: Hub) -> None:
    hub.ignores_ranges, hub.break_after = True, 1000
    fetch_weights(look_up(NAME))
    assert (weights_place(NAME) / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("changed", [WEIGHTS[:-1] + b"!", WEIGHTS + b"more"])
def test_a_corrupt_file_is_refused_and_thrown_away(hub: Hub, changed: bytes) -> None:
    hub.sends_instead = {"model.safetensors": changed}
    with pytest.raises(ReconError, match="not the file it should be"):
        fetch_weights(look_up(NAME))
    assert not any(path.name.startswith("model") for path in weights_place(NAME).iterdir())


def test_a_small_file_is_checked_too(hub: Hub) -> None:
    hub.sends_instead = {"config.json": b'{"model_type": "dpd"}'}
    with pytest.raises(ReconError, match="checksum is wrong"):
        fetch_weights(look_up(NAME))


def test_a_file_that_stays_too_short_is_given_up(hub: Hub) -> None:
    hub.sends_instead = {"model.safetensors": WEIGHTS[:1000]}
    with pytest.raises(ReconError, match="broke off 4 times"):
        fetch_weights(look_up(NAME))


@pytest.mark.parametrize(("status", "words"), [(404, "no such file"), (401, "log in"), (503, "503")])
def test_a_refusal_says_what_to_do(hub: Hub, status: int, words: str) -> None:
    hub.status = status
    with pytest.raises(ReconError, match=words) as raised:
        look_up(NAME)
    assert raised.value.advice


def test_a_repository_of_pickles_alone_is_refused(hub: Hub) -> None:
    del hub.files["model.safetensors"]
    with pytest.raises(ReconError, match="safetensors"):
        look_up(NAME)


def test_no_network_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Hub(NAME, {})) as hub:
        address = hub.address
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(ReconError, match="could not be reached"):
        look_up(NAME)


def test_missing_weights_name_size_place_and_command() -> None:
    with pytest.raises(InputError) as raised:
        weights_folder("depth-anything-v2-small")
    said = str(raised.value)
    assert "depth-anything/Depth-Anything-V2-Small-hf (99 MB" in said
    assert "recon weights get depth-anything-v2-small" in said
    assert str(weights_place("depth-anything-v2-small")) in said


@pytest.mark.parametrize("name", ["nonsense", "../../etc/passwd", "../up", "a/..", "a/b/c", ""])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"neither a folder nor the name|holds no"):
        weights_folder(name)


def test_a_folder_of_ones_own_serves(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json"):
        weights_folder(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="no weights"):
        weights_folder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert weights_folder(tmp_path) == tmp_path


def test_what_another_program_downloaded_is_found(tmp_path: Path) -> None:
    known = KNOWN[0]
    snapshot = tmp_path / "hub" / "hub" / f"models--{known.hub.replace('/', '--')}" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").write_bytes(b"")
    assert weights_folder(known.name) == snapshot


def test_the_list_says_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said["networks"]) == {known.name for known in KNOWN}
    assert set(said["networks"].values()) == {None}
