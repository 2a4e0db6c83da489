"""The nouns of recon. All frozen; transforming one returns a new one.

Conventions, true everywhere:

- `b_from_a` maps a point in frame a to frame b, so products cancel: `c_from_b @ b_from_a`.
- Camera axes: +x right, +y down, +z forward. Quaternions are `wxyz`. Pixel centres are at `.5`.
- `rgb` is premultiplied by `alpha`, without background; only `Render.over` composes. Colours are sRGB in 0..1.
- `depth` is the distance along the camera's z axis, in scene units, undefined where `alpha == 0`.
- Frames: "input" is the frame the user's data came in (exports are in it); "world" is the frame of training, which
  differs from it by a translation and a uniform scale only (`Scene.input_from_world`).
- Letters in shapes: `n` cameras, `h w` image, `r` rays, `s` samples, `g` Gaussians, `k` SH coefficients, `p` points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

__all__ = [
    "Batch",
    "Cameras",
    "Capture",
    "DepthKind",
    "DepthMap",
    "Gaussians",
    "HasDensity",
    "HasGaussians",
    "ImageStore",
    "LeftOut",
    "Lens",
    "Metrics",
    "Model",
    "Optimizer",
    "Photo",
    "Picture",
    "Pixels",
    "Points",
    "Reconstruction",
    "Render",
    "Renderer",
    "Scene",
    "StepReport",
    "Surface",
    "SurfaceRenderer",
    "TakesPixels",
    "View",
    "ViewScore",
]

# --- What the user gave us ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Photo:
    """One readable photo. Sizes are upright, that is after the EXIF orientation was applied."""

    name: str
    """Path below the capture's folder, with forward slashes: the photo's name everywhere."""
    path: Path
    width: int
    height: int
    focal: float | None = None
    """From EXIF, in pixels of this file; None when EXIF does not say."""
    camera: str = ""
    """Photos with the same key were taken by one camera with one lens setting and share intrinsics."""
    mask: Path | None = None
    """Grayscale image; black pixels are ignored."""
    has_alpha: bool = False


@dataclass(frozen=True)
class LeftOut:
    """A file that is not used, and why, in words for the user."""

    name: str
    reason: str


@dataclass(frozen=True)
class Capture:
    """A folder of photos, ready for structure from motion."""

    folder: Path
    photos: tuple[Photo, ...]
    left_out: tuple[LeftOut, ...] = ()
    ordered: bool = False
    """The names count frames of a video or a walk: neighbours in name are neighbours in space."""


# --- Posed photos, as structure from motion or a data set gives them ------------------------------------------------


@dataclass(frozen=True)
class Lens:
    """Calibrated intrinsics in COLMAP's terms; `params` in COLMAP's order for `model`, pixels of `width` x `height`."""

    model: str
    width: int
    height: int
    params: tuple[float, ...]


@dataclass(frozen=True)
class View:
    """One posed photo, possibly distorted."""

    name: str
    path: Path
    lens: Lens
    cam_from_input: Float[np.ndarray, "4 4"]
    split: Literal["train", "test"] | None = None
    """What the data set itself says; None when it says nothing."""
    mask: Path | None = None


@dataclass(frozen=True)
class Points:
    """Coloured 3D points."""

    xyz: Float[Tensor, "p 3"]
    rgb: UInt8[Tensor, "p 3"]
    error: Float[Tensor, "p"] | None = None
    """How far, in pixels of the photos as posed, a point lies beside where they show it, in the mean; None for points
    that no photo was asked about."""

    def __len__(self) -> int:
        return len(self.xyz)


@dataclass(frozen=True)
class Reconstruction:
    """Posed photos and sparse points in the input frame, before undistortion, resizing and normalisation."""

    views: tuple[View, ...]
    points: Points
    left_out: tuple[LeftOut, ...] = ()
    up: Float[np.ndarray, "3"] | None = None
    """Unit vector against gravity in the input frame; None when unknown."""
    mean_track_length: float | None = None
    mean_reprojection_error: float | None = None
    """Pixels of the photos as posed."""


# --- What training works on -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cameras:
    """Pinhole cameras with any batch shape; `cameras[i]` is `Cameras`."""

    cam_from_world: Float[Tensor, "*n 4 4"]
    focal: Float[Tensor, "*n 2"]
    """fx, fy in pixels."""
    center: Float[Tensor, "*n 2"]
    """cx, cy in pixels; the image centre is (width / 2, height / 2)."""
    width: Int[Tensor, "*n"]
    height: Int[Tensor, "*n"]

    def __len__(self) -> int:
        return len(self.focal)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> Cameras:
        return Cameras(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def to(self, device: torch.device | str) -> Cameras:
        return Cameras(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    @property
    def position(self) -> Float[Tensor, "*n 3"]:
        """Camera centres in the world."""
        rotation, translation = self.cam_from_world[..., :3, :3], self.cam_from_world[..., :3, 3]
        return -(rotation.mT @ translation[..., None])[..., 0]

    def resized(self, longest_side: int) -> Cameras:
        """The same cameras with images whose longest side is `longest_side` pixels, rounded to whole pixels."""
        longest = torch.maximum(self.width, self.height)
        width = (self.width * longest_side / longest).round().clamp(min=1)
        height = (self.height * longest_side / longest).round().clamp(min=1)
        scale = torch.stack([width / self.width, height / self.height], dim=-1)
        return replace(
            self,
            focal=self.focal * scale,
            center=self.center * scale,
            width=width.to(self.width.dtype),
            height=height.to(self.height.dtype),
        )


@dataclass(frozen=True)
class Picture:
    """One photo at working resolution, undistorted."""

    rgb: UInt8[Tensor, "h w 3"]
    """Straight (not premultiplied) sRGB."""
    alpha: UInt8[Tensor, "h w"] | None = None
    """Coverage of the subject: the scene behind it is empty, and the trainer blends in a background."""
    mask: UInt8[Tensor, "h w"] | None = None
    """Weight of each pixel in the loss, 0 ignored, 255 full."""


DepthKind = Literal["scene", "metric", "relative"]
"""Units of a depth map: world units of the scene; metres, or anything else that lacks a scale; or inverse depth that
lacks a scale and a shift, as networks give it."""


@dataclass(frozen=True)
class DepthMap:
    """What is known of a photo's depth, at its picture's pixel centres: inverse, for errors are even in that."""

    inverse: Float[Tensor, "h w"]
    """One over the depth along the camera's z axis, in what `kind` says. Meaningless where there is no confidence."""
    confidence: Float[Tensor, "h w"]
    """0 (unknown) to 1."""
    kind: DepthKind

    @property
    def known(self) -> Tensor:
        """Where there is any confidence."""
        return self.confidence > 0

    @property
    def depth(self) -> Float[Tensor, "h w"]:
        """0 where nothing is known. Only of maps that lack no shift."""
        assert self.kind != "relative", "align it first"
        known = self.known & (self.inverse > 0)
        return torch.where(known, 1 / torch.where(known, self.inverse, 1), 0)

    def to(self, device: torch.device | str) -> DepthMap:
        return DepthMap(self.inverse.to(device), self.confidence.to(device), self.kind)


