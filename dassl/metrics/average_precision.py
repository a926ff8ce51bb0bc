"""Average precision of label rows."""

import torch


def compute_accuracy_map(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Micro average precision in percent, over the entries of all rows together.

    AP = sum over ranks n of (R_n - R_(n-1)) P_n, entries in descending order of score, equal scores
    as one rank: scikit-learn's `average_precision_score`. SoftCPT shows it while it trains.

    Args:
        output: scores `[B, C]`, the softmax inside each image's task.
        target: label rows `[B, C]`: 1 the class, 0 another one of the task, -1 left out.

    Returns:
        A scalar on the device of `output`, which is not waited for; 0 where no entry is 1.
    """
    truth = target.flatten()
    # left out entries go to the end, where they are neither right nor counted before another one
    scores = output.flatten().masked_fill(truth == -1, -torch.inf)
    descending, order = scores.sort(descending=True)
    right = truth[order] == 1
    negated = -descending
    rank = torch.searchsorted(negated, negated, right=True)  # entries with at least this score
    precision = right.cumsum(0)[rank - 1].double() / rank  # counts: exact in any order on a GPU
    return 100 * (right * precision).sum() / right.sum().clamp(min=1)
