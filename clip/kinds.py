"""What a file holds that is no CLIP: told from the names of its tensors."""

import re
from collections.abc import Collection, Mapping

# The first entry of which a tensor's name holds the pattern, whole parts only, names the file.
KINDS = (
    (r"lora_[AB](\.\w+)*|lora_(up|down)\.weight", "a LoRA adapter; merge it into its CLIP first"),
    (r"Qformer\..*|qformer\..*|query_tokens", "a BLIP-2"),
    (r"text_decoder\.(bert|cls)\..*|visual_encoder\.blocks\..*", "a BLIP"),
    (r"text_decoder\..*", "a CoCa"),
    (r"vision_model\.encoder\.blocks\.\d+\.depthwise_conv\..*", "an ALIGN"),
    (r"vision_model\.encoder\.blocks\..*", "an ALIGN"),
    (r"vision_model\.head\.probe|text_model\.head\.weight", "a SigLIP"),
    (r"visual\.trunk\.attn_pool\..*|text\.text_projection\.bias", "a SigLIP"),
    (r"logit_bias", "a model trained with SigLIP's loss"),
    (r"visual\.trunk\..*", "an open_clip model with a timm image tower"),
    (r"visual\.(blocks|patch_embed)\..*", "an EVA-CLIP"),
    (r"text\.transformer\.(embeddings|encoder|shared)\..*", "an open_clip model with a text tower "
     "of Hugging Face"),
    (r"text_model\.(roberta|embeddings\.word_embeddings|encoder\.layer)\b.*", "an AltCLIP or "
     "Chinese CLIP"),
    (r"(cond_stage|first_stage)_model\..*|model\.diffusion_model\..*", "a Stable Diffusion"),
    (r"(image_encoder|prompt_encoder)\..*|mask_decoder\..*", "no CLIP"),
    (r"(cls_token|pos_embed|patch_embed\.proj\.weight)", "an image transformer without texts"),
    (r"layer4\.\d+\.conv\d\.weight", "an image ResNet without texts"),
    (r"(embeddings\.)?word_embeddings\.weight|wte\.weight", "a language model"),
)  # fmt: skip
TEXT_ONLY = re.compile(r"(^|\.)token_embedding\.weight$")
IMAGE_ONLY = re.compile(r"(^|\.)(vision_model\.embeddings\.|visual\.|class_embedding$)")
# Tensors of prompt learners, and what engines save beside the tensors of a training.
LEARNED = re.compile(r"(^|\.)(prompt_learner|ctx|meta_net|compound_prompts_\w+|VPT)(\.|$)|VPT")
TRAINING = ("optimizer", "scheduler", "val_result")

REMEDY = (
    "give a CLIP in OpenAI's, open_clip's or Hugging Face's layout, or with the name of its model "
    "and tag in open_clip: open_clip:<model>/<tag>@FILE"
)


def checkpoint_of_a_trainer(content: Mapping, names: Collection[str]) -> str | None:
    """What to say of a checkpoint that a trainer of prompts or adapters saved; None for others."""
    learned = [name for name in names if LEARNED.search(name)]
    saved = isinstance(content.get("state_dict"), Mapping) and "epoch" in content
    has_text = any(TEXT_ONLY.search(name) for name in names)
    if not learned and not (saved and not has_text and any(key in content for key in TRAINING)):
        return None
    shown = some(learned or sorted(names)) or "no tensor"
    return (
        f"a trainer's checkpoint ({shown}), not a CLIP: give its folder with --model-dir and name "
        "the CLIP that it was trained on"
    )


def other_kind(names: Collection[str]) -> str | None:
    """What to say of tensors that make up another model, or half a CLIP; None where unknown."""
    for pattern, kind in KINDS:
        whole = re.compile(rf"(?:.*\.)?(?:{pattern})")
        found = next((name for name in names if whole.fullmatch(name)), None)
        if found:
            return f"{kind} ({found}), not a CLIP; {REMEDY}"
    text = any(TEXT_ONLY.search(name) for name in names)
    image = any(IMAGE_ONLY.search(name) for name in names)
    if text != image:
        has, lacks = ("text", "image") if text else ("image", "text")
        return f"only the {has} tower of a CLIP; its {lacks} tower is needed too: {REMEDY}"
    return None


def some(names: Collection[str], shown: int = 3) -> str:
    """The first names, and how many more there are."""
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(list(names)[:shown]) + rest
