"""The engine: registries, configuration, data, training loop, optimizers, evaluation, checkpoints.

The API is that of the public Dassl engine (github.com/KaiyangZhou/Dassl.pytorch, version 0.6.3), so
trainer and dataset files written for it run here. Importing this package does not import PyTorch.
"""

from dassl.utils.logger import log_to_stdout

__version__ = "0.6.3"  # the public engine whose API this is

log_to_stdout("dassl")