@runtime_checkable
class ImageStore(Protocol):
    """Pictures by view index, loaded when asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Picture: ...


@dataclass(frozen=True)
class Scene:
    """Everything needed to train: cameras and pictures in step, sparse points, and the way back to the input frame."""

    names: tuple[str, ...]
    cameras: Cameras
    images: ImageStore
    points: Points
    train: tuple[int, ...]
    """Indices of the views trained on."""
    test: tuple[int, ...]
    """Indices of the views held out; may be empty."""
    input_from_world: Float[Tensor, "4 4"] = field(default_factory=lambda: torch.eye(4))
    """Uniform scale and translation, no rotation."""
    up: Float[Tensor, "3"] = field(default_factory=lambda: torch.tensor([0.0, -1.0, 0.0]))
    """Unit vector against gravity, the same in world and input frame."""
    transparent: bool = False
    """The photos have an alpha channel: they show a thing cut out of its background."""
    depths: Mapping[int, DepthMap] = field(default_factory=dict)
    """Depth of some views by their index, in world units, where something but the model told it."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def extent(self) -> float:
        """Radius of the training cameras around their mean, at least a tenth of their median distance to the points.

        World units. It scales the learning rate of positions. Source: Kerbl et al. 2023, with a floor for tripods.
        """
        position = self.cameras[list(self.train)].position
        radius = float((position - position.mean(dim=0)).norm(dim=-1).max()) * 1.1
        if len(self.points) == 0:
            return max(radius, 1e-3)
        distance = (self.points.xyz.median(dim=0).values - position).norm(dim=-1).median()
        return max(radius, 0.1 * float(distance), 1e-6)


@dataclass(frozen=True)
class Gaussians:
    """3D Gaussians as trainers keep them and the 3DGS PLY stores them: before the activations."""

    means: Float[Tensor, "g 3"]
    quats: Float[Tensor, "g 4"]
    """wxyz, not necessarily unit."""
    log_scales: Float[Tensor, "g 3"]
    opacity_logits: Float[Tensor, "g"]
    sh: Float[Tensor, "g k 3"]
    """k = (degree + 1)^2; colour = 0.5 + sum of coefficient times basis, clamped at 0."""
    antialiased: bool = False
    """Trained with the 2D Mip filter: renderers must dilate by it and compensate the opacity."""

    def __len__(self) -> int:
        return len(self.means)

    @property
    def sh_degree(self) -> int:
        return int(self.sh.shape[1] ** 0.5) - 1


Pixels = Float[Tensor, "r 2"]
"""Image positions (x, y) in pixels."""


