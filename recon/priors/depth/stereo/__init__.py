"""Depth from photos posed in space, without learned weights: PatchMatch, then what photos agree on."""

from recon.priors.depth.stereo.prior import StereoDepth

__all__ = ["StereoDepth"]
