"""`docs/speed.md`, and the table of ratios in the README, written from the stored results of the benchmarks.

    python -m benchmarks.page        write both; a test fails while they differ from `benchmarks/results/*.json`

The prose stands here with its numbers left open, so that a new run changes text and tables together.
Sentences with numbers that no stored run holds say where those numbers come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine, report

__all__ = ["main", "pages", "readme", "speed"]

ROOT = Path(__file__).parents[1]
README, SPEED = ROOT / "README.md", ROOT / "docs" / "speed.md"
NETS = ("2-16-16-1", "64-64-32-10", "784-256-128-10", "784-1024-1024-10")
BEGIN, END = (
    "<!-- written by python -m benchmarks.page -->\n",
    "<!-- end of the text by benchmarks.page -->\n",
)

OURS = {"minigrad, compiled": "**minigrad, compiled**", "minigrad": "**minigrad, eager**"}
FIRST_ORDER = OURS | {
    "NumPy by hand": "NumPy, written by hand",
    "NumPy, features first": "NumPy by hand, features first",
    "JAX": "JAX, `jit`",
    "PyTorch": "PyTorch, eager, fused Adam",
    "PyTorch, default": "PyTorch, eager, default Adam",
    "HIPS autograd": "HIPS autograd",
}
SECOND_ORDER = OURS | {
    "its gradient, compiled": "minigrad's own gradient, compiled",
    "JAX": "JAX, `jit`",
    "PyTorch": "PyTorch, double backward",
    "torch.func": "torch.func, jvp of grad",
    "HIPS autograd": "HIPS autograd",
}
TASKS = {
    "hessian 1-30-20-1": "Hessian, 1-30-20-1",
    "newton-cg logistic": "Newton-CG, logistic regression",
    "newton-cg mlp": "Newton-CG, MLP 2-10-1",
}
WHOLE = OURS | {
    "PyTorch": "PyTorch",
    "PyTorch, compiled": "PyTorch, `torch.compile`",
    "JAX": "JAX, `jit`",
    "tinygrad": "tinygrad",
    "MLX": "MLX",
}
CALLS = {"first call": "first call", "second call": "second call, beyond a replay"}
DRAWING = {
    "layout ms": "layout",
    "framed ms": "layout with module frames",
    "svg ms": "SVG text",
    "dot ms": "dot",
}
RUNS = {
    "training": "gradients and Adam steps",
    "second_order": "second order",
    "whole": "whole processes",
    "ops": "single functions",
    "recording": "recorded steps",
    "sweep": "a hundred trainings",
    "drawing": "drawing",
}
TRAININGS = {
    "short": "2-16-16-1, 200 steps",
    "long": "2-16-16-1, 10,000 steps",
    "digits": "digits, 30 epochs",
}


def main() -> None:
    for path, text in pages().items():
        changed = not path.exists() or path.read_text(encoding="utf-8") != text
        path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {'written' if changed else 'unchanged'}")


def pages() -> dict[Path, str]:
    """What both files have to hold, by path. The rest of the README is left as it is."""
    text = README.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md needs the lines {BEGIN!r} and {END!r} around the table of ratios.")
    return {README: before + begin + readme() + end + after, SPEED: speed()}


# Numbers of the stored runs


class Results:
    """The stored runs, asked by name. An error about a missing one names the command that measures it."""

    def __init__(self) -> None:
        self.runs = {name: report.load(name) for name in RUNS}

    def of(self, run: str, *keys: str) -> Any:
        found: Any = self.runs[run]
        for key in keys:
            if key not in found:
                raise LookupError(
                    f"benchmarks/results/{run}.json has no {' → '.join(keys)}: run `python -m "
                    f"benchmarks.{run}` to its end, with all peers installed (`pip install -e .[bench]`)."
                )
            found = found[key]
        return found

    def gradient(self, net: str, subject: str, how: str = "compiled") -> float:
        return float(self.of("training", "nets", net, "gradient", subject, how))

    def step(self, net: str, subject: str, how: str = "compiled") -> float:
        return float(self.of("training", "nets", net, "step", subject, how))

    def task(self, task: str, subject: str, how: str = "compiled") -> float:
        return float(self.of("second_order", "tasks", task, subject, how))

    def hv(self, net: str, subject: str, how: str = "compiled") -> float:
        return self.task(f"hv {net}", subject, how)


def readme() -> str:
    """The table of ratios, and where minigrad loses."""
    results = Results()
    kinds = (results.gradient, results.step, results.hv)
    rows = [
        [f"{title}: {label}", *(f"{ratio(net, subject):.2f}" for net in NETS)]
        for title, ratio in zip(("gradient", "Adam step", "Hessian product"), kinds, strict=True)
        for subject, label in (
            ("JAX", "JAX `jit`"),
            ("PyTorch", "PyTorch eager"),
            ("NumPy by hand", "NumPy by hand"),
        )
        if (ratio, subject) != (results.hv, "NumPy by hand")  # nobody has written that one by hand
    ]
    large = [(net, peer) for net in NETS[-2:] for peer in ("JAX", "PyTorch")]
    gradient, step, product = (max(ratio(net, peer) for net, peer in large) for ratio in kinds)
    hessian = results.task("hessian 1-30-20-1", "JAX")
    return (
        table(["time of compiled minigrad ÷ time of", *NETS], rows)
        + f"""
