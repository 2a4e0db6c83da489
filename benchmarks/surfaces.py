"""How good the surfaces of trained scenes are: depth and mesh against the truth, texture against the photos.

    RECON_DATA=... python benchmarks/surfaces.py studio RUN [--keep FOLDER]
    RECON_DATA=... python benchmarks/surfaces.py object RUN

RUN is a folder that recon train wrote from that scene of RECON_DATA, with the poses given.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from recon.cli.console import Console
from recon.cli.opening import TrainedRun, open_run
from recon.cli.surfacing import scene_to_mesh
from recon.datasets import data_root
from recon.export.meshes import texture_psnr
from recon.mesh.comparing import Shape, compare, default_threshold
from recon.mesh.config import MeshConfig
from recon.mesh.files import read_shape, write_mesh
from recon.mesh.making import dress, make_mesh
from recon.mesh.views import surface_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("scene", choices=["studio", "object"])
    parser.add_argument("run", type=Path)
    parser.add_argument("--faces", type=int, default=MeshConfig().faces)
    parser.add_argument("--depth", choices=["photos", "model"], default=MeshConfig().depth)
    parser.add_argument("--keep", type=Path, help="write the mesh here, as GLB")
    options = parser.parse_args()
    opened = open_run(options.run)
    folder = data_root() / options.scene
    for name in ("median", "mean"):
        print(f"{name} depth: {depth_errors(opened, folder, name)}", flush=True)
    started = time.process_time()
    config = MeshConfig(faces=options.faces, depth=options.depth)
    scene = scene_to_mesh(opened, config, Console(quiet=True))
    mesh = make_mesh(opened.model, scene, config, progress=lambda done, what: None)
    print(f"mesh: {len(mesh)} faces, {time.process_time() - started:.0f} s of CPU time", flush=True)
    truth, visible = read_shape(folder / "mesh_gt.ply"), read_shape(folder / "points_visible.ply")
    moved = mesh.moved(scene.input_from_world.double().numpy())
    threshold = default_threshold(visible)
    print(compare(Shape(moved.vertices, moved.faces), truth, threshold=threshold, visible=visible), flush=True)
    started = time.process_time()
    dressed = dress(opened.model, scene, mesh, largest=4096, photos=True, progress=lambda done, what: None)
    assert dressed.texture is not None
    height, width = dressed.texture.image.shape[:2]
    seconds = time.process_time() - started
    print(f"texture: {width}x{height}, {seconds:.0f} s of CPU time, {texture_psnr(dressed, scene):.2f} dB", flush=True)
    if options.keep is not None:
        up = scene.up.double().numpy()
        write_mesh(dressed.moved(scene.input_from_world.double().numpy()), options.keep, suffix=".glb", up=up)


def depth_errors(opened: TrainedRun, folder: Path, which: str) -> str:
    """Relative errors over all pixels of the held-out views that have depth in model and truth."""
    scene, errors = opened.scene, []
    for index in scene.test:
        name = scene.names[index]
        with np.load(folder / "depth" / f"{Path(name).parent.name}_{Path(name).stem}.npz") as file:
            truth = torch.from_numpy(file["depth"].astype(np.float32)) / scene.input_from_world[0, 0]
        camera = scene.cameras[index]
        depth = surface_of(opened.model, camera).depth if which == "median" else opened.model.render(camera).depth
        assert depth is not None
        known = (truth > 0) & (depth > 0)
        errors.append(((depth - truth).abs() / truth)[known])
    together = torch.cat(errors)
    within = float((together < 0.05).float().mean())
    return f"median relative error {float(together.median()):.4f}, {within:.1%} of pixels within 5 %"


if __name__ == "__main__":
    main()
