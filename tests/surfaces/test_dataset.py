"""Tables of examples and their exact minimisers, against hand-made files, scikit-learn and rational arithmetic."""

import csv
import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gdbench.errors import DataError
from gdbench.surfaces.data import column_basis, dataset, preprocessing, regression, separability

GOOD = "x1,x2,y\n1,2,3\n4,5,6.5\n7,1,0\n2,2,1\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace(",", ";"),
        GOOD.replace(",", "\t"),
        GOOD.replace(",", ", "),
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        '"x1","x2","y"\n' + GOOD.split("\n", 1)[1],
        GOOD.replace("\n", "\n\n") + "\n \n",
        GOOD.replace("\n", ",\n").replace("y,", "y", 1),  # every row ends in a separator
        GOOD.replace("x1", '" x1\n"').replace("x2", '"x2 "'),
        ",x1,x2,y\n0,1,2,3\n1,4,5,6.5\n2,7,1,0\n3,2,2,1\n",  # pandas' to_csv
        '"","x1","x2","y"\n"1",1,2,3\n"2",4,5,6.5\n"3",7,1,0\n"4",2,2,1\n',  # R's write.csv
        ",Unnamed: 0,x1,x2,y\n0,0,1,2,3\n1,1,4,5,6.5\n2,2,7,1,0\n3,3,2,2,1\n",  # saved by pandas twice
    ],
)
def test_one_table_in_many_layouts(write, text):
    table = dataset.load(write(text), "y")
    assert (table.name, table.feature_names, table.target_name, table.classes) == ("table", ("x1", "x2"), "y", ())
    np.testing.assert_array_equal(table.features, [[1, 2], [4, 5], [7, 1], [2, 2]])
    np.testing.assert_array_equal(table.target, [3, 6.5, 0, 1])
    assert table.features.dtype == table.target.dtype == np.float64


def test_separator_inside_quoted_names(write):
    table = dataset.load(write('"a;b";"c,d,e";y\n1;2;3\n4;5;6\n7;9;9\n'), "y")
    assert table.feature_names == ("a;b", "c,d,e")


def test_true_false_and_long_integers_are_numbers(write):
    table = dataset.load(write("a,b,y\nTrue,123456789012345678901234,1\nFalse,1,2\nTrue,2,3\n"), "y")
    np.testing.assert_array_equal(table.features, [[1, 123456789012345678901234.0], [0, 1], [1, 2]])


