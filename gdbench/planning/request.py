"""From what was asked for to a validated plan: file, overrides and plug-ins, for every command and for Python."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from gdbench import plugins
from gdbench.errors import SpecError, UsageError
from gdbench.planning.plan import Plan, make_plan
from gdbench.solvers import Solver
from gdbench.spec.sweep import SweepSpec
from gdbench.spec.validation import validated
from gdbench.spec.yaml_file import Document, KeyPath
from gdbench.surfaces import Surface


def request(
    model: type[SweepSpec],
    values: Mapping[str, Any],
    document: Document | None = None,
    elsewhere: Collection[str | KeyPath] = (),
    *,
    surfaces: Sequence[Surface] = (),
    solvers: Sequence[Solver] = (),
    before_planning: Callable[[], None] = lambda: None,
) -> Plan:
    """Return the plan of a specification's `values`, with its plug-ins loaded.

    model : `RunSpec` or `SweepSpec`; document : the file that the values stand in; elsewhere : the keys, or paths to
    keys, that do not stand there but were given as flags or arguments; surfaces, solvers : objects that stand for their
    names. `before_planning` is called once the values are known to be right. Raises `UsageError`: one sentence with the
    key, and with the line of the file that it stands on.
    """
    spec = validated(model, values, document, elsewhere)
    for index, file in enumerate(spec.plugin):
        try:
            plugins.load_file(file)
        except UsageError as error:
            raise _placed(error, ("plugin", index), document, elsewhere) from None
    before_planning()
    try:
        return make_plan(spec, surfaces, solvers)
    except SpecError as error:
        raise _placed(error, error.path, document, elsewhere) from None
    except UsageError as error:
        raise (error if document is None or elsewhere else document.error(error)) from None


def _placed(
    error: UsageError, path: Sequence[Any], document: Document | None, elsewhere: Collection[str | KeyPath]
) -> UsageError:
    return error if document is None else document.error(error, path, elsewhere)
