"""Random numbers of NumPy's and Python's generators under jit: those that Python draws, in the same order."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import scipy.stats

import graphad
from graphad import ControlFlowError, GraphadError, MissingRuleError, debug

RNG = np.random.default_rng(0)
X = np.array([0.5, 1.5, 2.5, 0.7])


def reset(seed=5):
    global RNG
    np.random.seed(seed)
    random.seed(seed)
    RNG = np.random.default_rng(seed)


def known(x):
    return x + RNG.normal() + np.random.uniform(1.0, 2.0, size=4) + random.randint(1, 9) + np.random.sample()


def traced(x):
    return RNG.normal(x, 0.3 * x) + np.random.gumbel(x) + random.uniform(x[0], x[1]) + np.random.weibull(x)


def permuted(x):
    return np.random.permutation(x) + RNG.choice(x) * RNG.permutation(x) + random.choice([x[0], x[1], 2.0])


def python(x):
    a, b = x[0], x[1]
    draws = [
        random.gauss(a, b), random.normalvariate(a, b), random.lognormvariate(a, b), random.expovariate(a),
        random.triangular(a, b, 0.8), random.paretovariate(b), random.weibullvariate(a, b), random.gammavariate(2.0, b),
        random.vonmisesvariate(a, 2.0), random.choices([a, b, 1.0], k=2)[1], random.sample([a, b, 1.0, 2.0], 2)[0],
    ]  # fmt: skip
    return x[2] * np.stack(draws)


def looping(x, n=5):
    x = np.sum(x)
    for _ in range(n):
        if RNG.random() < 0.5:
            x = x + RNG.normal(0.1 * x)
        else:
            x = x * random.uniform(0.5, 1.5)
    return x


def waiting(x):
    x = np.sum(x)
    while RNG.random() < 0.8:
        x = x * RNG.normal(1.0, 0.1) + 0.1 * np.sin(x)
    return x


def leaving(x):
    x = x[0]
    while True:
        x = x + RNG.normal(0.5)
        if x > 3.0:
            break
    return x


def distributed(x):
    return x + scipy.stats.norm.rvs(size=4, random_state=RNG) + scipy.stats.gamma.rvs(2.0) + RNG.vonmises(x, 2.0)


PROGRAMS = [known, traced, permuted, python, looping, waiting, leaving, distributed]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_numbers_are_those_of_python(program, executor):
    reset()
    wanted = [program(X) for _ in range(3)]
    compiled = graphad.jit(program)
    reset()
    for value in wanted:
        np.testing.assert_allclose(compiled(X), value, rtol=1e-12)
    assert compiled.traces == 1
    assert not np.allclose(wanted[0], wanted[2])


@pytest.mark.parametrize(
    ("program", "executor"),
    [*itertools.product(PROGRAMS, ["numpy", "llvm"]), *[(program, "numba") for program in (traced, looping)]],
    indirect=["executor"],
)
def test_derivatives_are_those_of_the_numbers_drawn(program, executor):
    weights = np.cos(np.arange(11.0))

    def total(x):
        y = np.ravel(program(x))
        return np.sum(y * weights[: y.size])

    for seed in (1, 2):
        reset(seed)
        found = graphad.jit(graphad.grad(total))(X)
        for i in range(4):
            values = []
            for step in (1e-6, -1e-6):
                reset(seed)
                values.append(total(X + step * np.eye(4)[i]))
            assert found[i] == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-6, abs=1e-7)


def test_each_example_of_a_batch_draws_its_own():
    reset()
    found = graphad.vmap(lambda x: x + RNG.normal())(np.zeros(3))
    reset()
    np.testing.assert_array_equal(found, [RNG.normal() for _ in range(3)])
    for map_over in (graphad.vmap(looping), graphad.jit(graphad.vmap(looping))):
        rows = map_over(np.ones((3, 2)))
        assert len(set(rows)) == 3
    folded = graphad.vmap(lambda x: graphad.scan(lambda c, _: (c + RNG.normal(), RNG.random()), 0.0, None, 3)[1] + x)
    assert len(set(folded(np.zeros(4)).ravel())) == 12


def test_eager_derivatives_draw_at_once():
    compiled = graphad.jit(lambda x: x * RNG.normal())
    for f, power in ((lambda x: compiled(x) ** 2, 2), (lambda x: compiled(x) if compiled(x) > -9.0 else 0.0, 1)):
        reset()
        value, slope = graphad.value_and_grad(f)(2.0)
        reset()
        assert value == f(2.0)
        assert slope == pytest.approx(power * value / 2.0)


def test_a_seed_set_by_the_function():
    def seeded(x):
        np.random.seed(3)
        return x + np.random.normal()

    def made(x):
        return x + np.random.default_rng(5).normal()

    def looped(x):
        for i in range(40):
            random.seed(i)
            x = x + random.random() * np.random.random(2)[1] * 0
        return x + random.gauss(x, 1.0)

    for f in (seeded, made, looped):
        assert [graphad.jit(f)(1.0), graphad.jit(f)(1.0)] == pytest.approx([f(1.0), f(1.0)])
        assert graphad.vmap(f)(np.array([1.0, 2.0, 1.0])) == pytest.approx([f(1.0), f(2.0), f(1.0)])
        assert graphad.jit(graphad.vmap(f))(np.array([1.0, 2.0])) == pytest.approx([f(1.0), f(2.0)])
    with pytest.raises(ControlFlowError, match="state that the function sets"):
        graphad.vmap(lambda x: (np.random.seed(3), np.random.poisson(x))[1])(np.ones(2))
    with pytest.raises(ControlFlowError, match="state that the function sets"):
        graphad.vmap(lambda x: (np.random.seed(x.astype(int)), np.random.rand())[1])(np.ones(2))

    def chosen(x):
        np.random.seed(1)
        if x > 1.5:
            x = x - np.random.uniform()
        return x + np.random.normal()

    assert graphad.jit(chosen)(2.0) == pytest.approx(chosen(2.0))
    with pytest.raises(ControlFlowError, match="state that the function sets"):
        graphad.vmap(chosen)(np.array([1.0, 2.0]))


SHUFFLED = [
    lambda x: (np.random.default_rng(3), x * np.arange(1.0, 7.0)),
    lambda x: (np.random.RandomState(3), x * np.arange(12.0).reshape(6, 2)),
    lambda x: (random.Random(3), x * np.arange(1.0, 7.0)),
    lambda x: (np.random.default_rng(3), [x, 2 * x, 3 * x, 4 * x]),
    lambda x: (random.Random(3), [x, 2 * x, 3 * x, 4 * x]),
]


@pytest.mark.parametrize("make", SHUFFLED)
def test_shuffling_moves_what_is_traced(make):
    def f(x):
        generator, entries = make(x)
        generator.shuffle(entries)
        entries = np.array(entries)
        return np.sum(entries.T * 10.0 ** np.arange(len(entries)))

    assert graphad.value_and_grad(f)(2.0) == pytest.approx((f(2.0), f(1.0)))
    assert graphad.jit(f)(2.0) == pytest.approx(f(2.0))


def test_integers_of_traced_parameters():
    reset()
    wanted = np.random.poisson(X), RNG.binomial(7, 0.1 * X)
    reset()
    found = graphad.jit(lambda x: (np.random.poisson(x), RNG.binomial(7, 0.1 * x)))(X)
    np.testing.assert_array_equal(found, wanted)
    for transform in (lambda f: f, graphad.jit):
        assert np.all(transform(graphad.grad(lambda x: np.sum(x * 2.0 + 0.0 * RNG.poisson(x))))(X) == 2.0)


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: np.random.gamma(x), lambda x: RNG.beta(x, 2.0), lambda x: RNG.standard_t(x),
        lambda x: RNG.wald(x, 2.0), lambda x: random.betavariate(x, 2.0), lambda x: RNG.vonmises(0.0, x),
        lambda x: random.gammavariate(x, 1.0),
    ],
)  # fmt: skip
def test_parameters_without_a_derivative(draw):
    reset()
    wanted = draw(1.5)
    reset()
    assert graphad.jit(draw)(1.5) == wanted
    for transform in (graphad.grad, lambda f: graphad.jit(graphad.grad(f))):
        with pytest.raises(MissingRuleError, match=r"no derivative in this parameter.*graphad\.random.*test_draws\.py"):
            transform(draw)(1.5)


def _again(x):
    return graphad.grad(graphad.checkpoint(lambda x: np.sin(x * RNG.normal())))(x)


def _nested(x, n):
    for i in range(n):
        for _ in range(i):
            x = np.sin(x * RNG.normal())
    return x


def _own(x):
    return x + np.random.Generator(np.random.PCG64(3)).normal()


def _frozen(x):
    return x + scipy.stats.gamma(2.0).rvs()


REFUSED = {
    "derivative would draw random numbers anew": [(_again, (1.0,)), (graphad.grad(_nested), (1.0, 4))],
    "may be the function's own": [(_own, (1.0,))],
    "writes random numbers into an array": [(lambda x: RNG.shuffle(x), (X,))],
    "type Generator under jit": [(lambda x: x * RNG.spawn(1)[0].normal(), (1.0,))],
    "scipy.stats.gamma frozen draws": [(_frozen, (1.0,))],
}


@pytest.mark.parametrize(("words", "f", "args"), [(w, *case) for w, cases in REFUSED.items() for case in cases])
def test_what_cannot_be_drawn_again_is_refused(words, f, args):
    with pytest.raises(GraphadError, match=words) as caught:
        graphad.jit(f)(*args)
    assert "test_draws.py" in str(caught.value)


def test_draws_in_a_loop_of_an_eager_derivative():
    def walk(x):
        return graphad.scan(lambda c, _: (c * RNG.normal(), None), x, None, 3)[0]

    with pytest.raises(ControlFlowError, match=r"in a scan within an eager derivative .*jit\(graphad.grad\(f\)\)"):
        graphad.grad(walk)(1.0)
    reset()
    found = graphad.jit(graphad.grad(walk))(2.0)
    reset()
    assert found == pytest.approx(np.prod([RNG.normal() for _ in range(3)]))


def test_the_test_of_a_while_loop_happens_once_for_each_iteration(capsys):
    def going(x):
        debug.print("{}", x)
        return x > 1.0

    def halve(x):
        while going(x):
            x = x / 2
        return x

    def leave(x):
        while True:
            debug.print("{}", x)
            x = x / 2
            if x < 1.0:
                break
        return x

    for f in (halve, leave):
        f(5.0)
        wanted = capsys.readouterr().out
        graphad.jit(f)(5.0)
        assert capsys.readouterr().out == wanted
