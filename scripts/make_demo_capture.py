"""Make `datasets/studio` (the demo photos) and `datasets/studio_truth` from the rendered scene in $RECON_DATA/studio.

The photos are what a camera would have left: JPEGs in shooting order with an EXIF focal length and no poses, so that
the demo goes through real structure from motion. The truth lies in a folder of its own, for tests.

    RECON_DATA=../shared/data python scripts/make_demo_capture.py
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from recon.datasets import data_root

QUALITY = 80  # 72 photos in just under 4 MB; colour at full resolution serves the splats better than a higher quality
SENSOR_MM = 36.0  # a full-frame sensor is 36 mm wide
DEPTH_VIEWS = 4
RING_EDGES = (22.0, 39.0)  # degrees of elevation between the three rings the camera went round
TABLE = np.array([0.0, 0.0, 0.86])  # what the camera looks at: the middle of the table top, metres


@dataclass(frozen=True)
class Shot:
    """One rendered view of the source scene."""

    file: Path
    depth: Path
    cam_from_world: np.ndarray

    @property
    def place(self) -> tuple[int, float]:
        """Ring of the orbit, lowest first, and the angle around it: the order in which the photos were taken."""
        x, y, z = -self.cam_from_world[:3, :3].T @ self.cam_from_world[:3, 3] - TABLE
        elevation = math.degrees(math.atan2(z, math.hypot(x, y)))
        return sum(elevation > edge for edge in RING_EDGES), math.degrees(math.atan2(y, x)) % 360


def main() -> None:
    source = data_root() / "studio"
    repository = Path(__file__).resolve().parent.parent
    photos, truth = repository / "datasets" / "studio", repository / "datasets" / "studio_truth"
    photos.mkdir(exist_ok=True)
    truth.mkdir(exist_ok=True)

    transforms = json.loads((source / "transforms.json").read_text())
    shots = sorted(_shots(source, transforms["frames"]), key=lambda shot: shot.place)
    names = [f"studio_{index:03d}.jpg" for index in range(1, len(shots) + 1)]
    for name, shot in zip(names, shots, strict=True):
        _write_photo(shot.file, photos / name, focal=transforms["fl_x"])

    poses = {
        "about": "Exact cameras of datasets/studio: axes +x right, +y down, +z forward; metres; the world's z is up.",
        "width": transforms["w"],
        "height": transforms["h"],
        "focal": transforms["fl_x"],
        "center": [transforms["cx"], transforms["cy"]],
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in poses.items()]
    rows = [
        f"  {json.dumps(name)}: {json.dumps(s.cam_from_world.round(9).tolist())}"
        for name, s in zip(names, shots, strict=True)
    ]
    lines.append(' "cam_from_world": {\n' + ",\n".join(rows) + "\n }")
    (truth / "poses.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")

    measured = [(name, shot) for name, shot in zip(names, shots, strict=True) if shot.depth.exists()]
    chosen = [measured[round(at)] for at in np.linspace(0, len(measured) - 1, DEPTH_VIEWS)]
    depths = {Path(name).stem: np.load(shot.depth)["depth"] for name, shot in chosen}
    np.savez_compressed(truth / "depth.npz", **depths)

    size = sum(file.stat().st_size for file in photos.iterdir())
    print(f"{len(names)} photos, {size / 1e6:.2f} MB, in {photos}; depth of {', '.join(depths)} in {truth}")


def _shots(source: Path, frames: list[dict]) -> list[Shot]:
    shots = []
    for frame in frames:
        world_from_cam = np.array(frame["transform_matrix"]) @ np.diag([1.0, -1.0, -1.0, 1.0])  # OpenGL to our axes
        split, stem = Path(frame["file_path"]).parent.name, Path(frame["file_path"]).stem
        depth = source / "depth" / f"{split}_{stem}.npz"
        shots.append(Shot(source / frame["file_path"], depth, np.linalg.inv(world_from_cam)))
    return shots


def _write_photo(source: Path, target: Path, focal: float) -> None:
    """A JPEG whose EXIF gives the focal length twice: in whole 35 mm equivalents, and exactly by the sensor's pitch."""
    picture = Image.open(source).convert("RGB")
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "recon", "studio", 1  # Make, Model, Orientation: upright
    exif[0x8298] = "Copyright the recon authors, Apache-2.0"
    camera = exif.get_ifd(0x8769)
    millimetres = focal / picture.width * SENSOR_MM
    camera[0x920A] = IFDRational(round(millimetres * 1e6), 10**6)  # FocalLength, mm
    camera[0xA405] = round(millimetres)  # FocalLengthIn35mmFilm, whole mm
    pitch = IFDRational(round(picture.width * 10), round(SENSOR_MM))
    camera[0xA20E], camera[0xA20F], camera[0xA210] = pitch, pitch, 3  # FocalPlaneX/YResolution, pixels per centimetre
    camera[0xA002], camera[0xA003] = picture.size
    picture.save(target, quality=QUALITY, subsampling=0, progressive=True, exif=exif)


if __name__ == "__main__":
    main()
