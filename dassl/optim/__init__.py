"""Optimizers and learning-rate schedules from the configuration."""

from dassl.optim.device_scaler import DeviceScaler
from dassl.optim.lr_scheduler import build_lr_scheduler
from dassl.optim.optimizer import build_optimizer

__all__ = ["DeviceScaler", "build_lr_scheduler", "build_optimizer"]