Below 1, minigrad is faster. It loses on the largest net, and Adam on both large ones, where NumPy's BLAS and its loops on one
core set the pace. Compared with JAX or PyTorch, a gradient takes up to {gradient:.2f} times as long there, an Adam step up to
{step:.2f} times, a Hessian product up to {product:.2f} times. A whole Hessian takes {hessian:.1f} times as long as JAX's.
"""
    )


def speed() -> str:
    """docs/speed.md."""
    results = Results()
    nets = {net: results.of("training", "nets", net) for net in NETS}
    products = {net: results.of("second_order", "tasks", f"hv {net}") for net in NETS}
    tasks = {title: results.of("second_order", "tasks", task) for task, title in TASKS.items()}
    runs = {title: results.of("whole", "tasks", task) for task, title in TRAININGS.items()}
    ratios = {
        title: {name: cell for name, cell in run.items() if name != "minigrad, compiled"}
        for title, run in runs.items()
    }
    numpy = results.of("whole", "tasks", "import", "import numpy", "ms ratio")
    mlx = results.of("whole", "tasks", "short", "MLX", "ms ratio")
    boxes = [
        [f"{int(n):,}", *(milliseconds(results.of("drawing", key, n)) for key in DRAWING)]
        for n in results.of("drawing", "layout ms")
    ]
    chains = " and ".join(
        f"{s:.1f} s for {int(n):,} operations" for n, s in results.of("drawing", "chain s").items()
    )
    ops, sweeps = results.of("ops", "ops"), results.of("sweep", "sweep")
    functions = [[name, *function_cells(ops, name)] for name in dict.fromkeys(n.split(", ")[0] for n in ops)]
    middle, large = NETS[-2:]
    peers = ("PyTorch", "JAX")
    gradients = {
        net: [results.gradient(net, peer) for peer in (*peers, "NumPy by hand")] for net in (middle, large)
    }
    (torch1, jax1, hand1), (torch2, jax2, hand2) = gradients.values()
    steps, eager = (
        span(results.step(net, peer, how) for net in (middle, large) for peer in peers)
        for how in ("compiled", "eager")
    )
    hessian, logistic = (
        results.task("hessian 1-30-20-1", "JAX"),
        results.task("newton-cg logistic", "minigrad"),
    )
    by_hand = span(results.step(net, "NumPy by hand", "compiled") for net in NETS[:2])
    product = span(results.hv(large, peer) for peer in peers)
    saved = 100 * (1 - 1 / results.gradient(NETS[0], "NumPy, features first"))
    return f"""\
