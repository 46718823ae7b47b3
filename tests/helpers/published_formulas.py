"""The classic surfaces as their formulas are published, in Python's own numbers: loops instead of arrays.

Polynomials keep the type of their argument: handed fractions, they are exact. Weights and indices count from 1 as on
paper, by `enumerate(x, 1)`; nothing here was simplified to keep digits or to trace quickly.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from math import cos, exp, pi, sin, sqrt


def exactly(number):
    """The decimal fraction that is meant by a float such as 2.1, for use beside fractions."""
    return Fraction(str(number))


def rosenbrock(x):
    return sum(100 * (after - before**2) ** 2 + (1 - before) ** 2 for before, after in pairwise(x))


def beale(x):
    return sum(
        (c - x[0] * (1 - x[1] ** i)) ** 2 for i, c in enumerate([exactly(1.5), exactly(2.25), exactly(2.625)], 1)
    )


def saddle(x):
    return x[0] * x[0] - x[1] * x[1]


def monkey_saddle(x):
    return x[0] ** 3 - 3 * x[0] * x[1] ** 2


def plateau(x, width=1.0):
    return math.fsum(math.tanh(xi / width) ** 2 for xi in x)


def long_valley(x):
    return 0.2 * (math.hypot(x[0], 0.5) - 0.5) + 10 * x[1] ** 2


def sphere(x):
    return sum(xi**2 for xi in x)


def sum_of_powers(x):
    return sum(abs(xi) ** (i + 1) for i, xi in enumerate(x, 1))


def zakharov(x):
    along = sum(i * xi for i, xi in enumerate(x, 1)) / Fraction(2)
    return sum(xi**2 for xi in x) + along**2 + along**4


def dixon_price(x):
    return (x[0] - 1) ** 2 + sum(i * (2 * x[i - 1] ** 2 - x[i - 2]) ** 2 for i in range(2, len(x) + 1))


def booth(x):
    # multiplied out
    return 5 * x[0] ** 2 + 5 * x[1] ** 2 + 8 * x[0] * x[1] - 34 * x[0] - 38 * x[1] + 74


def matyas(x):
    return exactly(0.26) * (x[0] ** 2 + x[1] ** 2) - exactly(0.48) * x[0] * x[1]


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def branin(x):
    a, b, c, r, s, t = 1, 5.1 / (4 * pi**2), 5 / pi, 6, 10, 1 / (8 * pi)
    return a * (x[1] - b * x[0] ** 2 + c * x[0] - r) ** 2 + s * (1 - t) * cos(x[0]) + s


def mccormick(x):
    return sin(x[0] + x[1]) + (x[0] - x[1]) ** 2 - 1.5 * x[0] + 2.5 * x[1] + 1


def three_hump_camel(x):
    return 2 * x[0] ** 2 - exactly(1.05) * x[0] ** 4 + x[0] ** 6 / Fraction(6) + x[0] * x[1] + x[1] ** 2


def six_hump_camel(x):
    first = (4 - exactly(2.1) * x[0] ** 2 + x[0] ** 4 / Fraction(3)) * x[0] ** 2
    return first + x[0] * x[1] + (-4 + 4 * x[1] ** 2) * x[1] ** 2


def goldstein_price(x):
    a, b = x
    first = 1 + (a + b + 1) ** 2 * (19 - 14 * a + 3 * a**2 - 14 * b + 6 * a * b + 3 * b**2)
    second = 30 + (2 * a - 3 * b) ** 2 * (18 - 32 * a + 12 * a**2 + 48 * b - 36 * a * b + 27 * b**2)
    return first * second


def ackley(x, a=20.0, b=0.2, c=2 * pi):
    n = len(x)
    waves = exp(math.fsum(cos(c * xi) for xi in x) / n)
    return -a * exp(-b * sqrt(math.fsum(xi**2 for xi in x) / n)) - waves + a + math.e


def rastrigin(x, A=10.0):
    return A * len(x) + math.fsum(xi**2 - A * cos(2 * pi * xi) for xi in x)


def griewank(x):
    waves = math.prod(cos(xi / sqrt(i)) for i, xi in enumerate(x, 1))
    return math.fsum(xi**2 for xi in x) / 4000 - waves + 1


def levy(x):
    w = [1 + (xi - 1) / 4 for xi in x]
    inner = math.fsum((wi - 1) ** 2 * (1 + 10 * sin(pi * wi + 1) ** 2) for wi in w[:-1])
    return sin(pi * w[0]) ** 2 + inner + (w[-1] - 1) ** 2 * (1 + sin(2 * pi * w[-1]) ** 2)


def schwefel(x):
    return -math.fsum(xi * sin(sqrt(abs(xi))) for xi in x)


def michalewicz(x, m=10):
    return -math.fsum(sin(xi) * sin(i * xi**2 / pi) ** (2 * m) for i, xi in enumerate(x, 1))


def styblinski_tang(x):
    return sum(xi**4 - 16 * xi**2 + 5 * xi for xi in x) / Fraction(2)


def easom(x):
    return -cos(x[0]) * cos(x[1]) * exp(-((x[0] - pi) ** 2 + (x[1] - pi) ** 2))


def eggholder(x):
    return -(x[1] + 47) * sin(sqrt(abs(x[1] + x[0] / 2 + 47))) - x[0] * sin(sqrt(abs(x[0] - (x[1] + 47))))


def freudenstein_roth(x):
    first = -13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1]
    return first**2 + (-29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1]) ** 2


def brown_badly_scaled(x):
    return (x[0] - 10**6) ** 2 + (x[1] - exactly(2e-6)) ** 2 + (x[0] * x[1] - 2) ** 2


def helical_valley(x):
    turns = math.atan(x[1] / x[0]) / (2 * pi) + (0.5 if x[0] < 0 else 0.0)
    return (10 * (x[2] - 10 * turns)) ** 2 + (10 * (math.hypot(x[0], x[1]) - 1)) ** 2 + x[2] ** 2


def powell_singular(x):
    fours = [x[first : first + 4] for first in range(0, len(x), 4)]
    return sum((a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4 for a, b, c, d in fours)


def wood(x):
    a, b, c, d = x
    first = 100 * (b - a**2) ** 2 + (1 - a) ** 2 + 90 * (d - c**2) ** 2 + (1 - c) ** 2
    return first + 10 * (b + d - 2) ** 2 + (b - d) ** 2 / Fraction(10)


def trigonometric(x):
    n = len(x)
    others = math.fsum(cos(xj) for xj in x)
    return math.fsum((n - others + i * (1 - cos(xi)) - sin(xi)) ** 2 for i, xi in enumerate(x, 1))


POLYNOMIALS = {
    function.__name__.replace("_", "-"): function
    for function in (
        *(rosenbrock, beale, saddle, monkey_saddle, sphere, sum_of_powers, zakharov, dixon_price, booth, matyas),
        *(himmelblau, three_hump_camel, six_hump_camel, goldstein_price, styblinski_tang, freudenstein_roth),
        *(brown_badly_scaled, powell_singular, wood),
    )
}
OTHERS = {
    function.__name__.replace("_", "-"): function
    for function in (
        *(plateau, long_valley, branin, mccormick, ackley, rastrigin, griewank, levy, schwefel, michalewicz),
        *(easom, eggholder, helical_valley, trigonometric),
    )
}
FORMULAS = {**POLYNOMIALS, **OTHERS}