@dataclass(frozen=True)
class Batch:
    """What one step looks at: a whole image of one camera, or single pixels of many."""

    cameras: Cameras
    rgb: UInt8[Tensor, "*shape 3"]
    indices: tuple[int, ...]
    """Which views of the scene these are, for per-image parameters."""
    alpha: UInt8[Tensor, "*shape"] | None = None
    mask: UInt8[Tensor, "*shape"] | None = None
    pixels: Float[Tensor, "r 2"] | None = None
    """Where the pixels are; None for a whole image."""
    depth: DepthMap | None = None
    """What is known of a whole image's depth, in world units."""
    camera_of: Int[Tensor, "r"] | None = None
    """Which of `cameras` each pixel belongs to; `cameras` and `indices` have a batch dimension then."""


@dataclass(frozen=True)
class Render:
    """What a model answers."""

    rgb: Float[Tensor, "*shape 3"]
    alpha: Float[Tensor, "*shape"]
    depth: Float[Tensor, "*shape"] | None = None
    extras: dict[str, Tensor] = field(default_factory=dict)

    def over(self, background: Float[Tensor, "*#shape 3"]) -> Float[Tensor, "*shape 3"]:
        """The colour in front of a background."""
        return self.rgb + (1 - self.alpha)[..., None] * background

    def to(self, device: torch.device | str) -> Render:
        extras = {name: value.to(device) for name, value in self.extras.items()}
        depth = None if self.depth is None else self.depth.to(device)
        return Render(self.rgb.to(device), self.alpha.to(device), depth, extras)


@dataclass(frozen=True)
class Surface:
    """The surface that one camera sees: what meshes and depth maps are made of."""

    depth: Float[Tensor, "h w"]
    """Along the camera's z axis to where half of the light is taken; 0 where more than half gets through."""
    normal: Float[Tensor, "h w 3"]
    """Unit vectors towards the camera, in its axes; 0 where there is no surface."""

    def to(self, device: torch.device | str) -> Surface:
        return Surface(self.depth.to(device), self.normal.to(device))


@dataclass(frozen=True)
class StepReport:
    """What a step tells the world. Tensors stay where they are until somebody reads them."""

    step: int
    losses: dict[str, Tensor]
    counts: dict[str, int] = field(default_factory=dict)
    size: str = ""
    """What the model has become, in words."""


@dataclass(frozen=True)
class ViewScore:
    name: str
    psnr: float
    ssim: float


@dataclass(frozen=True)
class Metrics:
    """How good renders of held-out photos are: means over photos, and each photo."""

    psnr: float
    ssim: float
    views: tuple[ViewScore, ...]
    seconds_per_frame: float
    lpips: float | None = None


# --- The protocols ----------------------------------------------------------------------------------------------------


@runtime_checkable
class Renderer(Protocol):
    """Anything that can show itself: viewer, evaluation, mesh and video export ask for no more."""

    def render(self, cameras: Cameras, pixels: Tensor | None = None) -> Render:
        """Image of one camera (no batch dimension), or of `pixels [r 2]` of it."""
        ...


@runtime_checkable
class SurfaceRenderer(Renderer, Protocol):
    """A renderer that knows its surfaces better than the mean depth of `render` says."""

    def surface(self, camera: Cameras) -> Surface:
        """What one camera (no batch dimension) sees first."""
        ...


@runtime_checkable
class Optimizer(Protocol):
    """The part of `torch.optim.Optimizer` that the trainer needs."""

    def zero_grad(self, set_to_none: bool = True) -> None: ...
    def step(self) -> object: ...
    def state_dict(self) -> dict: ...
    def load_state_dict(self, state_dict: dict) -> None: ...


@runtime_checkable
class Model(Renderer, Protocol):
    """What the trainer needs on top."""

    sampling: Literal["images", "pixels"]

    def train_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Forward, loss, backward and parameter update for one batch; the weighted loss terms."""
        ...

    def after_step(self, step: int) -> None:
        """Density control, schedules: whatever happens between two steps."""
        ...

    def size(self) -> str:
        """How large it has become, a number and a word: "100,000 Gaussians"."""
        ...

    def counts(self) -> dict[str, int]: ...
    def state_dict(self) -> dict[str, Tensor]: ...
    def load_state_dict(self, state: dict[str, Tensor]) -> None: ...


@runtime_checkable
class TakesPixels(Protocol):
    """A model with `sampling = "pixels"`."""

    @property
    def pixels_per_step(self) -> int:
        """Pixels that its next batch should hold."""
        ...


@runtime_checkable
class HasGaussians(Protocol):
    """What can be shown and kept as splats."""

    def gaussians(self) -> Gaussians: ...


@runtime_checkable
class HasDensity(Protocol):
    """What is a cloud of matter: a surface is where its density passes a threshold."""

    def density(self, points: Float[Tensor, "p 3"]) -> Float[Tensor, "p"]:
        """Opacity gathered per world unit at these places of the world."""
        ...

    @property
    def surface_density(self) -> float:
        """A density that separates inside from outside well."""
        ...

    @property
    def bounds(self) -> Float[Tensor, "2 3"]:
        """Lowest and highest corner of the box of the world that is worth looking at for surfaces."""
        ...
