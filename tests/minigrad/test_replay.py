"""Update programs: the numbers of the function they were made of, bit for bit, or a refusal."""

import numpy as np
import pytest

from minigrad import Tensor, replay
from minigrad.extend import UpdateProgram
from tests.optim.cases import SETTINGS


def vectors(rng, n, dtype, names):
    return {name: np.abs(rng.normal(size=n)).astype(dtype) for name in names}


RULES = [pytest.param(case.kind, options, id=name) for name, (case, options) in SETTINGS.items()]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("kind", "options"), RULES)
@pytest.mark.parametrize("n", [0, 1, 337, 40_000, 300_001])
def test_programs_of_update_rules_equal_the_rule(kind, options, dtype, n, rng):
    """n goes past a block."""
    optimizer = kind([Tensor(np.ones(2), requires_grad=True)], **options)
    group = optimizer.param_groups[0]
    names = ("w", "g", *kind.state_names)
    program = None
    v = vectors(rng, n, dtype, names)
    for t in (1, 2, 7):
        numbers = {"t": t, **{k: 0.7 if k == "mu_product" else 1 for k in kind.scalars}, **group.for_rule}
        expected = kind.rule(*(v[name].copy() for name in names), **numbers)
        if program is None:
            program = UpdateProgram(
                lambda v, m: kind.rule(*(v[name] for name in names), **m), dtype, names, numbers
            )
        numbers_out = program([tuple(v[name] for name in names)], numbers)
        for name in program.written:
            np.testing.assert_array_equal(v[name], expected[name], err_msg=name)
            assert v[name].dtype == dtype
        assert all(numbers_out[k] == expected[k] for k in kind.scalars if k in expected)


def test_pieces_of_any_sizes(monkeypatch):
    monkeypatch.setattr(replay.update_program, "BLOCK_BYTES", 10 * 8)
    program = UpdateProgram(lambda v, n: {"a": v["a"] + n["k"] * v["b"]}, np.float64, ["a", "b"], {"k": 2.0})
    for sizes in ([4, 9], [1, 1, 30], [30, 1], [5, 5], [0, 20, 0]):
        pieces = [(np.arange(float(n)), np.ones(n)) for n in sizes]
        program(pieces, {"k": 3.0})
        for (a, b), n in zip(pieces, sizes, strict=True):
            np.testing.assert_array_equal(a, np.arange(n) + 3)
            np.testing.assert_array_equal(b, 1)


def test_the_old_value_is_kept_as_long_as_it_is_needed():
    f = lambda v, n: {"a": v["a"] * 2, "b": v["b"] + v["a"]}  # noqa: E731  # b needs the old a, after the new one is known
    program = UpdateProgram(f, np.float64, ["a", "b"], {})
    a, b = np.ones(3), np.ones(3)
    program([(a, b)], {})
    assert (a[0], b[0]) == (2.0, 2.0)
    same = UpdateProgram(lambda v, n: {"a": v["a"] + 1, "b": v["a"]}, np.float64, ["a", "b"], {})
    same([(a, b)], {})
    assert (a[0], b[0]) == (3.0, 2.0)


def test_an_input_may_hold_an_intermediate_only_while_nobody_needs_its_place():
    def f(v, n):
        half = v["a"] * 0.5  # the old a is not used again, but half is, after the new a is known
        new = v["b"] + half
        return {"a": new, "b": new * half}

    program = UpdateProgram(f, np.float64, ["a", "b"], {})
    a, b = np.full(3, 4.0), np.ones(3)
    program([(a, b)], {})
    assert (a[0], b[0]) == (3.0, 6.0)


def test_numbers_may_change_and_results_may_be_numbers():
    program = UpdateProgram(
        lambda v, n: {"a": v["a"] * (1 - n["β"] ** n["t"]), "p": n["p"] * n["β"]},
        np.float32,
        ["a"],
        {"t": 1, "β": 0.5, "p": 1.0},
    )
    a = np.ones(2, np.float32)
    assert program([(a,)], {"t": 2, "β": 0.5, "p": 3.0}) == {"p": 1.5}
    assert a[0] == 0.75


def test_functions_that_are_no_ufuncs():
    program = UpdateProgram(
        lambda v, n: {"a": np.where(v["a"] > 0, np.sign(v["a"]), 0) + v["a"] ** 3}, np.float64, ["a"], {}
    )
    a = np.array([-2.0, 2.0])
    program([(a,)], {})
    np.testing.assert_array_equal(a, [-8, 9])


def test_control_flow_on_values_is_refused():
    with pytest.raises(TypeError, match=r"np\.where"):
        UpdateProgram(lambda v, n: {"a": v["a"] if n["t"] > 3 else -v["a"]}, np.float64, ["a"], {"t": 1})


def test_an_exchange_is_refused():
    with pytest.raises(ValueError, match="exchange"):
        UpdateProgram(lambda v, n: {"a": v["b"], "b": v["a"]}, np.float64, ["a", "b"], {})


def both(rule, names, dtype=np.float64, numbers=None):
    """A rule's program and the rule itself, on the same vectors."""
    numbers = numbers or {}
    program = UpdateProgram(rule, dtype, names, numbers)
    vectors = {name: np.linspace(-1, 2, 5).astype(dtype) * (i + 1) for i, name in enumerate(names)}
    expected = rule({k: v.copy() for k, v in vectors.items()}, numbers)
    program([tuple(vectors.values())], numbers)
    return vectors, expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "rule",
    [
        lambda v, n: {"w": np.where(v["g"] > 1, v["w"] - v["g"], v["w"])},
        lambda v, n: {"m": np.where(v["g"] * v["m"] > 0, v["m"], v["g"]), "w": v["w"] - v["m"]},
        lambda v, n: {"w": 1 * v["m"], "m": 1 * v["w"]},
        lambda v, n: {"m": (0.5 * v["m"])[...] + v["g"], "w": v["w"] - v["m"]},
        lambda v, n: {"m": (0.5 * v["m"])[::-1] * 1.0, "w": v["m"][::-1] + v["w"]},
        lambda v, n: {"w": v["w"] - v["g"] / (np.abs(v["g"]) + np.finfo(v["w"].dtype).eps * 2**20)},
    ],
)
def test_a_program_gives_what_its_rule_gives(rule, dtype):
    vectors, expected = both(rule, ["w", "g", "m"], dtype)
    for name, value in expected.items():
        np.testing.assert_array_equal(vectors[name], value, err_msg=name)


def test_a_number_does_not_overwrite_a_vector():
    program = UpdateProgram(
        lambda v, n: {"m": n["lr"] * 2, "w": v["w"] - v["m"]}, np.float64, ["w", "m"], {"lr": 0.5}
    )
    w, m = np.ones(3), np.zeros(3)
    assert program([(w, m)], {"lr": 0.5}) == {"m": 1.0}
    assert not m.any()


def test_numbers_without_vectors_and_division_by_zero():
    program = UpdateProgram(
        lambda v, n: {"a": v["a"] * 2, "y": 1 / np.floor(n["t"])}, np.float64, ["a"], {"t": 2.0}
    )
    assert program([], {"t": 4.0}) == {"y": 0.25}
    with pytest.raises(ZeroDivisionError):
        program([(np.ones(2),)], {"t": 0.5})
