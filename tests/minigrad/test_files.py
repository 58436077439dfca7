"""Every way to write a file says in our words why it cannot, and leaves nothing half-written."""

import numpy as np
import pytest

import models
import optim
from minigrad import Tensor, draw
from minigrad.files import write_whole
from optim import figures


def drawing():
    return draw(Tensor(2.0, requires_grad=True) ** 2)


def page():
    return optim.lab(lambda w: w**2, [optim.SGD], start=1.0)


def table():
    return optim.sweep(lambda lr: {"loss": lr}, {"lr": [0.1]}, progress=False)


def fitted(path):
    model = models.MLP((2, 2), rng=0)
    data = np.ones((4, 2)), np.zeros(4, int)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    models.fit(model, optimizer, models.cross_entropy, data, epochs=1, checkpoint=path, progress=False)


def moving(path):
    return figures.save_gif(path, {"a": np.ones((3, 2))}, lambda ax: None)


WRITERS = {
    **{suffix: (lambda path: drawing().save(path), "Drawing.save(path)")
       for suffix in ("svg", "html", "dot", "gv", "mmd", "json", "png", "pdf")},
    "lab.html": (lambda path: page().save(path), "Lab.save(path)"),
    "csv": (lambda path: table().save(path), "Sweep.save(path)"),
    "gif": (moving, "save_gif(file)"),
    "npz": (lambda path: models.MLP((2, 2), rng=0).save(path), "MLP.save"),
    "weights": (lambda path: models.MLP((2, 2), rng=0).save(path), "MLP.save"),
    "checkpoint": (fitted, "fit(checkpoint=...)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRITERS)
def test_a_path_that_cannot_be_written_is_refused_in_our_words(kind, tmp_path):
    if kind in ("png", "pdf", "gif"):
        pytest.importorskip("matplotlib")
    write, call = WRITERS[kind]
    with pytest.raises(FileNotFoundError) as caught:
        write(tmp_path / "missing" / f"x.{kind}")
    assert str(caught.value).startswith(f"`{call}`: ")
    assert "there is no folder" in str(caught.value)
    assert "Make it first." in str(caught.value)
    folder = tmp_path / f"x.{kind}"
    folder.mkdir()
    with pytest.raises(OSError, match="is a directory or device") as other:
        write(folder)
    assert str(other.value).startswith(f"`{call}`: ")
    folder.rmdir()
    write(folder)
    assert [path.name for path in tmp_path.iterdir()] == [f"x.{kind}"]


def test_what_the_system_refuses_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match=r"`save\(path\)`: .* cannot be written: .*give another name"):
        write_whole("save(path)", tmp_path / ("x" * 300), b"body")
    assert not list(tmp_path.iterdir())


def test_a_recording_says_that_its_folder_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    w = Tensor(1.0, requires_grad=True)
    with pytest.raises(ValueError, match=r"`optim.record\(folder\)` must be a folder to write into"):
        optim.record(optim.SGD([w], lr=0.1), tmp_path / "file" / "run").__enter__()
