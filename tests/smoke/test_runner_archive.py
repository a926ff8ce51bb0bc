"""parallel_runner.py --weights with the real train.py: an archive made of own checkpoints, stripped
to what published files hold, scores as the training it came from."""

import torch

WORDS = ("--cfg", "coop", "--mode", "fs", "--seeds", "1")


def test_an_archive_is_scored_and_what_it_lacks_is_named(demo, rows, own_lab):
    own = own_lab / "outputs/demo/coop/train_all/CoOp/demo_digits/shots1/demo/seed1"
    trained = torch.load(own / "prompt_learner/model.pth.tar-1", weights_only=True)
    target = own_lab / "zoo/demo_digits/1shot/seed1/prompt_learner/model.pth.tar-50"
    target.parent.mkdir(parents=True)
    buffers = {"token_prefix": torch.zeros(10, 1, 128), "token_suffix": torch.zeros(10, 72, 128)}
    state = {**trained["state_dict"], **buffers}
    torch.save({"state_dict": state, "epoch": 50, "optimizer": {}, "scheduler": {}}, target)

    done = demo(own_lab, *WORDS, "--datasets", "demo_digits,demo_shapes", "--weights", "zoo")
    assert "1 job: 0 done, 1 to run" in done.stdout
    assert "left out: coop demo_shapes shots1 seed1 test all (no checkpoint in zoo/" in done.stderr
    assert "not there: coop demo_shapes shots1 seed1 test all" in done.stdout
    digits, shapes = rows(own_lab, "fs-CoOp-weights-zoo.csv")[:2]
    assert digits == rows(own_lab, "fs-CoOp.csv")[0]
    assert shapes == {"dataset": "demo_shapes", "shots1": ""}
    assert not (own_lab / "outputs/demo/coop/train_all/CoOp/demo_shapes").exists()