@pytest.mark.parametrize(
    ("text", "target", "words"),
    [
        ("", "y", ["is empty"]),
        ("\n \n", "y", ["is empty"]),
        ("\ufeff", "y", ["is empty"]),
        ("x,y\n", "y", ["header", "no rows"]),
        (GOOD, None, ["which column", "x1, x2, y"]),
        (GOOD, "Y2", ["no column 'Y2'", "did you mean 'y'"]),
        (GOOD, "quality", ["no column 'quality'", "choose from: x1, x2, y"]),
        ("1,2,3\n4,5,6\n", "y", ["line 1 should name the columns", "only numbers"]),
        ("x y\n1 2\n", "y", ["no column 'y'", "did you mean 'x y'"]),
        ("y\n1\n2\n", "y", ["only the column 'y'", "comma, semicolon, tab"]),
        ("x,x,y\n1,2,3\n", "y", ["line 1", "two columns are named 'x'", "columns 1 and 2"]),
        ("x,,y\n1,2,3\n", "y", ["line 1", "column 2 has no name"]),
        (",x,y\n7,2,3\n3,4,4\n", "y", ["line 1", "column 1 has no name"]),
        ("Unnamed: 0,x,y\n0,2,3\n2,4,4\n", "y", ["line 1", "column 1 has no name"]),
        (
            "x1,x2,y\n1,2,3\n\n1,red,3\n",
            "y",
            ["column 'x2'", "line 4", "'red' is not a number", "only numeric columns"],
        ),
        ('x,t,y\n1,"a\nb",3\n', "y", ["column 't'", "line 2", "not a number"]),
        ("x,y\n1," + "z" * 99 + "\n", "y", ["column 'y'", "'" + "z" * 40 + "..'", "needs a numeric target"]),
        ('x,y\n1,2\n"1,234",3\n', "y", ["column 'x'", "line 3", "'1,234'", "without thousands separators"]),
        ("x;y\n1,5;2\n2,5;3\n", "y", ["column 'x'", "line 2", "'1,5'", "decimal point"]),
        (
            "x,z,y\n1,2,3\n,2,3\n,,3\n",
            "y",
            ["column 'x'", "line 3", "missing", "2 missing in this column, 3 in the file"],
        ),
        ("x,y\n1,2\n?,3\n", "y", ["column 'x'", "line 3", "'?' counts as missing"]),
        ("x,y\n1,2\n1\n", "y", ["column 'y'", "line 3", "too short"]),
        ("x,y\n1,2\n1,-inf\n", "y", ["column 'y'", "line 3", "infinite"]),
        ("x,y\n1,2\n1e999,1\n", "y", ["column 'x'", "line 3", "infinite"]),
        ("x,y\n1,2\n1e200,1\n", "y", ["column 'x'", "line 3", "above 1e+100"]),
        ("x,y\n1,2,3\n4,5,6\n", "y", ["line 2 has 3 fields where the header names 2", "separator: comma"]),
        ("x,y\n1,2\n4,5,6\n", "y", ["line 3 has 3 fields where the header names 2"]),
        ('x,y\n1,"2\n3,4\n', "y", ["never closed"]),
        ('"x,y\n' + "1" * 140_000, "y", ["never closed"]),
        ("a,b,c,y\n1,2,3,4\n5,6,7,8\n9,0,1,3\n", "y", ["3 rows for 4 weights", "3 features"]),
        (b"x,y\n1,caf\xe9\n", "y", ["line 2", "0xe9", "UTF-8"]),
        ("x,y\n1,2\n".encode("utf-16"), "y", ["0xff", "UTF-8"]),
        (b"x,y\n1,\x00\n", "y", ["line 2", "0x00 is not text"]),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(write, text, target, words):
    path = write(text)
    with pytest.raises(DataError) as caught:
        dataset.load(path, target)
    message = str(caught.value)
    assert path in message
    for word in words:
        assert word in message


def test_files_that_are_not_there(write, tmp_path):
    write(GOOD, "winequality.csv")
    with pytest.raises(DataError, match=r"no file .*wine_quality\.csv.*did you mean .*winequality\.csv"):
        dataset.load(str(tmp_path / "wine_quality.csv"), "y")
    with pytest.raises(DataError, match=r"nothing in .* is named like it"):
        dataset.load(str(tmp_path / "zzzz"), "y")
    with pytest.raises(DataError, match=r"the folder .*gone does not exist"):
        dataset.load(str(tmp_path / "gone" / "wine2.csv"), "y")
    with pytest.raises(DataError, match="write 'sklearn:diabetes'"):
        dataset.load("diabetes", "y")
    with pytest.raises(DataError, match="is a folder"):
        dataset.load(str(tmp_path), "y")
    with pytest.raises(DataError, match="cannot be read: embedded null"):
        dataset.load("a\0b", "y")
    with pytest.raises(DataError, match=r"cannot be read: Not a directory"):
        dataset.load(str(tmp_path / "winequality.csv" / "x.csv"), "y")


# --- two classes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "classes", "codes"),
    [
        (["0", "1", "1"], ("0", "1"), [0, 1, 1]),
        (["10", "9", "9.0"], ("9", "10"), [1, 0, 0]),
        (["0.1", "-2", "-2"], ("-2", "0.1"), [1, 0, 0]),
        (["True", "False", "True"], ("False", "True"), [1, 0, 1]),
        (["yes", "no ", "no"], ("no", "yes"), [1, 0, 0]),
    ],
)
def test_two_labels_are_sorted_into_0_and_1(write, labels, classes, codes):
    rows = "".join(f"{row},{label}\n" for row, label in enumerate(labels))
    table = dataset.load(write("x,kind\n" + rows), "kind", "logistic")
    assert table.classes == classes
    np.testing.assert_array_equal(table.target, codes)


def test_other_numbers_of_classes_are_refused(write):
    with pytest.raises(DataError, match=r"column 'y'.*exactly two classes, found 4 classes \(0, 1, 3, 6\.5\)"):
        dataset.load(write(GOOD), "y", "logistic")
    with pytest.raises(DataError, match=r"found only one class \(a\)"):
        dataset.load(write("x,y\n1,a\n2,a\n"), "y", "logistic")
    with pytest.raises(DataError, match=r"found 30 classes .*\.\. \(30 in all\)"):
        dataset.load(write("x,y\n" + "".join(f"1,c{k}\n" for k in range(30))), "y", "logistic")
    with pytest.raises(DataError, match="unknown model 'logistics'; did you mean 'logistic'"):
        dataset.load(write(GOOD), "y", "logistics")


# --- scikit-learn ----------------------------------------------------------------------------------------------------


def test_sets_of_sklearn():
    from sklearn import datasets

    wine = dataset.load("sklearn:wine", None)
    expected = datasets.load_wine()
    np.testing.assert_array_equal(wine.features, expected.data)
    np.testing.assert_array_equal(wine.target, expected.target)
    assert (wine.name, wine.target_name, wine.feature_names[0]) == ("wine", "target", "alcohol")
    cancer = dataset.load("sklearn:breast_cancer", None, "logistic")
    assert cancer.features.shape == (569, 30)
    assert cancer.classes == ("malignant", "benign")
    np.testing.assert_array_equal(cancer.target, datasets.load_breast_cancer().target)


def test_a_feature_of_an_sklearn_set_may_be_the_target():
    table = dataset.load("sklearn:wine", "alcohol")
    assert table.target_name == "alcohol"
    assert len(table.feature_names) == 12
    assert "target" not in table.feature_names


def test_sklearn_sets_that_cannot_be_had(monkeypatch):
    with pytest.raises(DataError, match="unknown data set 'diabetis' of scikit-learn; did you mean 'diabetes'"):
        dataset.load("sklearn:diabetis", None)
    with pytest.raises(DataError, match=r"sklearn:iris.*found 3 classes"):
        dataset.load("sklearn:iris", None, "logistic")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(DataError, match=r"pip install 'gdbench\[sklearn\]'"):
        dataset.load("sklearn:wine", None)


# --- preprocessing ---------------------------------------------------------------------------------------------------


def table_of(features):
    features = np.asarray(features, float)
    names = tuple(f"x{k}" for k in range(features.shape[1]))
    return dataset.Dataset("t", features, np.arange(float(len(features))), names, "y")


def test_preprocessings_by_hand():
    table = table_of([[1, 10], [3, 10], [5, 40]])  # deviations of the first from its mean 3: -2, 0, 2
    assert preprocessing.preprocess(table, "raw") is table
    np.testing.assert_allclose(
        preprocessing.preprocess(table, "center").features, [[-2, -10], [0, -10], [2, 20]], rtol=1e-15
    )
    spread = math.sqrt(8 / 3)
    np.testing.assert_allclose(
        preprocessing.preprocess(table, "scale").features[:, 0], [1 / spread, 3 / spread, 5 / spread]
    )
    done = preprocessing.preprocess(table, "standardize")
    np.testing.assert_allclose(done.features[:, 0], [-2 / spread, 0, 2 / spread])
    assert (done.name, done.feature_names, done.target_name) == ("t", ("x0", "x1"), "y")
    assert done.target is table.target


def test_standardize_keeps_its_digits_far_from_zero_and_at_the_ends_of_the_range():
    wave = np.array([-1.0, 1.0, 1.0, -1.0, 1.0, -1.0])
    done = preprocessing.preprocess(
        table_of(np.column_stack([wave + 1e9, wave * 1e99, wave * 1e-300, wave * 5e-324])), "standardize"
    )
    np.testing.assert_array_equal(done.features, np.column_stack([wave] * 4))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 + 0.1, -1e-200, 1e99])
