"""SoftCPT: a meta network makes each task's prompt context from the task's name (arXiv:2208.13474).

T tasks, C classes, K classes of a step, n context tokens, D joint width, W text width.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from yacs.config import CfgNode

from dassl.utils.errors import UserError
from trainers.parts.classes import ClassSpace
from trainers.parts.model import Batch, Features
from trainers.parts.owned_contexts import OwnedContextsModel, Owners
from trainers.parts.register import register_method
from trainers.parts.softcpt_options import MTCOOP_OPTIONS, NODE, combination_problems
from trainers.parts.task_prompts import Layout, NameContext, NamePrompts, PromptGenerator, only_task
from trainers.parts.task_training import MultiTaskTrainer, step_classes
from trainers.parts.trained_parts import Children

NOT_COMPUTED = 1e-6  # quirk: what `map` sees in the place of classes that were not drawn


class SoftCPTModel(OwnedContextsModel):
    """w_k = E([S; name_k]), S = u_t(k) proj, u_t = E([task context; name of task t]); E is the text
    tower. With CSC, S_k = [v_k, u_t(k)] proj, v_k = E([class context; name_k]).

    logits = s cos(f, w); the loss is the cross-entropy inside each image's own task.
    """

    reads_by_read_image = True

    def build(self) -> None:
        options, text, dtype = self.cfg.TRAINER.MTCOOP, self.clip.text, self.precision.trained_dtype
        self.tasks = self.space.tasks or (only_task(self.cfg.DATASET.NAME, len(self.space)),)
        layouts = {kind: Layout.of(options, NODE, kind) for kind in ("", "TASK_", "CLASS_")}
        self.prompt_learner = NamePrompts(text, layouts[""])
        num_own = len(self.tasks) if options.TASK_CSC else None
        self.task_prompt_learner = NameContext(text, layouts["TASK_"], num_own, dtype)
        self.class_prompt_learner = None
        if options.CSC:
            num_own = len(self.space) if options.CLASS_CSC else None
            self.class_prompt_learner = NameContext(text, layouts["CLASS_"], num_own, dtype)
            self.class_prompt_learner.requires_grad_(not options.FREEZE_CLS_PROMPT)
        dim = self.clip.visual.output_dim
        self.prompt_gen = PromptGenerator(
            options.PG_TYPE, dim, options.N_CTX, text.width, conditional=options.CSC
        )

    def set_classes(self, space: ClassSpace) -> None:
        super().set_classes(space)
        self.task_prompt_learner.set_classes(ClassSpace(tuple(task.name for task in self.tasks)))
        if self.class_prompt_learner is not None:
            self.class_prompt_learner.set_classes(space)

    def owned_contexts(self) -> list[Owners]:
        owners = [
            Owners(f"{NODE}.TASK_CSC", "tasks", "task_prompt_learner.ctx"),
            Owners(f"{NODE}.CLASS_CSC", "classes", "class_prompt_learner.ctx"),
        ]
        stacked = {name for name, tensor in self.named_parameters() if tensor.dim() == 3}
        return [o for o in owners if o.prefix in stacked]

    def class_features(self, chosen: Sequence[int]) -> Tensor:
        """Raw text features [K, D] of K classes of the joint label space."""
        task_of_class = self.space.task_of_class()
        own = [task_of_class[c] for c in chosen]
        present = sorted(set(own))
        tasks, classes = self.on_device(present), self.on_device(chosen)
        group = self.on_device([present.index(task) for task in own])
        task = self.encode_text(self.task_prompt_learner(tasks))
        if self.class_prompt_learner is None:
            contexts = self.prompt_gen(task)  # one stream a task
            return self.encode_text(self.prompt_learner.prompts(contexts, group, classes))
        own = self.encode_text(self.class_prompt_learner(classes))
        contexts = self.prompt_gen(task[group], own)  # [K, n, W]
        return self.encode_text(self.prompt_learner.prompts(contexts, names=classes))

    def text_features(self, image_features: Tensor, batch: Batch | None) -> Tensor:
        return self.class_features(range(len(self.space)))

    def on_device(self, places: Sequence[int]) -> Tensor:
        """Places as a tensor on the device of the run, which is not waited for."""
        return torch.tensor(places).to(self.task_of_class.device, non_blocking=True)

    def features(self, image: Tensor, batch: Batch | None = None) -> Features:
        """As the base's; a training step computes text features of its tasks' classes only, or of
        those drawn."""
        if batch is None:
            return super().features(image)
        rate = self.cfg.TRAINER.MTCOOP.CLS_SAMPLE_RATE
        chosen = step_classes(batch.labels_on_host(), self.tasks, rate)
        classes, columns = self.on_device(chosen), torch.zeros_like(self.task_of_class).bool()
        columns = columns.index_fill(0, classes, True)
        computed = self.precision.feature(self.class_features(chosen))
        text = computed.new_full((len(columns), computed.shape[1]), NOT_COMPUTED)
        text = text.index_copy(0, classes, computed + NOT_COMPUTED if rate else computed)
        image_features, states = self.image_features(image)
        return Features(image_features, text, columns, states)


@register_method(aliases=("MTCoOp",), dept=True, dept_aliases=("ExtrasLinearProbeMTCoOp",))
class SoftCPT(MultiTaskTrainer):
    """Trains the contexts of task and class names and the meta network."""

    model_class = SoftCPTModel
    options = (MTCOOP_OPTIONS,)
    precision_key = f"{NODE}.PREC"

    def check_cfg(self, cfg: CfgNode) -> None:
        super().check_cfg(cfg)
        if problems := combination_problems(cfg.TRAINER.MTCOOP):
            raise UserError(problems)

    def checkpoint_folders(self) -> Mapping[str, Children]:
        """The published folders; `prompt_learner` holds nothing, and the published code asks for
        it."""
        names = ["prompt_learner", "task_prompt_learner", "prompt_gen"]
        if self.cfg.TRAINER.MTCOOP.CSC:
            names.insert(1, "class_prompt_learner")
        return {name: name for name in names}

    def step_repeat(self) -> int:
        options = self.cfg.TRAINER.MTCOOP
        trains_class = options.CSC and not options.FREEZE_CLS_PROMPT
        return options.STEP_REPEAT if options.STEP_REPEAT > 0 else 3 + trains_class
