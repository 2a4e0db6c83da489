"""What each training step looks at: one photo after the other, small ones first, or random pixels of all of them."""

from recon.sampling.photos import Sampler
from recon.sampling.pixels import PixelSampler
from recon.sampling.shrinking import shrink

__all__ = ["PixelSampler", "Sampler", "shrink"]