def test_a_constant_column_is_centred_to_0_and_never_scaled(value):
    table = table_of(np.column_stack([np.arange(1000), np.full(1000, value)]))
    np.testing.assert_array_equal(preprocessing.preprocess(table, "center").features[:, 1], 0)
    for how in ("scale", "standardize"):
        with pytest.raises(DataError, match=f"column 'x1' is constant.*'{how}'"):
            preprocessing.preprocess(table, how)


def test_a_column_that_varies_by_rounding_is_constant():
    with pytest.raises(DataError, match="column 'x0' is constant"):
        preprocessing.preprocess(table_of([[0.1 + 0.2], [0.3], [0.3]]), "scale")
    assert preprocessing.preprocess(table_of([[1e9], [1e9 + 1e-4], [1e9]]), "scale").features.shape == (3, 1)


def test_unknown_preprocessing():
    with pytest.raises(DataError, match="unknown preprocessing 'standardise'; did you mean 'standardize'"):
        preprocessing.preprocess(table_of([[1], [2]]), "standardise")


def test_the_intercept_comes_last():
    np.testing.assert_array_equal(dataset.design_matrix(table_of([[5, 6], [7, 8]])), [[5, 6, 1], [7, 8, 1]])


# --- any file at all -------------------------------------------------------------------------------------------------

MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.integers(0, 4),
        st.one_of(
            st.sampled_from(
                ["", ",", ";", "\t", "\n", "\r", '"', "\n\n", " ", "nan", "inf", "-", "e5", "True", "0x1", "\0"]
            ),
            st.text(max_size=3),
        ),
    ),
    max_size=6,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MUTATIONS, st.sampled_from(dataset.MODELS))
def test_a_mutated_file_is_read_rightly_or_refused(write, mutations, model):
    text = "x1,x2,y\n1,2,0\n4.5,5,1\n7,-1e3,0\n2,2,1\n"
    for place, removed, added in mutations:
        text = text[:place] + added + text[place + removed :]
    path = write(text.encode("utf-8", "surrogatepass"))
    try:
        table = dataset.load(path, "y", model)
    except DataError:
        return
    assert np.isfinite(table.features).all()
    assert np.isfinite(table.target).all()
    assert len(table.target) > len(table.feature_names) or model == "mlp"  # more weights than examples are usual there
    # an independent reading of the same text finds the same numbers
    separator = max(",;\t", key=lambda one: len(next(csv.reader([text.strip().splitlines()[0]], delimiter=one))))
    rows = [row for row in csv.reader(text.splitlines(keepends=True), delimiter=separator) if "".join(row).strip()]
    if len(rows) == len(table.target) + 1 and table.feature_names == ("x1", "x2") and rows[0][:2] == ["x1", "x2"]:
        truth = {"True": "1", "False": "0", "TRUE": "1", "FALSE": "0", "true": "1", "false": "0"}
        read = [[float(truth.get(cell.strip(), cell)) for cell in row[:2]] for row in rows[1:]]
        np.testing.assert_array_equal(table.features, read)


# --- linear regression -----------------------------------------------------------------------------------------------


def mean_square(inputs, targets, weights):
    return np.mean((inputs @ weights - targets) ** 2)


def exact_least_squares(inputs, targets):
    """Minimiser and minimum of the mean square in rational arithmetic: Gauss-Jordan on the normal equations."""
    n, p = inputs.shape
    x = [[Fraction(value) for value in row] for row in inputs.tolist()]
    t = [Fraction(value) for value in targets.tolist()]
    a = [[sum(row[j] * row[k] for row in x) for k in range(p)] + [sum(row[j] * u for row, u in zip(x, t, strict=True))]
         for j in range(p)]  # fmt: skip
    for k in range(p):
        pivot = [value / a[k][k] for value in a[k]]
        a = [pivot if j == k else [u - a[j][k] * v for u, v in zip(a[j], pivot, strict=True)] for j in range(p)]
    weights = [row[p] for row in a]
    errors = [sum(u * w for u, w in zip(row, weights, strict=True)) - u for row, u in zip(x, t, strict=True)]
    return np.array([float(w) for w in weights]), float(sum(e * e for e in errors) / n)


def test_a_line_through_three_points():
    # t = 0, 1, 1 at x = 0, 1, 2: slope 1/2, intercept 1/6, residuals 1/6, -1/3, 1/6
    solution = regression.linear_solution(np.array([[0, 1], [1, 1], [2, 1.0]]), np.array([0, 1, 1.0]))
    np.testing.assert_allclose(solution.minimiser, [1 / 2, 1 / 6], rtol=1e-15)
    assert solution.f_star == pytest.approx(1 / 18, rel=1e-15)
    assert solution.note == ""


