"""recon: photos or a phone video in, a 3D scene to orbit and keep out."""

__version__ = "0.1.0"
__all__ = ["__version__"]
