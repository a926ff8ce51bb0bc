"""Stands for train.py in the runner's tests: same command line and files, no torch.

STUB_RULES is a JSON list of rules; the first whose `match` stands in the output folder's path
holds: seconds (sleep), ends (wait until so many runs have ended), file (wait until it is there),
patience (seconds that ends and file are waited for, 30), exit (code, after printing `says`), fails
(only the first so many times), ignore_term, child (start a process that sleeps), no_result,
accuracy, val_accuracy, split_note, task_split_notes (dataset -> note), record (more keys of
result.json). With --save-predictions it leaves measures.json too.
With STUB_SERVES it takes --serve as train.py does.
STUB_LOG takes a JSON line per start and end of a run. Datasets of TASKS leave a metric per task.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TASKS = {
    "demo_suite": ("demo_shapes", "demo_textures", "demo_digits"),
    "general10": ("dtd", "eurosat"),
    "fashion20": (None, None),
}


def note(event: str, out: str) -> None:
    names = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "OMP_NUM_THREADS")
    line = {
        "event": event,
        "out": out,
        "time": time.time(),
        "pid": os.getpid(),
        **{name: os.environ.get(name) for name in names},
    }
    if log := os.environ.get("STUB_LOG"):
        with open(log, "a") as file:
            file.write(json.dumps(line) + "\n")


def earlier_starts(out: str) -> int:
    lines = map(json.loads, Path(os.environ["STUB_LOG"]).read_text().splitlines())
    return sum(line["event"] == "start" and line["out"] == out for line in lines) - 1


def wait(rule: dict) -> None:
    time.sleep(rule.get("seconds", 0))
    deadline = time.monotonic() + rule.get("patience", 30)
    while time.monotonic() < deadline:
        ends = Path(os.environ["STUB_LOG"]).read_text().count('"end"')
        if ends >= rule.get("ends", 0) and Path(rule.get("file", ".")).exists():
            return
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return pid != os.getpid() and state != "Z"


def serve(descriptor: int) -> list[str] | None:
    import socket

    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    from dassl.utils.serving import JobServer

    return JobServer(socket.socket(fileno=descriptor), lambda argv: None).serve()


def read_words(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for flag in ("root", "trainer", "dataset-config-file", "config-file", "output-dir", "job-key"):
        parser.add_argument(f"--{flag}")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--model-dir")
    parser.add_argument("--load-epoch", type=int)
    parser.add_argument("--eval-only", action="store_true")
    parser.add_argument("--save-predictions", action="store_true")
    parser.add_argument("opts", nargs=argparse.REMAINDER)
    return parser.parse_args(argv)


def work(rule: dict, out: Path) -> None:
    """Be there for as long as the rule says."""
    if rule.get("ignore_term"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if rule.get("child"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        (out / "child.pid").write_text(str(child.pid))
    holder = out / "stub.pid"
    if holder.exists() and alive(int(holder.read_text() or 0)):
        note("collision", str(out))
    holder.write_text(str(os.getpid()))
    note("start", str(out))
    wait(rule)
    note("end", str(out))
    holder.unlink(missing_ok=True)


def leave_result(args: argparse.Namespace, rule: dict, out: Path) -> None:
    options = dict(zip(args.opts[::2], args.opts[1::2], strict=True))
    base = options["DATASET.SUBSAMPLE_CLASSES"] == "base"
    accuracy = rule.get("accuracy", (70.0 if base else 60.0) + args.seed + 0.04)
    own = rule.get("task_split_notes", {})
    tasks = [
        {
            **{"id": i, "name": f"task {i}", "dataset": name, "total": 9},
            **{"metric": accuracy + 2 * i - 1, "split_note": own.get(name)},
        }
        for i, name in enumerate(TASKS.get(Path(args.dataset_config_file).stem, ()))
    ]
    content = {"format": 1, "accuracy": accuracy, "tasks": tasks or None}
    content["split_note"] = rule.get("split_note")
    if options.get("TEST.VALIDATE_AT_END") == "True" and not args.eval_only:
        content["val_accuracy"] = rule.get("val_accuracy", 80.0 + args.seed)
    if args.save_predictions:
        halves = {"base_accuracy": 50.0 + args.seed, "new_accuracy": 30.0 + args.seed}
        ood = {"msp": {"auroc": 75.0, "fpr95": 50.0}}
        bins = {"counts": [5, 3], "confidence": [0.4, 0.9], "accuracy": [0.5, 1.0]}
        measures = {"measures": {"nll": 0.5, "ece": 0.05}, "reliability": bins}
        measures["base_and_new"] = {**halves, "ood": ood}
        (out / "measures.json").write_text(json.dumps({"tasks": [measures]}))
    text = json.dumps({**content, **rule.get("record", {}), "job_key": args.job_key})
    (out / "result.json.new").write_text(text)
    (out / "result.json.new").replace(out / "result.json")  # whole or not at all


def main(argv: list[str] | None = None) -> int:
    if argv is None and "--serve" in sys.argv and os.environ.get("STUB_SERVES"):
        words = serve(int(sys.argv[-1]))
        return 0 if words is None else main(words)
    args = read_words(argv)
    out = Path(args.output_dir)
    out.mkdir(parents=True, exist_ok=True)
    (out / "result.json").unlink(missing_ok=True)
    rules = json.loads(os.environ.get("STUB_RULES", "[]"))
    rule = next((rule for rule in rules if rule["match"] in str(out)), {})
    work(rule, out)
    if "exit" in rule and earlier_starts(str(out)) < rule.get("fails", 1000):
        print(rule.get("says", "broken"), file=sys.stderr)
        return int(rule["exit"])
    model = Path(args.model_dir or ".")
    if args.model_dir and not [*model.glob("result.json"), *model.glob("*/model.pth.tar*")]:
        print("no model", file=sys.stderr)
        return 1
    if not rule.get("no_result"):
        leave_result(args, rule, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
