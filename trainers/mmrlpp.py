"""MMRL++: MMRL whose maps share a weight, and whose tokens keep a part of what they replace
(arXiv:2505.10088).

D joint width, V vision width, q rank.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from yacs.config import CfgNode

from trainers.mmrl import MMRL, MMRLModel
from trainers.parts.mmrl_settings import TASK, representation_options, weights_of
from trainers.parts.options import Option, Options
from trainers.parts.register import register_method
from trainers.parts.representation import SharedRepresentations, low_rank_pair


class LowRankHead(nn.Module):
    """P_r = proj + `A` `B`, proj [V, D] of frozen CLIP, A [V, q], B [q, D]."""

    def __init__(self, width: int, dim: int, rank: int):
        super().__init__()
        self.A, self.B = low_rank_pair(width, dim, rank)

    def forward(self, frozen: Tensor) -> Tensor:
        return frozen.to(self.A.dtype) + self.A @ self.B


class MMRLppModel(MMRLModel):
    """MMRL with map_i(R) = R (S + A_i B_i)^T + c_i, one S a tower; before the later blocks of
    REP_LAYERS b t_i + (1 - b) x comes in the place of x, b = BETA; P_r = proj + A B."""

    node = "MMRLpp"

    @property
    def share(self) -> float:
        return self.options.BETA

    def representations(self, *sizes: int) -> nn.Module:
        return SharedRepresentations(*sizes, rank=self.options.RES_LORA_DIM)

    def head(self) -> nn.Module:
        visual = self.clip.visual
        return LowRankHead(visual.width, visual.output_dim, self.options.PROJ_LORA_DIM)


@register_method(dept=True)
class MMRLpp(MMRL):
    """Trains the tokens, their maps, and the low-rank part of their projection."""

    model_class = MMRLppModel
    options = (
        TASK,
        Options(
            "TRAINER.MMRLpp",
            **representation_options(),
            BETA=Option(0.9, "b, share of later tokens in what they replace", minimum=0, maximum=1),
            PROJ_LORA_DIM=Option(64, "q, rank of the update of the projection", minimum=1),
            RES_LORA_DIM=Option(4, "rank of each block's part of the maps", minimum=1),
        ),
    )
    precision_key = "TRAINER.MMRLpp.PREC"

    @classmethod
    def dataset_values(cls, cfg: CfgNode) -> Mapping[str, Any]:
        return weights_of("MMRLpp", cfg)
