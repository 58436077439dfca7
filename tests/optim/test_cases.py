"""The tables of cases.py are whole: no optimizer without a row, no row that leaves something open."""

import pytest

import optim
from optim.base.options import KINDS
from tests.optim.cases import BAD, CASES, MAKERS
from tests.problems import leaf

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def test_every_optimizer_has_a_row():
    exported = {
        x
        for x in (getattr(optim, name) for name in optim.__all__)
        if isinstance(x, type) and issubclass(x, optim.Optimizer)
    }
    stepping_by_closure = {type(make([leaf([1.0])])) for make in MAKERS.values()}
    missing = exported - {
        optim.Optimizer,
        optim.FirstOrder,
        *(case.kind for case in CASES),
        *stepping_by_closure,
    }
    names = ", ".join(sorted(kind.__name__ for kind in missing))
    assert not names, f"give {names} a row in CASES of tests/optim/cases.py (MAKERS, if it needs a closure)"


@each_case
def test_a_row_says_where_the_right_numbers_come_from(case):
    assert bool(case.torch) != bool(case.textbook), "give it values for `torch`, or a `textbook`"
    if case.torch:
        assert case.defaults.keys() - {"lr", "maximize"} <= case.torch.keys(), "each option needs values"


@each_case
def test_every_option_has_a_kind(case):
    missing = case.defaults.keys() - KINDS.keys()
    assert not missing, f"give {missing} a line in KINDS of optim/base/options.py"


@each_case
def test_a_row_has_values_to_refuse_for_every_option(case):
    bare = case.defaults.keys() - BAD.keys() - case.bad.keys()
    assert not bare, f"give the case a value in `bad` for each of {bare}: one to be refused"
    assert not BAD.keys() & case.bad.keys(), "these are in BAD"


@each_case
def test_one_setting_of_a_row_uses_all_state(case):
    written = []
    for options in case.settings:
        opt = case.kind([p := leaf([1.0, 2.0])], **options)
        p.grad = p.data.copy()
        opt.step()
        written.append(opt.param_groups[0].written)
    assert any(names >= set(case.kind.state_names) for names in written), written
