"""Rows of test_published_settings for the methods that change towers.

Sources: htyao89/Textual-based_Class-aware_prompt_tuning (TCP), ZjjConan/Multi-Modal-Adapter,
yunncheng/MMRL, MaxZanella/CLIP-LoRA.
"""

IMAGENET = {"imagenet"}
CROSS = {
    *("caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101", "fgvc_aircraft"),
    *("sun397", "dtd", "eurosat", "ucf101"),
}
ELEVEN = CROSS | IMAGENET
JOINT = {"general10", "plant6", "fashion20"}
FEW = (1, 2, 4, 8, 16)
TCP, SHORT = "TCP/vit_b16_ep100_ctxv1", {"imagenet", "sun397"}


def mmrl(names, folder, epochs):
    """Rows of yunncheng/MMRL: its YAMLs, the epochs of few-shot, and its TASK."""
    return [
        (names, "b2n", (16,), CROSS, f"{folder}/vit_b16", 10, ""),
        (names, "b2n", (16,), IMAGENET, f"{folder}/vit_b16_imagenet", 5, ""),
        (names, "xd", (16,), IMAGENET, f"{folder}/vit_b16_cross_datasets", 1, "TASK CD"),
        (names, "fs", FEW, CROSS, f"{folder}/vit_b16_few_shot", epochs, "TASK FS"),
        (names, "fs", FEW, IMAGENET, f"{folder}/vit_b16_imagenet", 5, "TASK FS"),
        (names, "mt", (16,), JOINT, f"{folder}/vit_b16_few_shot", epochs, "TASK FS"),
    ]


TOWERS = [
    # TCP: base-to-new; on ImageNet and SUN397, and so from ImageNet, 25 epochs. Few-shot is ours.
    ("tcp tcp_dept", "b2n", (16,), ELEVEN - SHORT, TCP, 50, ""),
    ("tcp tcp_dept", "b2n", (16,), SHORT, TCP, 50, "OPTIM.MAX_EPOCH 25"),
    ("tcp tcp_dept", "xd", (16,), IMAGENET, TCP, 50, "OPTIM.MAX_EPOCH 25"),
    ("tcp tcp_dept", "fs", FEW, ELEVEN - SHORT, TCP, 50, ""),
    ("tcp tcp_dept", "fs", FEW, SHORT, TCP, 50, "OPTIM.MAX_EPOCH 25"),
    ("tcp tcp_dept", "mt", (16,), JOINT, TCP, 50, ""),
    # MMA: base-to-new and cross-dataset. Few-shot is ours.
    ("mma mma_dept", "b2n", (16,), CROSS, "MMA/vit_b16_ep5", 5, ""),
    ("mma mma_dept", "b2n", (16,), IMAGENET, "MMA/vit_b16_ep5_imnet", 5, ""),
    ("mma mma_dept", "xd", (16,), IMAGENET, "MMA/vit_b16_ep5_imnet", 5, ""),
    ("mma mma_dept", "fs", FEW, CROSS, "MMA/vit_b16_ep5", 5, ""),
    ("mma mma_dept", "fs", FEW, IMAGENET, "MMA/vit_b16_ep5_imnet", 5, ""),
    ("mma mma_dept", "mt", (16,), JOINT, "MMA/vit_b16_ep5", 5, ""),
    # MMRL and MMRL++; DePT is ours.
    *mmrl("mmrl mmrl_dept", "MMRL", 50),
    *mmrl("mmrlpp mmrlpp_dept", "MMRLpp", 100),
    # CLIP-LoRA: few-shot, by iterations; the other modes are ours.
    ("clip_lora clip_lora_dept", "b2n", (16,), ELEVEN, "CLIPLoRA/vit_b16", 1, ""),
    ("clip_lora clip_lora_dept", "xd", (16,), IMAGENET, "CLIPLoRA/vit_b16", 1, ""),
    ("clip_lora clip_lora_dept", "fs", FEW, ELEVEN, "CLIPLoRA/vit_b16", 1, ""),
    ("clip_lora clip_lora_dept", "mt", (16,), JOINT, "CLIPLoRA/vit_b16", 1, ""),
]
