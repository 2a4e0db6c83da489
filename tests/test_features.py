"""Features without a network: what they tell apart, and how they come to lie on Gaussians."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from blobs import COLOURS, Blobs, blob_scene
from PIL import Image
from torch import Tensor

from recon.cli.main import main
from recon.errors import InputError, RunError
from recon.priors.features.choice import open_extractor
from recon.priors.features.classical import Classical
from recon.priors.features.dense_sift import CELL, HISTOGRAM, dense_sift
from recon.priors.features.dense_sift import COLOURS as COLOUR_NUMBERS
from recon.priors.features.extractor import FeatureExtractor
from recon.priors.features.kept import KeptFeatures, read_features, write_features
from recon.priors.features.lifting import lift_features, shown
from recon.priors.features.likeness import like_place, like_words
from recon.priors.features.principal import Principal
from recon.types import Picture


def stripes(angle: float, size: int = 96) -> Tensor:
    """Gray waves across the direction `angle`, in degrees."""
    y, x = np.mgrid[:size, :size]
    wave = np.sin((x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))) / 2)
    return torch.from_numpy((127 + 100 * wave).astype(np.uint8))[..., None].repeat(1, 1, 3)


def patches(seed: int, start: int) -> Tensor:
    """A part of a wall of coloured squares of its own; parts of one wall overlap."""
    colours = np.random.default_rng(seed).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    wall = torch.from_numpy(colours.repeat(7, 0).repeat(7, 1))
    return wall[start : start + 160, start : start + 160]


def silent(done: float) -> None:
    assert 0 <= done <= 1.0001


def test_histograms_point_where_gradients_do() -> None:
    across = dense_sift(stripes(0))[4, 4, :HISTOGRAM].unflatten(0, (16, 8)).square().sum(dim=0)
    down = dense_sift(stripes(90))[4, 4, :HISTOGRAM].unflatten(0, (16, 8)).square().sum(dim=0)
    assert set(across.argsort()[-2:].tolist()) == {0, 4}  # eighths of a turn: right and left
    assert set(down.argsort()[-2:].tolist()) == {2, 6}


def test_a_plain_wall_has_faint_histograms_and_its_colour() -> None:
    wall = torch.tensor([200, 100, 50], dtype=torch.uint8).expand(64, 64, 3)
    cells = dense_sift(wall)
    assert float(cells[..., : 3 * HISTOGRAM].abs().max()) < 1e-3
    colours = cells[3, 3, -COLOUR_NUMBERS:]
    torch.testing.assert_close(colours[:3], torch.tensor([350 / 765, 100 / 255, 100 / 255]), atol=1e-4, rtol=0)


def test_a_pattern_moved_by_a_cell_moves_its_features_by_a_cell() -> None:
    noise = torch.randint(0, 255, (96, 96, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    moved = noise.roll(CELL, dims=1)
    inner = slice(4, -4)  # away from the edges, the bins see the same pixels
    here, there = dense_sift(noise)[inner, 4:-5], dense_sift(moved)[inner, 5:-4]
    torch.testing.assert_close(here[..., : 2 * HISTOGRAM], there[..., : 2 * HISTOGRAM], atol=1e-4, rtol=0)


def test_cells_with_the_same_texture_are_more_alike_than_others() -> None:
    photos = [torch.cat([stripes(0), stripes(60)], dim=1), torch.cat([stripes(60), stripes(0)], dim=1)]
    first, second = Classical().extract(photos, silent)
    upright, slanted = first.cells[6, 6], first.cells[6, -6]
    assert float(upright @ second.cells[6, -6]) > 0.8 * float(upright @ upright)
    assert float(upright @ slanted) < 0.3 * float(upright @ upright)


def test_photos_of_one_thing_are_nearest_to_each_other() -> None:
    photos = [patches(seed, start) for seed in range(3) for start in (0, 40)]
    wholes = torch.stack([one.whole for one in Classical().extract(photos, silent)])
    torch.testing.assert_close(wholes.norm(dim=1), torch.ones(6))
    alike = wholes @ wholes.T - 2 * torch.eye(6)
    assert alike.argmax(dim=1).tolist() == [1, 0, 3, 2, 5, 4]


def test_a_photo_smaller_than_what_a_feature_looks_at_says_so() -> None:
    with pytest.raises(InputError, match="300x10 pixels is smaller than what a feature looks at"):
        list(Classical().extract([torch.zeros(10, 300, 3, dtype=torch.uint8)], silent))


def test_the_classical_extractor_is_one() -> None:
    assert isinstance(open_extractor("classical"), FeatureExtractor)
    with pytest.raises(InputError, match="sift is neither a folder nor the name of a network"):
        open_extractor("sift")


def test_principal_directions_are_those_of_an_eigen_decomposition() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(500, 6, generator=generator) * torch.tensor([5.0, 3, 1, 0.5, 0.2, 0.1]) + 2
    principal = Principal.of(features, 3)
    torch.testing.assert_close(principal.directions.abs().diagonal(), torch.ones(3), atol=0.02, rtol=0)
    spread = principal.coordinates(features).var(dim=0)
    torch.testing.assert_close(spread, principal.variances.sqrt(), rtol=0.01, atol=0)  # half whitened
    colours = principal.colours(features)
    assert colours.dtype == torch.uint8
    assert colours.shape == (500, 3)
    assert float(colours.float().std(dim=0).min()) > 20


def test_few_features_have_few_directions() -> None:
    principal = Principal.of(torch.tensor([[1.0, 2.0], [1.0, 2.0]]), 3)
    assert principal.colours(torch.tensor([[1.0, 2.0]])).tolist() == [[128, 128, 128]]


def test_gaussians_get_the_features_of_what_they_show() -> None:
    """The photos themselves, cell by cell, as features: red Gaussians become red."""
    scene, gaussians = blob_scene(), Blobs().gaussians()
    maps = [
        scene.images[index].rgb.float().unflatten(0, (20, 4)).unflatten(2, (30, 4)).mean(dim=(1, 3))
        for index in range(6)
    ]
    lifted = lift_features(gaussians, scene.cameras, maps)
    means = lifted.features.unflatten(0, (3, -1)).mean(dim=1)
    for mean, colour in zip(means, COLOURS.values(), strict=True):
        assert int(mean.argmax()) == int(np.argmax(colour))
    assert bool(lifted.seen.any())


def test_gaussians_that_no_photo_shows_have_no_feature() -> None:
    scene, gaussians = blob_scene(), Blobs().gaussians()
    gaussians.means[0] += 1000
    lifted = lift_features(gaussians, scene.cameras, [torch.ones(5, 8, 2)] * 6)
    assert lifted.seen.tolist()[0] is False
    assert lifted.features[0].tolist() == [0, 0]
    torch.testing.assert_close(lifted.features[lifted.seen], torch.ones(int(lifted.seen.sum()), 2))


@pytest.mark.parametrize("part", ["mask", "alpha"])
def test_what_is_masked_in_photos_is_not_lifted(part: str) -> None:
    """Somebody stands in the left half of every second photo, and is masked with the cells around."""
    scene, gaussians = blob_scene(), Blobs().gaussians()
    rgb = scene.images[0].rgb
    masked = torch.full(rgb.shape[:2], 255, dtype=torch.uint8)
    masked[:, : rgb.shape[1] // 2] = 0
    pictures = [replace(scene.images[index], **{part: masked if index % 2 else None}) for index in range(6)]
    clean = torch.ones(6, 20, 30, 2)
    stained = clean.clone()
    stained[1::2, :, :15] = torch.tensor([1.0, 7.0])
    without = lift_features(gaussians, scene.cameras, stained)
    assert float((without.features[:, 1] > 1.1).float().mean()) > 0.5
    lifted = lift_features(gaussians, scene.cameras, stained, pictures)
    ones = torch.ones(int(lifted.seen.sum()), 2)
    torch.testing.assert_close(lifted.features[lifted.seen], ones)
    assert bool((lifted.weights <= without.weights * 1.0001).all())


def test_cells_that_are_mostly_masked_count_as_masked() -> None:
    mask = torch.zeros(8, 8, dtype=torch.uint8)
    mask[:, 3:] = 255  # a quarter of the left cells
    rgb = torch.zeros(8, 8, 3, dtype=torch.uint8)
    assert shown(Picture(rgb, mask=mask), 2, 2).tolist() == [[0, 1], [0, 1]]
    assert shown(Picture(rgb, mask=mask.flip(1)), 2, 2).tolist() == [[1, 0], [1, 0]]
    assert shown(Picture(rgb), 2, 2).tolist() == [[1, 1], [1, 1]]


def test_likeness_to_a_place_is_highest_there_and_nothing_where_there_is_no_feature() -> None:
    features = torch.tensor([[1.0, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
    alike = like_place(features, features[0])
    assert alike.argsort(descending=True)[:2].tolist() == [0, 1]
    assert float(alike[0]) == pytest.approx(1)
    assert float(alike[4]) == 0
    assert bool((like_place(torch.zeros(3, 2), torch.ones(2)) == 0).all())


def test_likeness_to_a_word_is_more_than_half_where_the_word_fits_best() -> None:
    features = torch.tensor([[1.0, 0.1], [0.1, 1.0], [0.0, 0.0]])
    alike = like_words(features, torch.tensor([1.0, 0.0]), torch.tensor([[0.0, 1.0]]))
    assert float(alike[0]) > 0.99
    assert float(alike[1]) < 0.01
    assert float(alike[2]) == 0


def test_kept_features_read_back(tmp_path: Path) -> None:
    gaussians = Blobs().gaussians()
    kept = KeptFeatures("classical", ("a.jpg",), torch.ones(1, 4), torch.ones(len(gaussians), 2), means=gaussians.means)
    write_features(kept, tmp_path)
    read = read_features(tmp_path)
    assert (read.extractor, read.photos) == ("classical", ("a.jpg",))
    assert read.gaussians is not None
    torch.testing.assert_close(read.gaussians, torch.ones(len(gaussians), 2))
    assert read.fit(gaussians)
    gaussians.means[0] += 1
    assert not read.fit(gaussians)


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"extractor": 3}'])
def test_damaged_features_say_how_to_make_them_again(tmp_path: Path, damage: str) -> None:
    write_features(KeptFeatures("classical", ("a.jpg",), torch.ones(1, 4)), tmp_path)
    (tmp_path / "features.json").write_text(damage)
    with pytest.raises(RunError, match=r"recon features RUN"):
        read_features(tmp_path)


def test_missing_features_say_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"has no features\.json.*recon features RUN"):
        read_features(tmp_path)


def test_the_command_lists_pairs_and_paints_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(4):
        Image.fromarray(patches(index // 2, 40 * (index % 2)).numpy()).save(photos / f"{index}.png")
    out = tmp_path / "out"
    assert main(["features", str(photos), "--output", str(out), "--neighbours", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["photos"], result["gaussians"]) == (4, None)
    assert sorted((out / "pairs.txt").read_text().splitlines()) == ["0.png 1.png", "2.png 3.png"]
    with Image.open(out / "pictures" / "0.png.png") as picture:
        assert picture.size == (640, 640)
    assert read_features(out).photos == ("0.png", "1.png", "2.png", "3.png")


def test_the_command_leaves_a_folder_with_other_things_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "home" / "pictures" / "wedding.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"a photo")
    assert main(["features", str(tmp_path), "--output", str(tmp_path / "home")]) == 2
    assert "holds other files" in capsys.readouterr().err
    assert mine.read_bytes() == b"a photo"


def test_the_command_wants_a_place_for_features_of_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", str(tmp_path)]) == 2
    assert "--output DIR" in capsys.readouterr().err
