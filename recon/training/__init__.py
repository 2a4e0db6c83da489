"""Training, without any idea of who watches."""

from recon.training.clock import Clock, PausableClock
from recon.training.config import TrainConfig
from recon.training.loop import train
from recon.training.schedule import progress_of, resolution_at
from recon.training.state import TrainState

__all__ = ["Clock", "PausableClock", "TrainConfig", "TrainState", "progress_of", "resolution_at", "train"]
