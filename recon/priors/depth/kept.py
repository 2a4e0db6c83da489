"""What networks said of photos, kept by the contents of both: a second run on the same photos asks nobody."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from recon.io.disk import write_whole
from recon.io.tensors import check_tensors, tensors_from, tensors_to_bytes

__all__ = ["KeptAnswers", "answers_home"]


def answers_home() -> Path:
    """The folder of what is kept for all runs; it may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "recon" / "depth"


@dataclass(frozen=True)
class KeptAnswers:
    """Of one network."""

    folder: Path

    def read(self, rgb: UInt8[Tensor, "h w 3"]) -> Float[Tensor, "rows columns"] | None:
        """At the network's resolution; None where it was never asked, or the file is damaged."""
        try:
            kept = tensors_from(self._file(rgb).read_bytes())
            check_tensors(kept, {"answer": (torch.float16, (None, None)), "scale": (torch.float32, ())})
        except (OSError, ValueError):
            return None
        return kept["answer"].float() * kept["scale"]

    def write(self, rgb: UInt8[Tensor, "h w 3"], answer: Float[Tensor, "rows columns"]) -> None:
        scale = answer.abs().max().clamp(min=1e-30).float()
        path = self._file(rgb)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, tensors_to_bytes({"answer": (answer / scale).half(), "scale": scale}))

    def _file(self, rgb: Tensor) -> Path:
        shape = "x".join(map(str, rgb.shape))
        contents = hashlib.blake2b(rgb.cpu().contiguous().numpy().tobytes(), digest_size=16).hexdigest()
        return self.folder / f"{contents}-{shape}.safetensors"
