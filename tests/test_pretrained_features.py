"""Networks of transformers as sources of features: real classes and processors, small and random, from folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from recon.errors import InputError, RunError
from recon.priors.features.choice import open_extractor
from recon.priors.features.extractor import FeatureExtractor, ReadsWords
from recon.priors.features.preparation import _DEFAULTS, read_preparation
from recon.priors.features.pretrained import Pretrained, open_pretrained

transformers = pytest.importorskip("transformers")

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT = {
    **SMALL,
    "vocab_size": 12,
    "max_position_embeddings": 16,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
WORDS = ["<s>", "</s>", "<pad>", "<unk>", "a", "photo", "of", "fox", "wall", "frame", "thing", "stuff"]


def net(kind: str) -> Any:
    """A small one of the kind, its weights random but the same each time."""
    torch.manual_seed(0)
    t = transformers
    vision = {**SMALL, "image_size": 32, "patch_size": 8}
    match kind:
        case "vit":
            return t.ViTModel(t.ViTConfig(**vision), add_pooling_layer=False)
        case "dinov2":
            return t.Dinov2Model(t.Dinov2Config(**SMALL, image_size=28, patch_size=14))
        case "dinov2_with_registers":
            return t.Dinov2WithRegistersModel(t.Dinov2WithRegistersConfig(**SMALL, image_size=28, patch_size=14))
        case "dinov3_vit":
            return t.DINOv3ViTModel(t.DINOv3ViTConfig(**vision, num_register_tokens=4))
        case "resnet":
            sizes = {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
            return t.ResNetModel(t.ResNetConfig(**sizes, layer_type="basic"))
        case "convnext":
            return t.ConvNextModel(t.ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]))
        case "clip":
            return t.CLIPModel(t.CLIPConfig(text_config=TEXT, vision_config=vision, projection_dim=24))
        case "clip_vision_model":
            return t.CLIPVisionModel(t.CLIPVisionConfig(**vision))
        case "siglip":
            return t.SiglipModel(t.SiglipConfig(text_config=TEXT, vision_config=vision))
    raise AssertionError(kind)


def processor(kind: str) -> Any:
    """The one that networks of the kind come with, for squares of 32 pixels, without torchvision."""
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    square = {"height": 32, "width": 32}
    match kind:
        case "dinov2" | "dinov2_with_registers":
            mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
            return BitImageProcessorPil(size=square, crop_size=square, image_mean=mean, image_std=std)
        case "clip" | "clip_vision_model":
            return CLIPImageProcessorPil(size=square, crop_size=square)
        case "siglip":
            return SiglipImageProcessorPil(size=square)
        case "resnet" | "convnext":
            return ConvNextImageProcessorPil(size={"shortest_edge": 384})
    return ViTImageProcessorPil(size=square)


def saved(folder: Path, kind: str) -> str:
    """As `save_pretrained` leaves a network."""
    net(kind).save_pretrained(folder)
    if kind == "dinov3_vit":  # its processor needs torchvision even to be made
        described = {"image_processor_type": "DINOv3ViTImageProcessorFast", "size": {"height": 32, "width": 32}}
        (folder / "preprocessor_config.json").write_text(json.dumps(described))
    else:
        processor(kind).save_pretrained(folder)
    if kind in ("clip", "siglip"):
        from tokenizers import Tokenizer, models, pre_tokenizers, processors

        tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        ends = [("<s>", 0), ("</s>", 1)]  # where CLIP reads what it has understood
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
        special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
        transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    return str(folder)


def photo(height: int, width: int, seed: int = 0) -> Tensor:
    """Smooth, so that resizing keeps something, and different in each channel."""
    y, x = np.mgrid[:height, :width] / 20 + seed
    return torch.from_numpy(np.stack([np.sin(y), np.cos(x), np.sin(x + y)], axis=-1) * 100 + 128).to(torch.uint8)


def silent(done: float) -> None:
    assert 0 <= done <= 1


KINDS = ("vit", "dinov2", "dinov2_with_registers", "dinov3_vit", "resnet", "convnext")
WITH_WORDS = ("clip", "siglip")


@pytest.mark.parametrize("kind", [*KINDS, *WITH_WORDS, "clip_vision_model"])
def test_every_kind_of_network_gives_cells_in_the_photos_proportions(tmp_path: Path, kind: str) -> None:
    extractor = open_extractor(saved(tmp_path, kind))
    assert isinstance(extractor, FeatureExtractor)
    assert isinstance(extractor, ReadsWords) == (kind in WITH_WORDS)
    tall, wide = extractor.extract([photo(300, 200), photo(200, 300)], silent)
    assert tall.cells.shape[0] == wide.cells.shape[1] > tall.cells.shape[1] == wide.cells.shape[0]
    assert tall.cells.shape[0] / tall.cells.shape[1] == pytest.approx(1.5, abs=0.1)
    for one in (tall, wide):
        assert bool(one.cells.isfinite().all())
        assert float(one.whole.norm()) == pytest.approx(1, abs=1e-5)
        assert float(one.cells.flatten(0, 1).std(dim=0).max()) > 1e-3


@pytest.mark.parametrize("kind", ["vit", "dinov2", "clip", "siglip"])
@pytest.mark.parametrize("size", [(32, 32), (47, 61), (20, 90)])
def test_inputs_are_those_of_the_networks_own_processor(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    """Channel order, rounding, filter, mean and spread; the whole chain, at the processor's own size."""
    theirs = processor(kind)
    theirs.save_pretrained(tmp_path)
    seen = photo(*size)
    expected = theirs(images=[seen.numpy()], return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(read_preparation(tmp_path)(seen, 32, 32), expected, atol=1e-5, rtol=0)


def test_inputs_of_convolutions_are_those_of_their_processor(tmp_path: Path) -> None:
    theirs = processor("resnet")
    theirs.save_pretrained(tmp_path)
    seen = photo(100, 140)
    expected = theirs(images=[seen.numpy()], return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(read_preparation(tmp_path)(seen, 384, 384), expected, atol=1e-5, rtol=0)


def test_what_a_processors_file_leaves_out_is_what_its_class_says(tmp_path: Path) -> None:
    """Old files name little more than the class."""
    for kind in ("vit", "dinov2", "clip", "siglip", "convnext"):
        theirs = type(processor(kind))
        name = theirs.__name__.removesuffix("Pil")
        filter_, (mean, spread) = _DEFAULTS[name]
        assert (int(theirs.resample), list(theirs.image_mean), list(theirs.image_std)) == (filter_, mean, spread), name
        (tmp_path / "preprocessor_config.json").write_text(json.dumps({"feature_extractor_type": name}))
        assert list(read_preparation(tmp_path).mean) == mean


def test_dinov3_resizes_fractions_which_bytes_follow_within_a_step(tmp_path: Path) -> None:
    described = {"image_processor_type": "DINOv3ViTImageProcessorFast"}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(described))
    exact = read_preparation(tmp_path)(photo(200, 150), 64, 48)
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_processor_type": "ViTImageProcessor",
                "image_mean": [0.485, 0.456, 0.406],
                "image_std": [0.229, 0.224, 0.225],
            }
        )
    )
    rounded = read_preparation(tmp_path)(photo(200, 150), 64, 48)
    assert (
        float((exact - rounded).abs().max()) < 1 / 255 / 0.224
    )  # Pillow rounds to half a step twice: across, then down


