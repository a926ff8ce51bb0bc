"""What tests read again and again, kept on disk: decoded crops, image features, digests of files.

A room of its own because runs fill it (`dassl/`, `trainers/parts/`) and the runner shows and
empties it; it knows nothing of what a row means, loads no torch, and imports nothing of the
project.

    <folder>/store/limit                       bytes that it may take, where somebody has said so
    <folder>/store/<kind>/<key>/about.json     what the entry is; its time is that of the last use
    <folder>/store/<kind>/<key>/000007.npy     part 7: rows 7 * step and on, each with its CRC-32
    <folder>/store/<kind>/<key>/000007.claim   who is making it: "<host> <process> <its start>"

A part is written under another name, synchronised and renamed, so that it is there whole or not at
all, on a shared folder too. Claims only save work: where one is lost, two make the same part.
"""

from image_store.folder import Store, activate, active, default_folder
from image_store.sharing import left_over, shared_order

__all__ = ["Store", "activate", "active", "default_folder", "left_over", "shared_order"]
