"""MMRL++: MMRL whose maps share a weight, and whose tokens keep a part of what they replace
(arXiv:2505.10088)."""

from torch import nn

from trainers.mmrl import MMRL, MMRLModel
from trainers.parts.mmrl_settings import TASK, common_options
from trainers.parts.options import Option, Options
from trainers.parts.register import register_method
from trainers.parts.representation import LowRankHead, SharedRepresentations


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
            **common_options(),
            BETA=Option(0.9, "b, share of later tokens in what they replace", minimum=0, maximum=1),
            PROJ_LORA_DIM=Option(64, "q, rank of the update of the projection", minimum=1),
            RES_LORA_DIM=Option(4, "rank of each block's part of the maps", minimum=1),
        ),
    )
    precision_key = "TRAINER.MMRLpp.PREC"
