"""Helpers of the engine, imported on first use: only those that need torch import it."""

from dassl.utils.lazy import lazy_exports

_EXPORTS = {
    "dassl.utils.errors": ["UserError"],
    "dassl.utils.files": [
        "atomic_write",
        "check_isfile",
        "download_url",
        "listdir_nohidden",
        "mkdir_if_missing",
        "read_image",
        "read_json",
        "write_json",
    ],
    "dassl.utils.logger": ["Logger", "log_to_stdout", "setup_logger"],
    "dassl.utils.meters": ["AverageMeter", "MetricMeter"],
    "dassl.utils.registry": ["Registry"],
    "dassl.utils.tools": [
        "check_availability",
        "collect_env_info",
        "get_most_similar_str_to_a_from_b",
        "set_random_seed",
        "tolist_if_not",
    ],
    "dassl.utils.torchtools": [
        "count_num_param",
        "init_network_weights",
        "load_checkpoint",
        "load_pretrained_weights",
        "open_all_layers",
        "open_specified_layers",
        "resume_from_checkpoint",
        "save_checkpoint",
    ],
}
__all__, __getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
