"""Options of meshes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recon.errors import InputError

__all__ = ["MeshConfig"]


@dataclass(frozen=True)
class MeshConfig:
    """Triangle meshes."""

    faces: int = 300_000
    """Most triangles. Fewer make smaller files; flat parts lose theirs first."""
    method: Literal["fusion", "poisson", "density"] = "fusion"
    """fusion: only what cameras saw. poisson: closed over what they did not see, for single objects. density: where a
    radiance field is dense, found on a grid of 256 cells without looking through any camera; closed, for nerf only."""
    depth: Literal["photos", "model"] = "photos"
    """photos: where they agree on it (stereo; a minute for 60 photos of 400 pixels), the model's elsewhere. model: its
    own alone, as also without photos and of a selection."""
    voxel: float | None = None
    """Size of the grid that surfaces are found on, in the photos' frame. Without it: a pixel at the usual distance,
    and for density a 256th of the scene."""
    floaters: float = 0.001
    """Loose pieces smaller than this share of the largest are removed."""
    close_holes: float = 0.0
    """Holes up to this radius are closed, in the photos' frame; 0 closes none."""

    texture_size: int = 4096
    """Longest side of the texture, in pixels; 0 for colours of vertices only. PLY has no texture."""

    def __post_init__(self) -> None:
        if self.faces < 4:
            raise InputError(f"--mesh.faces is {self.faces}.", advice="Give at least 4; 300000 is usual.")
        if self.voxel is not None and not self.voxel > 0:
            raise InputError(f"--mesh.voxel is {self.voxel}.", advice="Give a positive size, or leave it out.")
        if self.texture_size != 0 and not 64 <= self.texture_size <= 16384:
            raise InputError(f"--mesh.texture-size is {self.texture_size}.", advice="Give 64 to 16384, or 0 for none.")
        if not 0 <= self.floaters <= 1:
            raise InputError(f"--mesh.floaters is {self.floaters}.", advice="Give a share between 0 and 1.")
        if not self.close_holes >= 0:
            raise InputError(f"--mesh.close-holes is {self.close_holes}.", advice="Give a radius, or 0 for none.")
