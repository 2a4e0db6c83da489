"""DINOv3's inputs against those of its own processor.

The processor works on torchvision, which cannot be installed beside torch's CPU wheel. It takes three functions of it,
which stand in here for the real ones in a process of their own; with the real torchvision 0.28 the inputs were the same
bits, too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from recon.priors.features.preparation import read_preparation

pytest.importorskip("transformers")

STAND_IN = """
from enum import Enum

import torch
from torch.nn.functional import interpolate


class InterpolationMode(Enum):
    NEAREST, BILINEAR, BICUBIC, BOX, HAMMING, LANCZOS = "nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"
    NEAREST_EXACT = "nearest-exact"


def resize(image, size, interpolation, antialias):
    return interpolate(image, size, mode=interpolation.value, antialias=antialias, align_corners=False)


def normalize(image, mean, std, inplace=False):
    mean, std = (torch.as_tensor(values)[:, None, None] for values in (mean, std))
    return (image - mean) / std


def pil_to_tensor(image):
    raise NotImplementedError
"""
ASK = """
import sys
import numpy as np
from transformers.models.dinov3_vit.image_processing_dinov3_vit import DINOv3ViTImageProcessor

folder, height, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
processor = DINOv3ViTImageProcessor(size={"height": height, "width": width})
processor.save_pretrained(folder)
seen = processor(images=[np.load(folder + "/photo.npy")], return_tensors="np")["pixel_values"]
np.save(folder + "/inputs.npy", seen[0])
"""


def test_inputs_are_those_of_dinov3s_own_processor(tmp_path: Path) -> None:
    """Fractions are resized, then normalised: no other processor has this order. Its own file is read."""
    y, x = np.mgrid[:100, :150] / 20
    photo = (np.stack([np.sin(y), np.cos(x), np.sin(x + y)], axis=-1) * 100 + 128).astype(np.uint8)
    np.save(tmp_path / "photo.npy", photo)
    environment = os.environ | {"PYTHONPATH": str(_torchvision(tmp_path / "installed"))}
    command = [sys.executable, "-c", ASK, str(tmp_path), "64", "48"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    expected = torch.from_numpy(np.load(tmp_path / "inputs.npy"))
    assert expected.shape == (3, 64, 48)
    found = read_preparation(tmp_path)(torch.from_numpy(photo), 64, 48)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def _torchvision(folder: Path) -> Path:
    """Installed, as far as transformers looks."""
    package = folder / "torchvision"
    (package / "transforms" / "v2").mkdir(parents=True)
    for part in (package, package / "transforms", package / "transforms" / "v2"):
        (part / "__init__.py").write_text("")
    (package / "transforms" / "v2" / "functional.py").write_text(STAND_IN)
    (package / "transforms" / "functional.py").write_text("from torchvision.transforms.v2.functional import *")
    (package / "transforms" / "__init__.py").write_text(
        "from torchvision.transforms.v2.functional import InterpolationMode"
    )
    (package / "io.py").write_text("")
    described = folder / "torchvision-0.28.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.28.0\n")
    return folder