@pytest.mark.parametrize(("shift", "scale"), [(0, 1), (0, 1e-9), (1e3, 1e5), (1e6, 1)])
def test_least_squares_against_rational_arithmetic(shift, scale):
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(30, 3))
    inputs = np.column_stack([spread * scale * [1, 10, 1e5] + shift, np.ones(30)])
    targets = spread @ [1, -2, 0.5] + rng.normal(size=30)
    weights, f_star = exact_least_squares(inputs, targets)
    solution = regression.linear_solution(inputs, targets)
    np.testing.assert_allclose(solution.minimiser, weights, rtol=1e-11)
    assert solution.f_star == pytest.approx(f_star, rel=1e-13)


@pytest.mark.parametrize("name", ["diabetes", "wine", "breast_cancer"])
def test_least_squares_on_real_tables(name):
    from sklearn.linear_model import LinearRegression

    found = []
    for how in dataset.PREPROCESSINGS:
        table = preprocessing.preprocess(dataset.load(f"sklearn:{name}", None), how)
        inputs = dataset.design_matrix(table)
        solution = regression.linear_solution(inputs, table.target)
        residual = inputs @ solution.minimiser - table.target
        scale = np.linalg.norm(inputs, axis=0) * np.linalg.norm(residual)
        assert np.all(np.abs(inputs.T @ residual) < 1e-12 * np.maximum(scale, np.linalg.norm(scale) * 1e-3))
        found.append(solution.f_star)
        if how == "standardize":
            fitted = LinearRegression().fit(table.features, table.target)
            np.testing.assert_allclose(solution.minimiser, [*fitted.coef_, fitted.intercept_], rtol=1e-9)
    np.testing.assert_allclose(found, found[0], rtol=1e-13)


def test_dependent_columns_give_the_minimiser_of_least_norm():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(30, 2))
    inputs, targets = np.column_stack([a, 1e6 * a[:, 0], a.sum(axis=1), np.ones(30)]), rng.normal(size=30)
    solution = regression.linear_solution(inputs, targets)
    assert "linearly dependent (rank 3 of 5)" in solution.note
    np.testing.assert_allclose(solution.minimiser, np.linalg.pinv(inputs) @ targets, rtol=1e-9, atol=1e-14)
    one_hot = np.column_stack([np.eye(3)[rng.integers(3, size=9999)], np.ones(9999)])
    assert "rank 3 of 4" in regression.linear_solution(one_hot, rng.normal(size=9999)).note


def test_more_weights_than_examples_and_nothing_but_zeros():
    inputs, targets = np.random.default_rng(2).normal(size=(3, 5)), np.array([1, 2, 4.0])
    solution = regression.linear_solution(inputs, targets)
    np.testing.assert_allclose(solution.minimiser, np.linalg.pinv(inputs) @ targets, rtol=1e-12)
    assert solution.f_star < 1e-28
    assert "rank 3 of 5" in solution.note
    zeros = regression.linear_solution(np.zeros((3, 2)), targets)
    assert (zeros.minimiser.tolist(), zeros.f_star) == ([0, 0], 7)
    half = regression.logistic_solution(np.zeros((2, 2)), np.array([0, 1.0]))
    assert (half.minimiser.tolist(), half.f_star) == ([0, 0], pytest.approx(math.log(2)))


# --- logistic regression ---------------------------------------------------------------------------------------------


def cross_entropy_gradient(inputs, targets, weights):
    return inputs.T @ (1 / (1 + np.exp(-(inputs @ weights))) - targets) / len(targets)


def points(*values):
    return np.column_stack([np.array(values, float), np.ones(len(values))])


def test_logistic_by_hand():
    # at x = 0 one of three is 1, at x = 1 two of three: intercept log(1/2), slope log 4, both groups p = 1/3 right
    solution = regression.logistic_solution(points(0, 0, 0, 1, 1, 1), np.array([0, 0, 1, 0, 1, 1.0]))
    np.testing.assert_allclose(solution.minimiser, [math.log(4), -math.log(2)], rtol=1e-15)
    assert solution.f_star == pytest.approx(-(2 * math.log(2 / 3) + math.log(1 / 3)) / 3, rel=1e-15)
    assert solution.note == ""