@pytest.mark.parametrize("kind", ["vit", "dinov2", "dinov3_vit"])
def test_cells_lie_where_their_patches_do(tmp_path: Path, kind: str) -> None:
    """Change one patch of the photo: without attention the cell there, and no other, changes most."""
    extractor = open_pretrained(saved(tmp_path, kind))
    patch = extractor.loaded.patch
    size = -(-448 // patch) * patch
    plain = photo(size, size)
    marked = plain.clone()
    row, column = 3, 7
    marked[row * patch : (row + 1) * patch, column * patch : (column + 1) * patch] = 255
    first, second = extractor.extract([plain, marked], silent)
    change = (first.cells - second.cells).norm(dim=-1)
    assert int(change.argmax()) == row * change.shape[1] + column


@pytest.mark.parametrize("kind", WITH_WORDS)
def test_words_and_cells_share_a_space(tmp_path: Path, kind: str) -> None:
    extractor = open_pretrained(saved(tmp_path, kind))
    assert isinstance(extractor, ReadsWords)
    (seen,) = extractor.extract([photo(64, 64)], silent)
    words = extractor.words(["fox", "wall", "fox"])
    assert words.shape == (3, seen.cells.shape[2])
    torch.testing.assert_close(words.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(words[0], words[2])
    assert float(words[0] @ words[1]) < 0.9999


def test_clips_whole_photo_is_what_clip_says_of_it(tmp_path: Path) -> None:
    extractor = open_pretrained(saved(tmp_path, "clip"))
    seen = photo(448, 448)
    (found,) = extractor.extract([seen], silent)
    said = (
        net("clip")
        .eval()
        .get_image_features(
            pixel_values=extractor.loaded.preparation(seen, 448, 448)[None], interpolate_pos_encoding=True
        )
    )
    vector = said if isinstance(said, Tensor) else said.pooler_output
    torch.testing.assert_close(found.whole, torch.nn.functional.normalize(vector[0].detach(), dim=0))


def test_a_cell_is_what_the_whole_would_be_if_all_looked_at_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo of one cell, where the whole can look at nothing else."""
    extractor = open_pretrained(saved(tmp_path, "siglip"))
    patch = extractor.loaded.patch
    monkeypatch.setattr("recon.priors.features.pretrained._LEAST", patch)
    object.__setattr__(extractor.loaded, "native", patch)
    (found,) = extractor.extract([photo(patch, patch)], silent)
    assert found.cells.shape[:2] == (1, 1)
    cell = torch.nn.functional.normalize(found.cells[0, 0], dim=0)
    torch.testing.assert_close(cell, found.whole, atol=1e-5, rtol=0)


def test_weights_that_are_not_there_say_what_fetches_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECON_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"88 MB.*not on this machine") as raised:
        open_extractor("dinov2-small")
    assert "recon weights get dinov2-small" in raised.value.advice
    assert str(tmp_path) in raised.value.advice


def test_a_network_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    saved(tmp_path, "vit")
    config = json.loads((tmp_path / "config.json").read_text()) | {"model_type": "bert"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="holds a bert"):
        open_extractor(str(tmp_path))


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def drop(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    save_file(
        {name: value for name, value in tensors.items() if "layer.1" not in name and "layers.1" not in name},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )


def forget(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [(cut, "cannot be read"), (drop, "do not fit its config.json"), (forget, "preprocessor_config")],
)
def test_damaged_weights_are_refused(tmp_path: Path, damage: Callable[[Path], None], words: str) -> None:
    saved(tmp_path, "dinov2")
    damage(tmp_path)
    with pytest.raises(InputError, match=words):
        open_extractor(str(tmp_path))


def test_weights_that_would_run_code_are_not_loaded(tmp_path: Path) -> None:
    import pickle

    class Trap:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # pyright: ignore[reportReturnType]

    saved(tmp_path, "dinov2")
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"embeddings.cls_token": Trap()}, protocol=2))
    with pytest.raises(InputError, match="cannot be read"):
        open_extractor(str(tmp_path))
    assert not (tmp_path / "sprung").exists()


def test_photos_smaller_than_a_patch_say_so(tmp_path: Path) -> None:
    extractor = open_extractor(saved(tmp_path, "dinov2"))
    with pytest.raises(InputError, match="500x9 pixels is smaller than the 14"):
        list(extractor.extract([photo(9, 500)], silent))


def test_short_memory_takes_smaller_batches_and_says_so_once(tmp_path: Path) -> None:
    said: list[str] = []
    loaded = open_pretrained(saved(tmp_path, "dinov2")).loaded
    extractor = Pretrained("net", loaded, batch=4, say=said.append)
    photos = [photo(80, 80, seed) for seed in range(6)]
    truth = list(Pretrained("net", loaded).extract(photos, silent))
    whole_run, sizes = extractor._run, []

    def run(pixels: Tensor) -> tuple[Tensor, Tensor]:
        sizes.append(len(pixels))
        if len(pixels) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return whole_run(pixels)

    extractor._run = run  # type: ignore[method-assign]
    found = list(extractor.extract(photos, silent))
    assert sizes == [4, 2, *[1] * 6]
    assert said == ["cpu is out of memory: 2 photos at a time from here on."]
    for mine, theirs in zip(found, truth, strict=True):
        torch.testing.assert_close(mine.cells, theirs.cells, atol=1e-5, rtol=1e-4)

    def always(pixels: Tensor) -> tuple[Tensor, Tensor]:
        raise RuntimeError("CUDA out of memory")

    extractor._run = always  # type: ignore[method-assign]
    with pytest.raises(RunError, match="One photo does not fit"):
        list(extractor.extract(photos, silent))
