"""Few shots of a dataset: drawn, or those of a draw that a file keeps.

A draw needs no file: (split file, shots, seed) fix it. But `split_fewshot/shot_K-seed_S.pkl` of
another repository is honoured, since published numbers belong to its images; so is
`split_fewshot_mt/` of SoftCPT's, which knows tasks. Ours is `split_fewshot/shot_K-seed_S.json`.

draw: the draw itself. files: where kept draws lie. pickles, json_files: how they are read. fit:
whether one belongs to the lists of now. choice: which of them a run takes.
"""
