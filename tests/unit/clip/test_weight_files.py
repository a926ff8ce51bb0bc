"""Reading weights files: archives, state dicts, and everything that is neither."""

import pickle
import warnings
import zipfile
from functools import partial

import pytest
import torch

import clip
from clip.archive import archived_tensors, is_archive
from tests.support import weight_files


@pytest.fixture(scope="module")
def half_state(small_state):
    """As the public files hold them: what CLIP rounds is half, the rest float32."""
    return clip.build_model(small_state, precision="fp16").state_dict()


@pytest.fixture(scope="module", params=["traced", "scripted"])
def archive(request, half_state, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "ViT.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript's own: deprecated, tracing
        return weight_files.save_archive(path, half_state, traced=request.param == "traced")


def assert_same(loaded, expected):
    assert loaded.keys() == expected.keys()
    for name, tensor in expected.items():
        assert loaded[name].dtype == tensor.dtype, name
        assert torch.equal(loaded[name], tensor), name


refusal = partial(weight_files.refusal, clip.load_state_dict)


def test_archives_are_read_as_torch_would(archive, half_state):
    assert_same(clip.load_state_dict(str(archive)), half_state)


def test_archives_are_read_without_torchscript(archive, monkeypatch):
    def forbidden(*_args, **_kwargs):
        raise AssertionError("torch.jit.load was called")

    monkeypatch.setattr(torch.jit, "load", forbidden)
    model, _ = clip.load(str(archive), device="cpu")
    assert model.encode_text(clip.tokenize("a cat")).shape == (1, 32)


def test_resnet_archives_keep_their_buffers(small_resnet_state, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = weight_files.save_archive(tmp_path / "RN.pt", small_resnet_state)
    assert_same(clip.load_state_dict(str(path)), small_resnet_state)


def test_an_archive_that_names_a_program_is_refused(archive, tmp_path):
    marker = tmp_path / "was_run"
    path = weight_files.with_command(archive, tmp_path / "evil.pt", marker)
    refusal(path, "names posix.system", "nothing in the file was run", "state_dict()")
    assert not marker.exists()


@pytest.mark.parametrize("name", ["builtins.eval", "torch.load", "torch._utils._rebuild_parameter"])
def test_only_listed_names_are_looked_up(archive, tmp_path, name):
    module, _, attribute = name.rpartition(".")
    program = f"c{module}\n{attribute}\n.".encode()
    path = weight_files.repacked(
        archive, tmp_path / "evil.pt", lambda n, c: program if n.endswith("/data.pkl") else c
    )
    refusal(path, f"names {name}", "nothing in the file was run")


def tensor_program(size: str, stride: str, offset: int = 0) -> bytes:
    """A tree whose only attribute is a tensor over four floats."""
    return (
        "c__torch__.M\nM\n)\x81}(Vw\nctorch._utils\n_rebuild_tensor_v2\n"
        "((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI4\ntQ"
        f"I{offset}\n({size}t({stride}tI00\n(dtRub."
    ).encode("latin-1")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (tensor_program("I5\n", "I1\n"), "beyond its data"),
        (tensor_program("I2\n", "I1\n", offset=3), "beyond its data"),
        (tensor_program("I2\n", "I-1\n", offset=3), "beyond its data"),
        (tensor_program("I9\n", "I0\n"), "repeats its data"),
    ],
)
def test_tensors_that_leave_their_data_are_refused(tmp_path, program, message):
    path = tmp_path / "tree.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/data.pkl", program)
        file.writestr("a/constants.pkl", pickle.dumps((), protocol=2))
        file.writestr("a/data/0", torch.arange(4.0).numpy().tobytes())
    refusal(path, message)


def test_tensor_views_are_read_with_their_strides(tmp_path):
    with zipfile.ZipFile(tmp_path / "tree.pt", "w") as file:
        file.writestr("a/data.pkl", tensor_program("I2\nI2\n", "I1\nI2\n"))
        file.writestr("a/constants.pkl", b"")
        file.writestr("a/data/0", torch.arange(4.0).numpy().tobytes())
    with zipfile.ZipFile(tmp_path / "tree.pt") as file:
        assert is_archive(file)
        tensors = archived_tensors(file)
        assert tensors.keys() == {"w"}
        assert torch.equal(tensors["w"].read(), torch.tensor([[0.0, 2.0], [1.0, 3.0]]))


def test_a_damaged_archive_is_named(archive, tmp_path):
    def drop_last_bytes(name, content):
        return content[:-8] if name.endswith("/data/0") else content

    refusal(
        weight_files.repacked(archive, tmp_path / "short.pt", drop_last_bytes), "tensor data 0 has"
    )
    whole = bytearray(archive.read_bytes())
    start = whole.index(b"data/0") + 200
    whole[start : start + 4] = bytes(255 - byte for byte in whole[start : start + 4])
    (tmp_path / "flipped.pt").write_bytes(whole)
    refusal(tmp_path / "flipped.pt", "the archive is damaged", "download or copy it again")


