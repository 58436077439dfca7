"""The recording switch: whatever a block is left by, and whoever runs in between, recording is as it was."""

import asyncio
import contextvars
import threading

import numpy as np
import pytest

from minigrad import Tensor, no_grad
from minigrad.extend import current, scope
from models import Linear

x = Tensor([1.0, 2.0], requires_grad=True)


def records():
    return (x * 2).requires_grad


@pytest.fixture(autouse=True)
def _recording_before_and_after():
    assert records()
    yield
    assert records()


class Blocks:
    def method(self):
        return records()


@no_grad()
def items(n=3):
    """Yield whether this records, and take what is sent."""
    got = None
    for _ in range(n):
        try:
            got = yield records(), got
        except KeyError as error:
            got = error
    return "done"


def test_a_decorated_function_and_method_record_nothing():
    assert not no_grad()(records)()
    assert not no_grad()(Blocks.method)(Blocks())
    assert no_grad()(records).__name__ == "records"


def test_a_decorated_generator_records_nothing_whenever_it_runs_and_its_user_does():
    seen = []
    for inside, _ in items():
        seen.append((inside, records()))
    assert seen == [(False, True)] * 3
    assert items.__doc__.startswith("Yield")


def test_a_decorated_generator_passes_on_what_is_sent_thrown_and_returned():
    def outer():
        result = yield from items(4)
        yield result

    g = outer()
    error = KeyError("k")
    assert next(g) == (False, None)
    assert g.send(5) == (False, 5)
    assert g.throw(error) == (False, error)
    assert next(g) == (False, None)
    assert next(g) == "done"
    h = items()
    next(h)
    with pytest.raises(OSError, match="gone"):
        h.throw(OSError("gone"))


def test_a_decorated_generator_is_closed_inside_its_block():
    seen = []

    @no_grad()
    def f():
        try:
            yield 1
        finally:
            seen.append(records())

    g = f()
    next(g)
    g.close()
    assert seen == [False]


def test_a_decorated_coroutine_and_one_that_waits():
    @no_grad()
    async def predict(seconds):
        await asyncio.sleep(seconds)
        return records()

    async def main():
        tasks = [asyncio.create_task(predict(s)) for s in (0.002, 0.005, 0.001)]
        await asyncio.sleep(0)
        here = records()
        return here, await asyncio.gather(*tasks), await predict(0)

    assert asyncio.run(main()) == (True, [False] * 3, False)


def test_an_asynchronous_generator_is_refused():
    with pytest.raises(TypeError, match="asynchronous generator"):

        @no_grad()
        async def f():
            yield 1


def opened():
    with no_grad():
        yield 1
        with scope(phase="update"):
            yield 2
        yield 3


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("around", [0, 1, 2])
@pytest.mark.parametrize("closed", ["inside", "outside", "in another", "dropped"])
def test_generators_that_are_left_out_of_turn(turns, around, closed):
    g = opened()
    blocks = [no_grad() for _ in range(around)]
    for block in blocks:
        block.__enter__()
    for _ in range(turns):
        next(g)
    if closed == "inside":
        g.close()
        assert records() is not bool(around)
    elif closed == "dropped":
        del g
    for block in reversed(blocks):
        block.__exit__(None, None, None)
    if around:
        assert records()
    if closed == "in another":
        with scope(phase="tangent"):
            g.close()
            assert current.mode.phase == "tangent"
    elif closed == "outside":
        g.close()


def test_two_generators_closed_in_the_order_in_which_they_were_opened():
    first, second = opened(), opened()
    next(first), next(second)
    first.close()
    second.close()


def test_the_modes_of_modules_do_not_come_between():
    layer, g = Linear(2, 1, rng=0), opened()
    with no_grad():
        next(g)
        layer(np.ones(2))
    g.close()
    assert layer(np.ones((1, 2))).requires_grad


def test_a_thread_starts_with_recording_on_and_a_context_with_its_own():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: contextvars.Context().run(lambda: seen.append(records())))
        thread.start()
        thread.join()
        seen.append(contextvars.copy_context().run(records))
    assert seen == [True, False]
