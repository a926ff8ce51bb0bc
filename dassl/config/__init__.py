"""The configuration tree (yacs). Importing this package does not import PyTorch."""

from dassl.config.defaults import clean_cfg, get_cfg_default
from dassl.config.digest import config_sha256
from dassl.config.merge import all_keys, merge_checked, nearest_key

__all__ = [
    "all_keys",
    "clean_cfg",
    "config_sha256",
    "get_cfg_default",
    "merge_checked",
    "nearest_key",
]
