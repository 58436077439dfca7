"""A formula on a picture, evaluated, gives the value of its box."""

import re

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, draw
from minigrad.drawing.graph.collect import collect
from minigrad.drawing.graph.notation import ATOM, formula
from minigrad.extend import RULES, data_of

SUPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
LOW = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
TOKEN = re.compile(
    r"\s*(Σ[₀-₉]*|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+|-?\d+\.?\d*(?:e[-+]?\d+)?(?![A-Za-z_′])|[A-Za-zα-ωẋ∂][A-Za-z0-9_₀-₉′]*|\[[^\]]*\]|[^\s])"
)
CALLS = {"relu": mg.relu, "sigmoid": mg.sigmoid, "softplus": mg.softplus, "logsumexp": mg.logsumexp,
         "log_softmax": mg.log_softmax, "softmax": mg.softmax, "norm": np.linalg.norm}  # fmt: skip


class Reader:
    """Reads a formula as a mathematician does: Σ reaches to the next sum, · and / bind before @."""

    def __init__(self, text, values):
        self.tokens, self.values = TOKEN.findall(text), values
        self.tokens.append("")

    def take(self, *wanted):
        if not wanted or self.tokens[0] in wanted:
            return self.tokens.pop(0)
        return ""

    def whole(self):
        value = self.sums()
        assert self.tokens == [""], self.tokens
        return value

    def sums(self):
        value = self.total()
        while sign := self.take("+", "−"):
            other = self.total()
            value = value + other if sign == "+" else value - other
        return value

    def total(self):
        if self.tokens[0].startswith("Σ"):
            axes = tuple(int(c) for c in self.take()[1:].translate(LOW)) or None
            return np.sum(self.total(), axis=axes)
        value = self.products()
        while self.take("@"):
            value = value @ self.products()
        return value

    def products(self):
        value = self.signed()
        while sign := self.take("·", "/", "%"):
            other = self.total() if self.tokens[0].startswith("Σ") else self.signed()
            value = value * other if sign == "·" else value / other if sign == "/" else value % other
        return value

    def signed(self):
        return -self.signed() if self.take("−") else self.power()

    def power(self):
        if self.take("√"):
            return np.sqrt(self.power())
        value = self.atom()
        while self.tokens[0] and (self.tokens[0][0] in "ᵀ[^" or self.tokens[0][0] in "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"):
            token = self.take()
            if token == "ᵀ" and (self.tokens[0].isidentifier() or self.tokens[0] == "("):
                value = value @ self.atom()
            elif token == "ᵀ":
                value = np.transpose(value)
            elif token == "^":
                value = value ** self.atom()
            elif token[0] == "[":
                value = value[self.index(token)]
            else:
                value = value ** float(token.translate(SUPER))
        return value

    def index(self, token):
        return eval(f"np.s_{token.replace('…', '...')}", {"np": np})

    def atom(self):
        token = self.take()
        if token == "(":
            found, commas = [], 0
            while not self.take(")"):
                found.append(self.sums())
                commas += bool(self.take(","))
            return tuple(int(x) for x in found) if commas or not found else found[0]
        if token == "|":
            value = self.sums()
            assert self.take("|")
            return np.abs(value)
        if re.fullmatch(r"-?\d.*", token):
            return float(token)
        if token in self.values:
            return self.values[token]
        assert self.take("("), (token, self.tokens)
        args, named = [], {}
        while not self.take(")"):
            if self.tokens[1] == "=":
                name = self.take()
                self.take("=")
                value = self.sums()
                named[name] = value if isinstance(value, tuple) else int(value)
            else:
                args.append(self.sums())
            self.take(",")
        return (CALLS.get(token) or getattr(np, token))(*args, **named)


def evaluated(text, values):
    """The value of the last line of a drawn text tree, its other lines evaluated before it."""
    known = dict(values)
    lines = [re.sub(r"^[\s│├└─]*", "", line) for line in text.splitlines()]
    lines = [re.sub(r"\s\s\(.*\)$", "", line) for line in lines]
    pending = [line.split(" = ", 1) if " = " in line else ["", line] for line in lines]
    for name, right in reversed(pending):
        if right in known and not name:
            continue
        value = np.asarray(data_of(Reader(right, known).whole()))
        if name:
            known[name] = value
    return value