@pytest.mark.parametrize("kept", [0, 1, 3000, 0.5, 0.999])
def test_a_file_cut_short_is_named(archive, tmp_path, kept):
    whole = archive.read_bytes()
    size = int(len(whole) * kept) if isinstance(kept, float) else kept
    path = tmp_path / "cut.pt"
    path.write_bytes(whole[:size])
    if size != 1:
        refusal(path, "cut short; download or copy it again")
    else:
        refusal(path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before 1.6"])
def test_plain_state_dicts(small_state, tmp_path, zipped):
    path = tmp_path / "plain.pt"
    torch.save(small_state, path, _use_new_zipfile_serialization=zipped)
    assert_same(clip.load_state_dict(str(path)), small_state)


def test_wrapped_and_prefixed_state_dicts(small_state, tmp_path):
    prefixed = {f"module.{name}": tensor for name, tensor in small_state.items()}
    torch.save({"epoch": 4, "state_dict": prefixed}, tmp_path / "wrapped.pt")
    assert_same(clip.load_state_dict(str(tmp_path / "wrapped.pt")), small_state)


def test_a_compact_file_is_restored(small_state, tmp_path):
    ids = torch.tensor([5, 49407])
    rows = small_state["token_embedding.weight"][ids]
    compact = {**small_state, "token_embedding.ids": ids, "token_embedding.weight": rows}
    torch.save(compact, tmp_path / "compact.pt")
    loaded = clip.load_state_dict(str(tmp_path / "compact.pt"))
    assert loaded.keys() == small_state.keys()
    assert torch.equal(loaded["token_embedding.weight"][ids], rows)
    assert int((loaded["token_embedding.weight"] != 0).any(dim=1).sum()) == 2


def test_a_state_dict_that_runs_a_program_is_refused(small_state, tmp_path):
    marker = tmp_path / "was_run"
    torch.save({**small_state, "x": weight_files.RunsACommand(marker)}, tmp_path / "evil.pt")
    refusal(
        tmp_path / "evil.pt",
        "not a plain state dict (it names posix.system); nothing in the file was run",
    )
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"weights of a model\n", b"\x80\x02}q\x00.", bytes(1000)])
def test_a_file_of_another_kind_is_named(tmp_path, content):
    (tmp_path / "notes.pt").write_bytes(content)
    refusal(tmp_path / "notes.pt")


def test_a_zip_of_another_kind_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as file:
        file.writestr("cat.jpg", b"...")
    refusal(tmp_path / "pictures.zip", "cannot be read", "download or copy it again")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ({"fc.weight": torch.zeros(2)}, ["not a CLIP", "missing"]),
        (torch.zeros(3), ["holds a Tensor, not a state dict"]),
        ([1, 2], ["holds a list, not a state dict"]),
    ],
)
def test_tensors_that_are_no_clip_are_named(tmp_path, content, parts):
    torch.save(content, tmp_path / "other.pt")
    refusal(tmp_path / "other.pt", *parts)


def test_an_incomplete_clip_is_named(small_state, tmp_path):
    del (state := dict(small_state))["ln_final.bias"]
    torch.save(state, tmp_path / "partial.pt")
    refusal(tmp_path / "partial.pt", "missing ln_final.bias", "whole CLIP model")


def test_an_unreadable_file_is_named(small_state, tmp_path, monkeypatch):
    path = tmp_path / "locked.pt"
    torch.save({}, path)

    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("zipfile.is_zipfile", denied)
    refusal(path, "cannot be read: Permission denied; check its permissions")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("ViT-B/15", ["no such file or model name; did you mean ViT-B/16?", "RN50x64"]),
        ("vit-l-14", ["did you mean ViT-L/14?"]),
        ("rn50", ["did you mean RN50?"]),
        (
            "weights/of/nobody.pt",
            ["no such file or model name; give a weights file or one of RN50"],
        ),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(name, parts):
    refusal(name, *parts)


def test_a_folder_is_named(tmp_path):
    refusal(tmp_path, "is a folder")


def test_load_gives_model_and_transform(small_state, tmp_path):
    from PIL import Image

    torch.save(small_state, tmp_path / "small.pt")
    model, preprocess = clip.load(str(tmp_path / "small.pt"), device="cpu")
    assert model.dtype == torch.float32
    pixels = preprocess(Image.new("L", (30, 20), 128))
    assert model.encode_image(pixels[None]).shape == (1, 32)


def test_jit_is_refused():
    with pytest.raises(clip.ClipError, match=r"jit=True.*use jit=False"):
        clip.load("ViT-B/16", jit=True)


def test_kept_weights_serve_until_the_file_changes(half_state, tmp_path, monkeypatch):
    monkeypatch.setattr(clip.weights, "_kept", {})
    path = tmp_path / "weights.pt"
    torch.save(half_state, path)
    clip.keep_state_dict(str(path))
    monkeypatch.setattr(clip.weights, "opened", lambda path: pytest.fail("read again"))
    assert_same(clip.load_state_dict(str(path)), half_state)
    monkeypatch.undo()
    other = {name: tensor + 1 for name, tensor in half_state.items()}
    torch.save(other, path)
    assert_same(clip.load_state_dict(str(path)), other)


def test_weights_that_are_not_there_are_kept_from_nowhere(tmp_path, monkeypatch):
    monkeypatch.setattr(clip.weights, "_kept", {})
    monkeypatch.setattr(clip.weights, "DEFAULT_ROOT", str(tmp_path))
    clip.keep_state_dict("ViT-B/16")  # a download is the run's business
    assert clip.weights._kept == {}
