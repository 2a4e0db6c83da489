"""Boxes of things on the viewer's page, and where `recon view` takes them from."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from blobs import blob_scene

from recon.cli import view
from recon.errors import InputError
from recon.priors.clouds.classifier import Classification
from recon.priors.clouds.found import FILE, FoundObject
from recon.priors.clouds.objects import Box
from recon.viewer.boxes import LabelledBox, draw_boxes, edges_of

TURNED = np.array([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
BOX = Box(np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.0, 2.0]), TURNED)


def test_a_box_has_twelve_edges_as_long_as_its_sides() -> None:
    edges = edges_of(LabelledBox(BOX.corners, "chair", (1, 2, 3)))
    lengths = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)
    np.testing.assert_allclose(np.sort(lengths), np.repeat([0.5, 1.0, 2.0], 4))
    np.testing.assert_allclose(edges.reshape(-1, 3).mean(axis=0), BOX.center)


def test_boxes_are_drawn_with_their_names_on_top() -> None:
    drawn: list[tuple[str, dict[str, Any]]] = []

    class Scene:
        def __getattr__(self, what: str) -> Any:
            return lambda name, *rest, **more: drawn.append((what, {"name": name, "rest": rest, **more}))

    class Folder:
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    tick = SimpleNamespace(on_update=lambda function: function)
    gui = SimpleNamespace(add_folder=lambda *_, **__: Folder(), add_checkbox=lambda *_, **__: tick)
    boxes = [LabelledBox(BOX.corners, "chair 94 %", (255, 0, 0))]
    draw_boxes(SimpleNamespace(scene=Scene(), gui=gui), boxes, up=np.array([0.0, 0.0, 1.0]))
    kinds = {kind: said for kind, said in drawn}
    assert kinds["add_line_segments"]["points"].shape == (12, 2, 3)
    assert kinds["add_label"]["rest"] == ("chair 94 %",)
    assert kinds["add_label"]["position"] == pytest.approx((1, 2, 4))


def test_view_takes_the_boxes_of_a_run_into_its_world(tmp_path: Path) -> None:
    from dataclasses import replace

    input_from_world = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0]))
    input_from_world[:3, 3] = torch.tensor([10.0, 0.0, 0.0])
    scene = replace(blob_scene(), input_from_world=input_from_world)
    thing = FoundObject(BOX, 500, Classification("chair", 0.94, {"chair": 0.94, "sofa": 0.06}))
    (tmp_path / "objects").mkdir()
    said = tmp_path / "objects" / FILE
    said.write_text(json.dumps({"objects": [thing.described()]}))
    (box,) = view._boxes(tmp_path, scene)
    assert box.text == "chair 94 %"
    np.testing.assert_allclose(box.corners.mean(axis=0), (-4.5, 1.0, 1.5))
    np.testing.assert_allclose(np.ptp(box.corners[:, 2]), 1.0)
    said.write_text("{}")
    with pytest.raises(InputError, match="holds no objects"):
        view._boxes(tmp_path, scene)


def test_a_run_without_objects_has_no_boxes(tmp_path: Path) -> None:
    assert view._boxes(tmp_path, blob_scene()) == []