a, b = np.array([[0.5, 1.5, 2.5], [3.0, 0.25, 1.25], [2.0, 0.75, 1.75]]), np.array([0.7, 1.1, 0.3])
FORMULAS = {
    "cube": lambda A, v: A**3,
    "power": lambda A, v: v**2.5,
    "inverse": lambda A, v: v**-2,
    "power of power": lambda A, v: (v**3) ** 2.5,
    "2 to the v": lambda A, v: 2.0**v,
    "v to the v": lambda A, v: v ** (v + 1),
    "square": lambda A, v: (v * v) ** 2,
    "tensordot 1": lambda A, v: np.tensordot(A, A, 1),
    "tensordot 0 0": lambda A, v: np.tensordot(A, A, ([0], [0])),
    "tensordot 2": lambda A, v: np.tensordot(A, A, 2),
    "inner": lambda A, v: np.inner(A, A),
    "inner vectors": lambda A, v: np.inner(v, v + 1),
    "matvec": lambda A, v: A @ v,
    "vecmat": lambda A, v: v @ A,
    "matmul": lambda A, v: (A * 2 + 1) @ A.T,
    "outer": lambda A, v: np.outer(v, v),
    "sum": lambda A, v: A.sum(),
    "sum 0": lambda A, v: A.sum(0),
    "sum 1": lambda A, v: A.sum(1),
    "sum of sum": lambda A, v: (A.sum(0) * v).sum(),
    "sum times": lambda A, v: A.sum(0) * v,
    "times sum": lambda A, v: v * A.sum(0) * v,
    "sum over": lambda A, v: A.sum(1) / v,
    "sum plus": lambda A, v: A.sum(0) + v,
    "sum @": lambda A, v: A.sum(0) @ A,
    "− sum": lambda A, v: v - A.sum(0),
    "sum of sum 1": lambda A, v: (A + v).sum(0),
    "mean": lambda A, v: A.mean(),
    "mean 0": lambda A, v: A.mean(0),
    "negative sum": lambda A, v: -A.sum(1),
    "sum squared": lambda A, v: A.sum(0) ** 2,
    "max": lambda A, v: A.max(),
    "max 0": lambda A, v: A.max(0),
    "max 1": lambda A, v: np.max(A, axis=1),
    "std": lambda A, v: A.std(ddof=1),
    "norm 0": lambda A, v: np.linalg.norm(A, axis=0),
    "logsumexp": lambda A, v: mg.logsumexp(A, axis=0),
    "log_softmax": lambda A, v: mg.log_softmax(A),
    "log_softmax 0": lambda A, v: mg.log_softmax(A, axis=0),
    "softmax": lambda A, v: mg.softmax(A),
    "exp of a difference": lambda A, v: np.exp(mg.log_softmax(A) - A),
    "transpose": lambda A, v: np.transpose(A) + 1,
    "no transpose": lambda A, v: np.transpose(A, (0, 1)) + v,
    "row": lambda A, v: A[0] * 2,
    "column": lambda A, v: A[:, 1] + v,
    "part": lambda A, v: A[1:, :2] * 3,
    "rows times": lambda A, v: A[0] * A[1],
    "row squared": lambda A, v: A[2] * A[2],
    "remainder": lambda A, v: v * (A % v),
    "remainder of product": lambda A, v: (v * A) % v,
    "remainder plus": lambda A, v: v + A % v,
    "quotients": lambda A, v: A / (v / (v + 1)),
    "difference": lambda A, v: A - (v - (v + 1)),
    "negative": lambda A, v: -(A - v) * v,
    "root": lambda A, v: np.sqrt(v * v + 1) / v,
    "absolute": lambda A, v: np.abs(v - 1) * v,
    "hypot": lambda A, v: np.hypot(A, v),
    "relu": lambda A, v: mg.relu(v - 1) + mg.sigmoid(v),
    "numbers": lambda A, v: 3.0 * (2.0 * v) + (1 - v) / 2,
    "expm1": lambda A, v: np.expm1(-v) - np.log1p(v),
    "linear": lambda A, v: mg.linear(A, A, v),
    "broadcast": lambda A, v: np.broadcast_to(v, (3, 3)).sum(),
    "column of v": lambda A, v: np.expand_dims(v, 1) + A,
    "flat": lambda A, v: A.ravel() + 1,
    "argument order": lambda A, v: np.arctan2(v, v + 1),
}


