"""Turn what was typed into a validated plan, for `run`, `sweep` and `theory`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from gdbench.cli import console
from gdbench.cli.options import read_options

if TYPE_CHECKING:
    from gdbench.planning.plan import Plan
    from gdbench.spec.sweep import SweepSpec
    from gdbench.spec.yaml_file import Document, KeyPath


def plan_of_options(
    model: type[SweepSpec],
    options: Mapping[str, Any],
    config: str | None = None,
    always: Mapping[str, Any] | None = None,
) -> Plan:
    """Return the plan of a command line's `options` and, where there is one, of the file `config`, over which they win.

    always : values that the command sets itself.
    """
    from gdbench.spec.yaml_file import read_yaml

    given = read_options(options, model)
    document = read_yaml(config) if config else None
    in_file = document.values if document else {}
    return plan_of_values(model, {**in_file, **given, **(always or {})}, document, given)


def plan_of_values(
    model: type[SweepSpec],
    values: Mapping[str, Any],
    document: Document | None,
    elsewhere: Collection[str | KeyPath],
) -> Plan:
    """Return the plan of a specification's `values`, with the plug-ins of installed packages loaded.

    elsewhere : what of `values` does not stand in the `document`.
    """
    from gdbench.planning.request import request

    console.load_plugins([])
    return request(model, values, document, elsewhere, before_planning=console.use_compilation_cache)