<!-- Written by `python -m benchmarks.page` from benchmarks/results/*.json. Edit benchmarks/page.py, not this file. -->

# Speed

All subjects of a table compute the same numbers, and that is checked before anything is timed. Times are medians. Ratios are
the time of minigrad ÷ the time of the other, so **below 1 minigrad is faster**. They are medians, over paired rounds, of the
ratio within a round, so they need not equal the quotient of two medians. Trust the ratios more than the times: the machine
switches between two speeds that differ by a factor of 1.6.

*Compiled* means [`minigrad.compile`](replay.md), which replays a recorded graph. *Eager* means that each call records its
graph anew. The four nets have tanh layers of the given sizes, float32 parameters, and batches of 100, 64, 128 and 512 rows.
Every subject may use two threads. [Machines](#machines) names the hardware and the versions.

## A loss and all its gradients

{three({net: found["gradient"] for net, found in nets.items()}, FIRST_ORDER)}
"NumPy, written by hand" computes the same gradient without a library, in buffers that are made once. "Features first" also
stores a batch as (features, rows), a layout that no library gives its users.

## A whole Adam step

{three({net: found["step"] for net, found in nets.items()}, FIRST_ORDER)}
## A Hessian-vector product

The weights are fixed and the direction changes, as in conjugate gradients.

{three(products, SECOND_ORDER)}
## A whole Hessian, and Newton-CG from start to end

The Hessian has 701 rows. Newton-CG runs until the gradient has shrunk to 1e-8 of its first size. With HIPS autograd the method
is scipy's trust-ncg.

{three(tasks, SECOND_ORDER)}
## A whole process

These times go from the start of Python to the trained net, imports and compilers included. The digits are the real ones, on
64-64-32-10. [benchmarks/README.md](../benchmarks/README.md#whole-processes) says how the programs are made comparable.

Wall time in seconds:

{matrix(runs, WHOLE, lambda cell: f"{cell['ms'] / 1e3:.2f}")}
Time of compiled minigrad ÷ time of the row:

{matrix(ratios, WHOLE, lambda cell: f"{cell['ms ratio']:.2f}")}
Wall time of the first run in seconds. torch.compile, tinygrad and MLX call a compiler then, and keep its result on the disk:

{matrix(runs, WHOLE, lambda cell: f"{cell['first ms'] / 1e3:.2f}")}
Peak memory in MB:

{matrix(runs, WHOLE, lambda cell: f"{cell['mb']:.0f}")}
Memory of compiled minigrad ÷ memory of the row:

{matrix(ratios, WHOLE, lambda cell: f"{cell['mb ratio']:.2f}")}
`import minigrad` takes {numpy:.2f} times as long as `import numpy`.

## The first two calls of a compiled function

The first call records the graph twice and compares the two. The second call does the preparations for all later ones. They
cost as much as this many eager calls of the same gradient:

{table(["", *NETS], [[title, *(f"{found[key]:.0f}" for found in nets.values())] for key, title in CALLS.items()])}
## Where minigrad loses

- **Gradients of large nets.** Most of the time goes into matrix products of NumPy's BLAS: 83 and 87 % on the two large nets,
  by a profile that is not stored. Compared with PyTorch and JAX, a compiled gradient takes {torch1:.2f} and
  {jax1:.2f} times as long on {middle}, and {torch2:.2f} and {jax2:.2f} times as long on {large}. Compared with NumPy
  written by hand, it takes {hand1:.2f} and {hand2:.2f} times as long.
- **Adam on large nets.** PyTorch's fused Adam and JAX's pass over the weights once, on two cores. NumPy passes over them
  fourteen times, on one core. (A second thread would have to share its core with a thread of BLAS, which goes on waiting for
  work.) A compiled step takes {steps} times as long as theirs, an eager step {eager} times.
- **Adam on small nets** takes {by_hand} times as long as the same step written by hand in NumPy.
- **Hessian products of the largest net** take {product} times as long as with JAX and PyTorch.
- **A whole Hessian** takes {hessian:.1f} times as long as JAX's.
- **The smallest net** would save {saved:.0f} % of its time by storing features first.
- **Newton-CG on the logistic regression** takes {logistic:.1f} times as long compiled as eager, because one run asks for too
  few products to repay the capture.
- **MLX** starts faster than NumPy does, so it ends first where there is little to train: minigrad takes {mlx:.2f} times as long
  for 200 steps.

## Single functions

The value and the gradient of the sum of a function, by `value_and_grad` here and in HIPS autograd, and by `backward` in
PyTorch. Times are in µs, at 10 and at 10,000 elements; the other columns are the time of minigrad ÷ that of the peer:

{table(["function", "µs", "HIPS", "PyTorch", "µs", "HIPS", "PyTorch"], functions)}
On small arrays the time is that of Python code, ours and NumPy's. A norm of 10 numbers cannot take half of HIPS autograd's time
here: recording two nodes and pulling back, with NumPy's own calls, is that half. `solve` calls np.linalg.solve three times, as
HIPS does. On large arrays NumPy's loops take the time, where PyTorch has threads.

## Recorded steps, and many trainings

A compiled step of Adam, alone and recorded by `optim.record`: the least time in µs, and the ratio of the median step; of all steps,
with the files and checkpoints that some of them make:

{table(["net", "alone", "scalars", "tape"], recorded_cells(results))}
A hundred trainings of 2-16-16-2 on 200 points, 50 epochs in batches of 32, take {sweeps["serial"]["wall"]:.1f} s by
`optim.sweep` on one core, and {sweeps["processes"]["wall"]:.1f} s on two. With one epoch they take
{sweeps["serial, one epoch"]["wall"]:.1f} s, mostly to capture the losses.

## Drawing

A layout is computed in Python. Times are in milliseconds; `dot` is Graphviz, without the time of its start:

{table(["boxes", *DRAWING.values()], boxes)}
`draw(y).svg` of a chain takes {chains}.

## Machines

{machines(results)}

Ratios depend on the machine: on the cost of calling a NumPy function there, and on how well each BLAS knows the processor.
These observations are from single runs that are not stored:

- Five runs on the Xeon gave 0.65 to 0.83 for the compiled Hessian-vector product of 64-64-32-10 beside JAX. Two runs gave 0.56
  and 0.63 for its eager gradient beside PyTorch.
- On AMD EPYC, with an earlier version, the four nets gave these ratios:

| ratio | Zen 4 | Zen 3 |
| --- | --: | --: |
| gradient, compiled ÷ JAX | 0.33, 0.55, 0.80, 1.14 | 0.57, 0.95, 0.88, 1.07 |
| Adam step, compiled ÷ PyTorch | 0.13, 0.24, 0.93, 0.95 | 0.19, 0.32, 0.99, 1.02 |
| gradient, eager ÷ PyTorch | 0.35, 0.49, 0.81, 0.91 | 0.44, 0.57, 0.90, 0.97 |

## Measure it yourself

```sh
.venv/bin/pip install -e ".[bench]"
.venv/bin/python -m benchmarks.training
.venv/bin/python -m benchmarks.second_order
.venv/bin/python -m benchmarks.whole
.venv/bin/python -m benchmarks.drawing
.venv/bin/python -m benchmarks.ops
.venv/bin/python -m benchmarks.recording
.venv/bin/python -m benchmarks.sweep
.venv/bin/python -m benchmarks.page
```

Each of the benchmarks prints its changes against the stored run. It then stores its own results, unless other programs
kept the machine busy. The last command writes this page. [benchmarks/README.md](../benchmarks/README.md) has the options.
`python -m minigrad.doctor` says which kernels NumPy's matrix products use on your machine, and whether others would be faster.
"""


def machines(results: Results) -> str:
    """One line for each benchmark; those of one machine stand together, with all their peers."""
    found: dict[str, tuple[list[str], dict[str, Any]]] = {}
    for run, title in RUNS.items():
        described = results.of(run, "machine")
        key = machine.line({k: v for k, v in described.items() if k not in machine.PACKAGES})
        names, merged = found.setdefault(key, ([], {}))
        names.append(title)
        merged.update(described)
    return "\n".join(
        f"- **{', '.join(names)}**: {machine.line(merged).removesuffix('; no peers')}."
        for names, merged in found.values()
    )


def function_cells(ops: Mapping[str, Any], name: str) -> Iterator[str]:
    """The row of a function: our time and the ratios, at both sizes."""
    for size in ("10", "10,000"):
        cells = ops[f"{name}, {size}"]
        yield microseconds(cells["minigrad"]["us"])
        for peer in ("HIPS autograd", "PyTorch"):
            yield f"{cells[peer]['ratio']:.2f}" if cells[peer] else "–"


def recorded_cells(results: Results) -> Iterator[list[str]]:
    """A row for each net: the time alone, and that of each level with its ratios."""
    for net, cells in results.of("recording", "nets").items():
        levels = [cells["scalars"], cells["tape"]]
        shown = [f"{cell['us']:.1f} ({cell['ratio']:.2f}; {cell['all']:.2f})" for cell in levels]
        yield [net, f"{cells['off']['us']:.1f}", *shown]


# Markdown


def three(columns: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> str:
    """Three tables: the time, and the ratios of both of our times to it. `columns`: {title: {subject:
    cell}}."""
    return "\n".join(
        f"{caption}:\n\n{matrix(columns, {k: v for k, v in labels.items() if k not in without}, show)}"
        for caption, show, without in (
            ("Time of one call in µs", lambda cell: microseconds(cell["us"]), ()),
            (
                "Time of compiled minigrad ÷ time of the row",
                lambda cell: f"{cell['compiled']:.2f}",
                ("minigrad, compiled",),
            ),
            (
                "Time of eager minigrad ÷ time of the row",
                lambda cell: f"{cell['eager']:.2f}",
                ("minigrad", "minigrad, compiled"),
            ),
        )
    )


def matrix(
    columns: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str], show: Callable[[Any], str]
) -> str:
    """A table of {column: {subject: cell}}, with a row for each subject that occurs and a dash where it was
    not measured."""
    rows = [
        [label, *(show(column[subject]) if subject in column else "–" for column in columns.values())]
        for subject, label in labels.items()
        if any(subject in column for column in columns.values())
    ]
    return table(["", *columns], rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def microseconds(us: float) -> str:
    return f"{us:.1f}" if us < 100 else f"{us:,.0f}"


def milliseconds(ms: float | None) -> str:
    return "–" if ms is None else f"{ms:,.0f}"


def span(values: Iterable[float]) -> str:
    found = sorted(values)
    return f"{found[0]:.2f} to {found[-1]:.2f}"


if __name__ == "__main__":
    main()
