"""Tasks and settings of the small SoftCPT runs."""

TASKS = {
    "animals": ["red fox", "blue jay"],
    "cars": ["sports car"],
    "plants": ["tulip", "corn"],
}
OTHER = {"animals": ["eagle"], "cars": ["city bus"], "plants": ["rose", "oak", "fern"]}
NODE, HARD = "TRAINER.MTCOOP", "TRAINER.MTCOOPH"
SMALL = {"N_CTX": 3, "TASK_N_CTX": 2, "CLASS_N_CTX": 2}


def words(node, values):
    return [word for key, value in values.items() for word in (f"{node}.{key}", value)]
