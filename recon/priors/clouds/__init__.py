"""What a cloud of points is a cloud of: PointNet and PointNet++, their training, and objects in reconstructions."""

from recon.priors.clouds.choosing import cloud_classifier
from recon.priors.clouds.classifier import UNKNOWN, Classification, CloudClassifier

__all__ = ["UNKNOWN", "Classification", "CloudClassifier", "cloud_classifier"]
