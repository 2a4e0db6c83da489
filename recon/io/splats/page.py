"""`.html`, splats that show themselves: one page with SPZ inside it and a viewer in WebGL 2, for any browser.

It opens from the disk and asks no network for anything; its Content-Security-Policy forbids it. The viewer's parts lie
in `shown/`. Axes are OpenGL's, as those of SPZ.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import math
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np

from recon.io.disk import whole
from recon.io.splats.asset import SplatAsset
from recon.io.splats.damage import damaged, read_file
from recon.io.splats.look import Look, guessed_look
from recon.io.splats.spz import splats_of_spz, spz_bytes

__all__ = ["read_page", "write_page"]

_PARTS = Path(__file__).parent / "shown"
_PROGRAM = ("unpack.js", "sort.js", "draw.js", "orbit.js", "main.js")
_SPLATS = re.compile(rb'<script id="splats" type="application/x-spz;base64">([A-Za-z0-9+/=]*)</script>')
_MOST_UPRIGHT = math.radians(89)
_REACH = 0.6
"""Share of the first distance that what is turned around may be moved by."""


def read_page(path: Path) -> SplatAsset:
    """The splats of a page that recon wrote."""
    text = read_file(path)
    found = _SPLATS.search(text)
    if found is None or not text.endswith(b"</html>"):
        raise damaged(path, "it is no page of splats, or not all of it")
    try:
        data = base64.b64decode(found[1], validate=True)
    except binascii.Error as error:
        raise damaged(path, f"its splats are no base64 ({error})") from None
    return splats_of_spz(path, data)


def write_page(asset: SplatAsset, path: Path) -> None:
    """With the asset's look, or one that sees its middle; the axes are levelled by what it says is up."""
    level = asset.in_frame("opengl")
    look = guessed_look(level.gaussians, np.array([0.0, 1.0, 0.0])) if level.look is None else level.look
    data = spz_bytes(asset, path, version=3)  # gzip: what browsers unpack themselves
    parts = {
        "title": html.escape(look.title or "A scene", quote=True),
        "style": (_PARTS / "page.css").read_text(encoding="utf-8").strip(),
        "look": _settings(look).replace("<", "\\u003c"),  # nothing in it may end the element it lies in
        "splats": base64.b64encode(data).decode("ascii"),
        "program": "\n".join((_PARTS / name).read_text(encoding="utf-8").strip() for name in _PROGRAM),
    }
    page = (_PARTS / "page.html").read_text(encoding="utf-8").strip()
    page = re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], page)
    with whole(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8", errors="replace")


def _settings(look: Look) -> str:
    """What `orbit.js` reads. Straight up and straight down are left out: there, left and right lose their meaning."""
    values = asdict(look) | {
        "lowest": max(look.lowest, -_MOST_UPRIGHT),
        "highest": min(look.highest, _MOST_UPRIGHT),
        "nearest": max(look.nearest, 1e-3 * look.distance),
        "farthest": min(look.farthest, 1e3 * look.distance),
        "reach": _REACH * look.distance,
    }
    return json.dumps(values, allow_nan=False)
