"""The live viewer: a page on this machine that shows anything that can render, while it trains and afterwards."""

from recon.viewer.viewer import Viewer

__all__ = ["Viewer"]