@pytest.mark.parametrize("fold", ["formulas", "auto"])
@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_has_the_value_of_its_box(name, fold):
    A, v = (Tensor(x, requires_grad=True, name=n) for x, n in ((a, "A"), (b, "v")))
    y = FORMULAS[name](A, v)
    text = str(draw(y, fold=fold))
    np.testing.assert_allclose(evaluated(text, {"A": a, "v": b}), y.numpy(), rtol=2e-3, err_msg=text)


INTEGERS = {"ldexp"}  # the second argument is one
UNARY = [op for op in RULES.values() if isinstance(op, mg.Op) and op.arity in (1, 2) and op.pulls]
UNARY = [op for op in UNARY if op.name not in INTEGERS]


@pytest.mark.parametrize("op", UNARY, ids=lambda op: op.name)
def test_every_op_of_the_table_is_written_as_what_it_computes(op):
    given = [("v", b + 0.1 * (op.name == "arccosh")), ("w", b[::-1] + 0.2)][: op.arity]
    if op.name == "arccosh":
        given[0] = ("v", b + 1)
    with np.errstate(all="ignore"):
        tensors = [Tensor(x, requires_grad=True, name=n) for n, x in given]
        y = op(*(np.clip(t, -1, 0.9) if op.name in ("arcsin", "arccos", "arctanh") else t for t in tensors))
        if op.name in ("arcsin", "arccos", "arctanh"):
            y = op(Tensor(b / 2, requires_grad=True, name="v"))
            given = [("v", b / 2)]
        text = formula(op.name, [(n, ATOM) for n, _ in given])[0]
        np.testing.assert_allclose(Reader(text, dict(given)).whole(), y.numpy(), rtol=1e-12, err_msg=text)


def test_an_unnamed_live_leaf_is_no_number():
    def unnamed():
        return Tensor(1.0, requires_grad=True) * 2

    text = str(draw(unnamed()))
    assert text.splitlines() == ["2·x₁", "└─ x₁"]
    box = next(n for n in collect([("", unnamed())], aside=[], names={}, title="", show=(), inputs=[]).nodes)
    assert (box.kind, box.label) == ("parameter", "input")


def test_no_writer_drops_an_operand():
    for op in ("sum", "square", "exp", "sqrt", "negative", "absolute", "getitem", "transpose"):
        text, _ = formula(op, [("x", ATOM), ("y", ATOM)])
        assert "x" in text
        assert "y" in text, text


PAIRS = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "remainder": np.remainder, "power": np.power, "matmul": np.matmul,
}  # fmt: skip
SINGLES = {"negative": np.negative, "square": np.square, "sqrt": np.sqrt, "absolute": np.abs, "exp": np.exp,
           "sum": lambda x: np.sum(x, axis=0), "transpose": np.transpose}  # fmt: skip
VALUES = {"p": a / 2, "q": a[::-1] / 3 + 0.1, "r": a.T / 4 + 0.2}


@pytest.mark.parametrize("outer", PAIRS)
@pytest.mark.parametrize("inner", [*PAIRS, *SINGLES])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_brackets_stand_where_they_must(outer, inner, first):
    p, q, r = (VALUES[n] for n in "pqr")
    params = ("axis=0",) if inner == "sum" else ()
    operands = [("p", ATOM), ("q", ATOM)][: 2 if inner in PAIRS else 1]
    part = formula(inner, operands, params)
    value = PAIRS[inner](p, q) if inner in PAIRS else SINGLES[inner](p)
    text, _ = formula(outer, [part, ("r", ATOM)] if first else [("r", ATOM), part])
    want = PAIRS[outer](value, r) if first else PAIRS[outer](r, value)
    np.testing.assert_allclose(Reader(text, VALUES).whole(), want, rtol=1e-9, err_msg=text)
