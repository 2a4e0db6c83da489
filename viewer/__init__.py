"""The live viewer: a page on this machine that shows anything that can render, while it trains and afterwards."""

from recon.viewer.viewer import Viewer, serve_forever

__all__ = ["Viewer", "serve_forever"]
