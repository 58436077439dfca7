"""Weights travel: .npz and .safetensors under the names of state_dict, whole or not at all; older files stay
readable; PyTorch's outputs agree."""

import doctest
import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from minigrad import Tensor
from models import MLP, FileError, Module
from models.files import save_tree

PAGE = Path(__file__).parents[2] / "docs" / "weights.md"
FORMATS = [
    ".npz",
    pytest.param(
        ".safetensors",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("safetensors") is None, reason="safetensors is not installed"
        ),
    ),
    ".mg",
]
each_format = pytest.mark.parametrize("suffix", FORMATS)


class Odd(Module):
    """Parameters of many dtypes and shapes; one is called as an argument of np.savez is."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.file = Tensor(rng.normal(size=(2, 3)).T.astype(np.float32), requires_grad=True)
        self.zero = Tensor(rng.normal(), requires_grad=True)
        self.half = [Tensor(rng.normal(size=3).astype(np.float16), requires_grad=True)]
        self.empty = Tensor(np.zeros((0, 2)))


def arrays(model):
    return [(p.dtype, p.tolist()) for p in model.state_dict().values()]


@each_format
def test_what_is_saved_is_loaded(suffix, tmp_path):
    model, other = Odd(0), Odd(1)
    model.save(tmp_path / f"m{suffix}")
    assert arrays(other) != arrays(model)
    assert other.load(tmp_path / f"m{suffix}") is other
    assert arrays(other) == arrays(model)
    assert [p.name for p in tmp_path.iterdir()] == [f"m{suffix}"]


def test_other_programs_read_the_files(tmp_path):
    model = Odd()
    model.save(tmp_path / "m.NPZ")
    with np.load(tmp_path / "m.NPZ") as file:
        assert list(file) == ["file", "zero", "half.0", "empty"]
        assert [(a.dtype, a.tolist()) for a in file.values()] == arrays(model)
    safetensors = pytest.importorskip("safetensors.numpy")
    model.save(tmp_path / "m.safetensors")
    read = safetensors.load_file(tmp_path / "m.safetensors")
    assert {name: a.tolist() for name, a in read.items()} == {
        name: a.tolist() for name, a in model.state_dict().items()
    }


def test_files_that_other_programs_wrote_are_read(tmp_path):
    state = MLP((2, 3, 1), rng=0).state_dict()
    np.savez_compressed(tmp_path / "m.npz", **state)
    found = MLP((2, 3, 1)).load(tmp_path / "m.npz")
    np.testing.assert_array_equal(found.layers[0].weight.data, state["layers.0.weight"])


@pytest.mark.parametrize("name", ["m.mg", "m", "m.npz", "m.safetensors"])
def test_a_file_of_our_own_format_may_have_any_name(name, tmp_path):
    model = MLP((2, 3, 1), rng=3)
    save_tree(tmp_path / name, {"parameters": model.state_dict()})  # as every version before wrote it
    assert arrays(MLP((2, 3, 1)).load(tmp_path / name)) == arrays(model)


@each_format
def test_a_damaged_file_changes_nothing(suffix, tmp_path):
    path = tmp_path / f"m{suffix}"
    MLP((2, 3, 1), rng=0).save(path)
    raw = path.read_bytes()
    other = MLP((2, 3, 1), rng=1)
    before = arrays(other)
    for cut in (raw[:-1], raw[: len(raw) // 2], raw[:8], b"", b"text"):
        path.write_bytes(cut)
        with pytest.raises(FileError, match=r"truncated, damaged"):
            other.load(path)
    assert arrays(other) == before


def test_an_npz_with_pickles_is_refused(tmp_path):
    np.savez(tmp_path / "m.npz", **{"w": np.array([{"a": 1}])})
    with pytest.raises(FileError, match=r"MLP\.load"):
        MLP((2, 1)).load(tmp_path / "m.npz")


@each_format
def test_another_structure_is_refused(suffix, tmp_path):
    MLP((2, 3, 1)).save(tmp_path / f"m{suffix}")
    with pytest.raises(ValueError, match=r"'layers\.0\.weight' needs shape \(2, 4\), got \(2, 3\)"):
        MLP((2, 4, 1)).load(tmp_path / f"m{suffix}")


def test_what_safetensors_cannot_hold_is_told_and_the_older_file_stays(tmp_path):
    pytest.importorskip("safetensors")
    model = Module()
    model.w = Tensor(np.ones(2, np.longdouble))
    (tmp_path / "m.safetensors").write_text("older")
    with pytest.raises(TypeError, match=r"Module\.save: safetensors cannot hold .*128"):
        model.save(tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").read_text() == "older"


def test_without_the_package_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    for call in (MLP((2, 1)).save, MLP((2, 1)).load):
        (tmp_path / "m.safetensors").write_bytes(b"{}")
        with pytest.raises(ImportError, match=r'MLP\.(save|load) needs .* pip install -e "\.\[weights\]"'):
            call(tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").read_bytes() == b"{}"


@pytest.mark.oracle
def test_the_page_with_torch(tmp_path):
    """Everything on the page runs, its blocks with PyTorch too, for which the examples before them stand."""
    torch = pytest.importorskip("torch")
    text = PAGE.read_text(encoding="utf-8")
    block, other_layers = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    examples = doctest.DocTestParser().get_examples(text.split("```python")[0])
    names = {}
    exec("\n".join(e.source for e in examples), names)
    exec(block, names)
    net, x = names["net"], torch.from_numpy(np.random.default_rng(0).normal(size=(50, 4)))
    ours = MLP((4, 8, 3), "tanh")
    ours.load_state_dict(names["from_torch"](dict(net.state_dict())))
    np.testing.assert_allclose(ours(x.numpy()).data, net(x).detach().numpy(), rtol=0, atol=1e-12)
    exec(other_layers, names)


@pytest.mark.oracle
def test_torch_reads_and_writes_our_safetensors(tmp_path):
    theirs = pytest.importorskip("safetensors.torch")
    torch = pytest.importorskip("torch")
    layer = MLP((4, 3), rng=0)
    layer.save(tmp_path / "m.safetensors")
    read = theirs.load_file(tmp_path / "m.safetensors")
    x = np.random.default_rng(0).normal(size=(5, 4))
    out = torch.from_numpy(x) @ read["layers.0.weight"] + read["layers.0.bias"]
    np.testing.assert_allclose(layer(x).data, out.numpy(), rtol=0, atol=1e-12)
    theirs.save_file({name: p + 1 for name, p in read.items()}, tmp_path / "n.safetensors")
    again = MLP((4, 3)).load(tmp_path / "n.safetensors")
    np.testing.assert_array_equal(again.layers[0].bias.data, read["layers.0.bias"].numpy() + 1)
