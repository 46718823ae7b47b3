"""A function taken apart into single numbers is the same function."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.programs import program_of
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from gdbench.engine import scalarize
from gdbench.engine.compiled_loop import forget_machines
from gdbench.engine.scalarize import by_scalars
from gdbench.engine.step import Arguments, Step
from gdbench.engine.stream import execute
from gdbench.solvers import SOLVERS
from gdbench.surfaces import SURFACES

X = np.array([0.3, -1.7, 2.2, 0.9, -0.4, 1.3])
M = np.random.default_rng(0).normal(size=(6, 6))
# a few last bits: sums are taken in another order
CLOSE = {"rtol": 1e-15 * 8, "atol": 1e-15 * 8}


def draw(x, key=0):
    return jax.random.normal(jax.random.fold_in(jax.random.key(7), key), x.shape, x.dtype)


FUNCTIONS = {
    "slice": lambda x: x[1:5:2] * x[2],
    "negative stride": lambda x: x[::-1] - x,
    "concatenate": lambda x: jnp.concatenate([x[4:], x[:2] * 2, jnp.zeros(1)]),
    "stack": lambda x: jnp.stack([x, 2 * x, x * x], axis=1),
    "pad": lambda x: jnp.pad(x, (2, 1), constant_values=0.5),
    "pad inside": lambda x: lax.pad(x, jnp.float64(0.25), [(1, -2, 2)]),
    "pad to less": lambda x: lax.pad(x, jnp.float64(0.25), [(-1, -2, 0)]),
    "reshape": lambda x: x.reshape(2, 3) * jnp.arange(3.0),
    "transpose": lambda x: x.reshape(2, 3).T @ x.reshape(2, 3),
    "transpose of three": lambda x: x.reshape(1, 2, 3).transpose(2, 0, 1)[1, :, 1],
    "split": lambda x: [part.sum() for part in jnp.split(x, [1, 4])],
    "expand and squeeze": lambda x: jnp.squeeze(x[None, :, None], 0) + x[:, None],
    "sum": jnp.sum,
    "sum over one axis": lambda x: x.reshape(2, 3).sum(0) + x.reshape(2, 3).sum(1)[0],
    "prod": jnp.prod,
    "prod over an axis": lambda x: x.reshape(3, 2).prod(1),
    "max": lambda x: jnp.max(x.reshape(2, 3), axis=1),
    "min": lambda x: jnp.min(x.reshape(2, 3), axis=0),
    "all and any": lambda x: jnp.where(jnp.all(x > -9) & jnp.any(x > 2), x, -x),
    "mean, var and std": lambda x: jnp.array([x.mean(), x.var(), x.std()]),
    "dot": lambda x: jnp.dot(x, x[::-1]),
    "matrix times vector": lambda x: jnp.asarray(M) @ x,
    "vector times matrix": lambda x: x @ jnp.asarray(M),
    "small matrices": lambda x: x[:4].reshape(2, 2) @ x[2:].reshape(2, 2),
    "outer": lambda x: jnp.outer(x[:3], x[2:]),
    "einsum over a batch": lambda x: jnp.einsum("bi,bi->b", x.reshape(3, 2), x[::-1].reshape(3, 2)),
    "einsum of two axes": lambda x: jnp.einsum("ijk,jk->i", jnp.asarray(M[:2]).reshape(2, 2, 3), x.reshape(2, 3)),
    "broadcast": lambda x: x[:, None] - x[None, :3],
    "where": lambda x: jnp.where(x > 0, jnp.log1p(jnp.abs(x)), x**2),
    "where of a scalar": lambda x: jnp.where(x[0] > 0, x, -x),
    "clip": lambda x: jnp.clip(x, -0.5, 1.0),
    "norm": jnp.linalg.norm,
    "softplus": jax.nn.softplus,
    "logsumexp": jax.nn.logsumexp,
    "relu": jax.nn.relu,
    "log sigmoid": jax.nn.log_sigmoid,
    "gelu": jax.nn.gelu,
    "integer powers": lambda x: x**2 + x**3 - x**-1 + x**0,
    "powers": lambda x: jnp.abs(x) ** 1.7 + 2.0**x,
    "functions": lambda x: jnp.sin(x) * jnp.exp(-x) + jnp.tanh(x) / jnp.cosh(x) + jnp.arctan2(x, x[0]) + jnp.cbrt(x),
    "erf": lambda x: jax.scipy.special.erf(x) + jax.scipy.special.gammaln(jnp.abs(x)),
    "remainder and signs": lambda x: jnp.mod(x, 0.7) + jnp.sign(x) + jnp.floor(x) - jnp.ceil(x) + jnp.round(x),
    "shifts": lambda x: ((x * 9).astype(jnp.int32) << 3) ^ ((x * 99).astype(jnp.uint32) >> 2).astype(jnp.int32) >> 1,
    "integers": lambda x: (x * 3).astype(jnp.int32) // 2 + jnp.arange(6),
    "float32 inside": lambda x: (x.astype(jnp.float32) * 3).astype(jnp.float64),
    "index from a number": lambda x: x[jnp.argmax(x)] + x[(x[0] * 5).astype(jnp.int32)],
    "gather": lambda x: x[jnp.array([3, 0, 0])] * 2,
    "scatter": lambda x: x.at[2].add(x[1]).at[0].set(3.0).at[jnp.array([1, 1])].multiply(2.0),
    "dynamic slice": lambda x: lax.dynamic_slice(x, (jnp.sum(x > 0) // 2,), (3,)),
    "dynamic update": lambda x: lax.dynamic_update_slice(x, x[:2] * 5, (jnp.argmin(x),)),
    "cumsum": jnp.cumsum,
    "cumprod and cummax": lambda x: jnp.cumprod(x) + lax.cummax(x),
    "sort": jnp.sort,
    "argsort": lambda x: x[jnp.argsort(-x)],
    "median": jnp.median,
    "while": lambda x: lax.while_loop(lambda s: jnp.sum(s * s) > 1e-3, lambda s: s * 0.7, x),
    "fori": lambda x: lax.fori_loop(0, 5, lambda i, s: s * 0.9 + i * x[0], x),
    "scan": lambda x: lax.scan(lambda s, y: (s + y, s * y), x[0], x[1:]),
    "cond": lambda x: lax.cond(x[0] > 0, lambda y: y * 2, lambda y: y - 1, x),
    "switch": lambda x: lax.switch((x[3] > 0).astype(int) + 1, [jnp.sin, jnp.cos, jnp.exp], x),
    "jit inside": lambda x: jax.jit(lambda y: jax.jit(jnp.sin)(y) + y[::-1])(x) * 2,
    "checkpoint": lambda x: jax.checkpoint(lambda y: jnp.sin(y) * y)(x),
    "map": lambda x: lax.map(lambda y: y * y + x[0], x),
    "vmap inside": lambda x: jax.vmap(lambda row: row @ row)(x.reshape(2, 3)),
    "outer product too large": lambda x: jnp.outer(x, x).sum(1) + jnp.outer(x, x)[2],
    "large constant": lambda x: jnp.tanh(jnp.arange(40 * 6, dtype=x.dtype).reshape(40, 6) @ x).mean(),
    "large in the middle": lambda x: jnp.tile(x, 20).reshape(20, 6).sum(0) * x,
    "solve": lambda x: jnp.linalg.solve(jnp.asarray(M), x),
    "determinant": lambda x: jnp.linalg.det(jnp.diag(x) + jnp.asarray(M)),
    "random": lambda x: x + draw(x),
    "random key of a value": lambda x: x * draw(x, (x[2] * 10).astype(jnp.uint32)),
    "constant": lambda x: jnp.ones(3),
    "identity": lambda x: x,
    "tree": lambda x: {"a": x[0], "b": (x * 2, [x[1:3]])},
    "stop gradient": lambda x: lax.stop_gradient(x) * x,
}
SMOOTH = [
    *(
        "slice",
        "concatenate",
        "stack",
        "pad",
        "pad inside",
        "reshape",
        "transpose",
        "split",
        "sum over one axis",
        "prod",
    ),
    *("max", "dot", "matrix times vector", "small matrices", "outer", "einsum over a batch", "broadcast", "where"),
    *(
        "norm",
        "softplus",
        "logsumexp",
        "relu",
        "log sigmoid",
        "integer powers",
        "powers",
        "functions",
        "cumsum",
        "scan",
    ),
    *("fori", "cond", "jit inside", "checkpoint", "index from a number", "scatter", "sort", "large constant", "tree"),
    *("large in the middle", "outer product too large", "vmap inside", "dynamic slice", "stop gradient", "solve"),
]


def assert_same(function, *args):
    wanted, found = function(*args), by_scalars(function)(*args)
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        scale = max(1.0, float(np.max(np.abs(theirs), initial=0.0)))
        np.testing.assert_allclose(ours, theirs, rtol=CLOSE["rtol"], atol=CLOSE["atol"] * scale)


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", FUNCTIONS)
def test_same_value(name):
    assert_same(FUNCTIONS[name], jnp.asarray(X))


def total(function):
    return lambda x: sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(function(x)))


@pytest.mark.parametrize("name", SMOOTH)
def test_same_gradient(name):
    assert_same(jax.value_and_grad(total(FUNCTIONS[name])), jnp.asarray(X))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transpose", "norm", "logsumexp", "scatter"])
def test_same_hessian(name):
    assert_same(jax.hessian(total(FUNCTIONS[name])), jnp.asarray(X))
    assert_same(lambda x: jax.jvp(jax.grad(total(FUNCTIONS[name])), (x,), (x[::-1],))[1], jnp.asarray(X))


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in SMOOTH] + ["dynamic slice", "cond", "scan"])
def test_same_under_vmap_over_lanes(name):
    lanes = jnp.asarray(X[:, None] * np.array([1.0, 0.8, -1.1]))
    function = FUNCTIONS[name]
    apart = jax.jit(jax.vmap(by_scalars(function), -1, -1))(lanes)
    whole = [function(lanes[:, i]) for i in range(3)]
    for i in range(3):
        for ours, theirs in zip(jax.tree.leaves(apart), jax.tree.leaves(whole[i]), strict=True):
            scale = max(1.0, float(np.max(np.abs(theirs), initial=0.0)))
            # compiled, XLA contracts products and sums and calls its own functions: some tens of last bits
            np.testing.assert_allclose(ours[..., i], theirs, rtol=1e-13, atol=1e-13 * scale, err_msg=name)


def test_a_gradient_of_the_rewritten_function():
    assert_same(lambda x: jax.grad(total(by_scalars(FUNCTIONS["norm"])))(x), jnp.asarray(X))
    np.testing.assert_allclose(
        jax.grad(total(by_scalars(FUNCTIONS["functions"])))(X), jax.grad(total(FUNCTIONS["functions"]))(X), **CLOSE
    )


def test_arguments_of_every_kind():
    def function(lane, numbers, large, key):
        x, (a, b) = lane
        return x * numbers["c"] + large[:2].sum() * a, jax.random.uniform(key) + b, large

    key = jax.random.key(3)
    assert_same(function, (jnp.ones(2), (1.5, jnp.int32(2))), {"c": 0.5}, jnp.arange(100.0), key)


@pytest.mark.parametrize("size", [1, scalarize.LARGEST, scalarize.LARGEST + 1])
def test_the_bound_between_short_and_whole(size):
    assert_same(lambda x: (x[:-1] * x[-1] + x.sum(), x @ x), jnp.linspace(0.1, 1.3, size + 1))


def test_short_vectors_are_really_taken_apart():
    rosenbrock = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2  # noqa: E731
    jaxpr = jax.make_jaxpr(lambda a, b: by_scalars(jax.value_and_grad(rosenbrock))(jnp.stack([a, b])))(0.5, 1.5)
    # the one vector in is taken apart, the one out put together: nothing else has a shape
    inner = [eqn for eqn in jaxpr.eqns if any(var.aval.shape for var in eqn.outvars)]
    moves = {"broadcast_in_dim", "concatenate", "slice", "reshape", "dynamic_slice", "squeeze", "split", "stack"}
    assert {eqn.primitive.name for eqn in inner} <= moves


# ---- compositions drawn at random: every piece maps a vector [n] to a vector [m]

PIECES = [
    lambda x: jnp.tanh(x),
    lambda x: x[::-1] - 0.5 * x,
    lambda x: jnp.concatenate([x[-1:], x * 0.3]),
    lambda x: x[: max(1, len(x) - 1)] * x[-1],
    lambda x: jnp.pad(x, 1, constant_values=0.1),
    lambda x: jnp.stack([x, -x]).T.reshape(-1)[: len(x) + 1],
    lambda x: jnp.outer(x, x).sum(axis=0) * 0.1,
    lambda x: jnp.where(x > x.mean(), x, jnp.sin(x)),
    lambda x: jnp.asarray(np.sin(np.arange(len(x) * 3.0)).reshape(3, -1)) @ x,
    lambda x: jax.nn.softplus(x) - jnp.max(x),
    lambda x: x / (1 + jnp.linalg.norm(x)),
    lambda x: x**3 / (1 + x**2),
    lambda x: jnp.broadcast_to(x[0], (2,)) + x.sum(),
    lambda x: lax.cond(x[0] > 0, jnp.cos, jnp.sin, x),
    lambda x: lax.fori_loop(0, 3, lambda i, s: 0.5 * jnp.sin(s), x),
    lambda x: jnp.cumsum(x) * 0.5,
    lambda x: jnp.tile(x, 3)[1:],
]


@pytest.mark.slow
@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(range(len(PIECES))), min_size=1, max_size=5),
    # of two lengths only, because every new shape is compiled anew
    st.sampled_from([1, 3]).flatmap(
        lambda n: st.lists(st.floats(-2, 2, allow_subnormal=False), min_size=n, max_size=n)
    ),
)
def test_any_composition(pieces, start):
    def composed(x):
        for piece in pieces:
            x = PIECES[piece](x)
        return x

    assert_same(composed, jnp.asarray(start, jnp.float64))
    assert_same(jax.grad(lambda x: jnp.sum(composed(x))), jnp.asarray(start, jnp.float64))


def test_an_empty_slice_adds_nothing():
    def rest_is_empty(x):
        return jnp.sum(x) + jnp.sum(x[2:] ** 2) + jnp.sum(jnp.concatenate([x[2:], x[:0]]))

    x = jnp.array([0.5, -3.0])
    np.testing.assert_allclose(by_scalars(rest_is_empty)(x), rest_is_empty(x), rtol=1e-15)
    np.testing.assert_allclose(by_scalars(jax.grad(rest_is_empty))(x), [1.0, 1.0], rtol=1e-15)
    rows = jnp.stack([x, 2 * x])
    np.testing.assert_allclose(jax.vmap(by_scalars(rest_is_empty))(rows), [-2.5, -5.0], rtol=1e-15)


# ---- programs


@pytest.mark.parametrize(("surface", "solver"), [("rosenbrock", "momentum"), ("ellipse", "adam")])
def test_results_are_right_without_it(monkeypatch, surface, solver):
    program = program_of(surface, solver, [1e-3, 3e-3], known_minimum=False)
    rewritten = execute(program)
    monkeypatch.setattr(scalarize, "ENABLED", False)
    forget_machines()
    plain = execute(program)
    forget_machines()
    # a hundred steps amplify the last bits
    np.testing.assert_allclose(plain.x, rewritten.x, rtol=1e-11)
    np.testing.assert_allclose(plain.loss_final, rewritten.loss_final, rtol=1e-10)


def primitives(jaxpr):
    for eqn in jaxpr.eqns:
        yield eqn.primitive.name
        if eqn.primitive.name in scalarize.CALLS:
            for part in eqn.params.values():
                part = getattr(part, "jaxpr", part)
                if hasattr(part, "eqns"):
                    yield from primitives(part)


def primitives_of(surface, solver):
    """The primitives of a step."""
    step = Step(program_of(surface, solver, known_minimum=False).signature)
    number = jax.ShapeDtypeStruct((), step.dtype)
    data = tuple(jax.ShapeDtypeStruct(shape, step.dtype) for shape in step.signature.data_shapes)
    arguments = Arguments(dict.fromkeys(step.signature.shared, number), data, number, number, number)

    def one(lane, constants, arguments):
        measured = step.measure(lane, constants, arguments)
        going = step.going(lane, measured, constants, arguments)
        return step(lane, measured, going, constants, arguments)

    return set(primitives(jax.make_jaxpr(one)(step.template, step.constants, arguments).jaxpr))


def test_no_step_holds_a_primitive_that_nobody_has_thought_of():
    known = scalarize.ELEMENTWISE | scalarize.CALLS | scalarize.WHOLE | {"dot_general"}
    known |= set(scalarize.REDUCTIONS) | set(scalarize.MOVES)
    pairs = [("ellipse", name) for name in SOLVERS] + [(name, "sgd") for name in SURFACES]
    assert {pair: unknown for pair in pairs if (unknown := primitives_of(*pair) - known)} == {}
