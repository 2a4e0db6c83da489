"""Films: what a row of cameras sees, as H.264."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from recon.export.views import Progress, render_picture
from recon.io.disk import whole
from recon.types import Cameras, Renderer

__all__ = ["write_video"]


def write_video(
    model: Renderer, cameras: Cameras, path: Path, *, fps: int, background: Float[Tensor, "3"], progress: Progress
) -> None:
    """H.264 in yuv420p, which every player and browser shows. Image sides have to be even."""
    import av

    fast = {"movflags": "faststart"}
    with whole(path) as unfinished, av.open(str(unfinished), "w", format="mp4", options=fast) as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "medium"})
        stream.width, stream.height = int(cameras.width[0]), int(cameras.height[0])
        stream.pix_fmt = "yuv420p"
        for done in range(len(cameras)):
            progress(done / len(cameras), f"frame {done + 1} of {len(cameras)}")
            picture = render_picture(model, cameras[done], background)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.numpy(), format="rgb24")))
        container.mux(stream.encode())
