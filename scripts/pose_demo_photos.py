"""Write the demo photos' exact poses as a transforms.json, for machines that cannot find them: no pycolmap there.

python scripts/pose_demo_photos.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from recon.datasets import demo_capture, demo_truth


def main(folder: Path) -> None:
    truth = json.loads((demo_truth() / "poses.json").read_text())
    opengl_from_ours = np.diag([1.0, -1.0, -1.0, 1.0])  # cameras there look along -z with +y up
    frames = [
        {
            "file_path": str(demo_capture() / name),
            "transform_matrix": (np.linalg.inv(matrix) @ opengl_from_ours).tolist(),
        }
        for name, matrix in truth["cam_from_world"].items()
    ]
    lens = {"fl_x": truth["focal"], "fl_y": truth["focal"], "cx": truth["center"][0], "cy": truth["center"][1]}
    folder.mkdir(parents=True, exist_ok=True)
    described = {"camera_model": "PINHOLE", "w": truth["width"], "h": truth["height"], **lens, "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(described))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
