"""CLIP-Adapter: one residual adapter on the image feature (arXiv:2110.04544).

B images, C classes, D joint width.
"""

from torch import Tensor, nn

from trainers.parts.options import Option, Options
from trainers.parts.precision import PRECISIONS
from trainers.parts.register import register_method
from trainers.parts.trainer import PromptTrainer
from trainers.zsclip import ZeroshotModel

REDUCTION = 4  # D -> D / 4 -> D

CLIP_ADAPTER_OPTIONS = Options(
    "TRAINER.CLIP_ADAPTER",
    RATIO=Option(0.2, "share of the adapter's output in the image feature", minimum=0, maximum=1),
    PREC=Option("fp16", "precision; published as TRAINER.PREC", PRECISIONS),
)


class Adapter(nn.Module):
    """A(x) = relu(relu(x W1^T) W2^T) for x [B, D], W1 [D/4, D], W2 [D, D/4], without biases."""

    def __init__(self, width: int):
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(width, width // REDUCTION, bias=False),
            nn.ReLU(),
            nn.Linear(width // REDUCTION, width, bias=False),
            nn.ReLU(),  # so the adapter can only raise a channel
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


class CLIPAdapterModel(ZeroshotModel):
    """f' = r A(f) + (1 - r) f, r = RATIO; logits = s cos(f', u_c), u_c of zero-shot CLIP."""

    def build(self) -> None:
        adapter = Adapter(self.clip.visual.output_dim)
        self.adapter = adapter.to(self.clip.logit_scale.device, self.precision.trained_dtype)

    def adapt_image(self, image_features: Tensor) -> Tensor:
        ratio = self.cfg.TRAINER.CLIP_ADAPTER.RATIO
        return ratio * self.adapter(image_features) + (1 - ratio) * image_features


@register_method(dept=True, aliases=("OriginCLIPAdapter",))
class CLIPAdapter(PromptTrainer):
    """Trains the adapter alone."""

    model_class = CLIPAdapterModel
    options = (CLIP_ADAPTER_OPTIONS,)
    precision_key = "TRAINER.CLIP_ADAPTER.PREC"
    checkpoint = {"learnable_params": ""}  # noqa: RUF012