@pytest.mark.parametrize(("shift", "scale"), [(0, 1), (5, 1e-6), (100, 1e3), (1e6, 1)])
def test_logistic_against_sklearn_at_every_scale(shift, scale):
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(3)
    z = rng.normal(size=(300, 3))
    targets = (z @ [1, 2, -1] + 0.5 + rng.logistic(size=300) > 0) * 1.0
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(z, targets)
    inputs = np.column_stack([z * scale + shift, np.ones(300)])
    solution = regression.logistic_solution(inputs, targets)
    rtol = 1e-9 + 2e-15 * shift / scale  # mapping the intercept back cancels that many digits
    mapped = [*(solution.minimiser[:3] * scale), solution.minimiser[3] + shift * solution.minimiser[:3].sum()]
    np.testing.assert_allclose(mapped, [*fitted.coef_[0], fitted.intercept_[0]], rtol=rtol)
    gradient = cross_entropy_gradient(inputs, targets, solution.minimiser)
    rounding = 1e-15 * np.abs(inputs).max() ** 2 * np.linalg.norm(solution.minimiser)
    assert np.linalg.norm(gradient) < max(1e-10, rounding)
    assert solution.note == ""


@pytest.mark.parametrize("overlap", [1e-3, 1e-6, 1e-9, 1e-12])
def test_barely_not_separable(overlap):
    targets = np.array([0, 0, 0, 0, 1, 1, 1, 1.0])
    inputs = points(-3, -2, -1, overlap, 0, 1, 2, 3)
    solution = regression.logistic_solution(inputs, targets)
    assert np.linalg.norm(cross_entropy_gradient(inputs, targets, solution.minimiser)) < 1e-15
    # the two that overlap are near p = 1/2, the others right: E is near log(2) / 4
    assert solution.f_star == pytest.approx(math.log(2) / 4, rel=0.005)  # the others' share, at overlap 1e-3


@pytest.mark.parametrize("gap", [1e-12, 1e-9, 1e-3, 1])
def test_barely_separable(gap):
    solution = regression.logistic_solution(points(-3, -2, 0, gap, 2, 3), np.array([0, 0, 0, 1, 1, 1.0]))
    assert solution.minimiser is None
    assert math.isnan(solution.f_star)
    assert "are linearly separable" in solution.note
    assert "decreases towards 0 as the weights grow" in solution.note


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [
        (points(-2, -1, 0, 0, 1, 2), [0, 0, 0, 1, 1, 1]),  # both classes at 0
        (np.column_stack([[0, 0, 0, 0, 1, 1], [1, 2, 3, 4, 2, 1], np.ones(6)]), [0, 1, 1, 0, 1, 1]),  # a 1 is always 1
    ],
)
def test_quasi_separable(inputs, targets):
    solution = regression.logistic_solution(np.asarray(inputs, float), np.array(targets, float))
    assert solution.minimiser is None
    assert math.isnan(solution.f_star)
    assert "quasi-completely separable" in solution.note
    assert "decreases towards a value that it never reaches" in solution.note


def test_one_class_alone_is_separable():
    assert "linearly separable" in regression.logistic_solution(points(1, 2, 3), np.ones(3)).note


@pytest.mark.parametrize("seed", range(100))
def test_what_newton_proves_is_what_the_linear_program_finds(seed):
    rng = np.random.default_rng(seed)
    n, d = rng.integers(3, 25), rng.integers(1, 5)
    inputs = np.column_stack([rng.integers(-3, 4, size=(n, d)) * 10.0 ** rng.integers(-6, 7, size=d), np.ones(n)])
    score = rng.integers(0, 3) * (inputs / np.abs(inputs).max(axis=0).clip(1e-9)).sum(axis=1) + rng.normal(size=n) / 2
    targets = (score > 0) * 1.0
    signed = np.where(targets > 0.5, 1.0, -1.0)[:, None] * column_basis.basis_of(inputs).columns
    verdict = separability.separation(signed)
    assert regression._newton(signed)[1] in (verdict, "unknown")
    assert (regression.logistic_solution(inputs, targets).minimiser is None) == (verdict != "overlap")


def test_the_linear_program_decides_where_newton_proves_nothing():
    # columns x1, x2, x3 and the class of each example; the plane that separates leaves some of both classes on it
    rows = """-1 2 3 0; 2 3 -1 0; 0 0 3 0; 1 0 2 0; 1 -1 0 0; 3 2 0 0; 2 -1 3 0; 0 0 0 0; 2 -1 -2 1; 0 0 -3 1;
              -1 -1 1 0; 0 -3 -3 1; 2 -1 -3 1; 1 -1 0 1; -1 0 -3 1; 0 -1 -3 1; 0 3 1 0; 3 1 1 0; -3 2 -2 1; 1 3 3 0"""
    table = np.array([row.split() for row in rows.split(";")], float)
    inputs, targets = np.column_stack([table[:, :3] * [0.01, 10, 1e4], np.ones(20)]), table[:, 3]
    assert "quasi-completely" in regression.logistic_solution(inputs, targets).note


@pytest.mark.parametrize("how", dataset.PREPROCESSINGS)
def test_breast_cancer_is_separable_however_it_is_scaled(how):
    table = preprocessing.preprocess(dataset.load("sklearn:breast_cancer", None, "logistic"), how)
    inputs = dataset.design_matrix(table)
    solution = regression.logistic_solution(inputs, table.target)
    assert solution.minimiser is None
    assert "are linearly separable" in solution.note
    # the proof, in rational arithmetic: a plane with every example on its side
    basis = column_basis.basis_of(inputs)
    signs = np.where(table.target > 0.5, 1, -1)
    weights = [Fraction(w) for w in (basis.weights @ regression._newton(signs[:, None] * basis.columns)[0]).tolist()]
    for sign, row in zip(signs.tolist(), inputs.tolist(), strict=True):
        assert sign * sum(w * Fraction(value) for w, value in zip(weights, row, strict=True)) > 0


def test_ten_features_of_breast_cancer_are_not_separable():
    table = dataset.load("sklearn:breast_cancer", None, "logistic")
    mean = dataset.Dataset("means", table.features[:, :10], table.target, table.feature_names[:10], "target")
    found = [
        regression.logistic_solution(dataset.design_matrix(preprocessing.preprocess(mean, how)), table.target).f_star
        for how in dataset.PREPROCESSINGS
    ]
    np.testing.assert_allclose(found, found[0], rtol=1e-13)
    assert 0 < found[0] < math.log(2)


def test_logistic_with_dependent_columns_gives_the_minimiser_of_least_norm():
    rng = np.random.default_rng(5)
    z = rng.normal(size=(200, 2))
    targets = (z[:, 0] + rng.logistic(size=200) > 0) * 1.0
    inputs = np.column_stack([z, 1000 * z.sum(axis=1), np.ones(200)])
    solution = regression.logistic_solution(inputs, targets)
    full = regression.logistic_solution(inputs[:, [0, 1, 3]], targets)
    assert solution.f_star == pytest.approx(full.f_star, rel=1e-14)
    assert "rank 3 of 4" in solution.note
    null = np.array([1000, 1000, -1, 0.0])
    assert abs(null @ solution.minimiser) < 1e-10 * np.linalg.norm(null) * np.linalg.norm(solution.minimiser)


# --- fewer examples --------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_reduced_examples_have_the_same_error_everywhere(n, p, seed):
    rng = np.random.default_rng(seed)
    inputs, targets = rng.normal(size=(n, p)) * 10.0 ** rng.integers(-3, 4, size=p), rng.normal(size=n)
    fewer, values = regression.reduce_examples(inputs, targets)
    assert fewer.shape == (min(n, p + 1), p)
    assert values.shape == (min(n, p + 1),)
    for weights in rng.normal(size=(5, p)):
        # relative to what is summed, as a residual may cancel
        scale = mean_square(np.abs(inputs), -np.abs(targets), np.abs(weights))
        assert abs(mean_square(fewer, values, weights) - mean_square(inputs, targets, weights)) < 1e-12 * scale


def test_few_examples_are_left_alone():
    inputs, targets = np.eye(3)[:, :2], np.arange(3.0)
    assert regression.reduce_examples(inputs, targets) == (inputs, targets)
