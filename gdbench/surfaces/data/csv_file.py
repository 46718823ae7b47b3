"""Read a CSV file into a frame, and keep the line of every row for error messages."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gdbench.errors import DataError, nearest

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
UNNAMED = r"(Unnamed: 0(\.\d+)*)?"  # pandas and R name the row index that they write like this
UNCLOSED = 'cannot be read as CSV: a quoted field (") is never closed'


@dataclass(frozen=True)
class Table:
    """A frame and what an error message needs: the source's name, and where a row stands in the file."""

    label: str
    frame: pd.DataFrame
    locate: Callable[[int], tuple[int, dict[str, str]]]  # row (from 0) -> line (from 1) and its cells
    labels: tuple[str, ...] = ()  # what the loader calls the classes 0, 1, .. of its own target


def read_csv(source: str) -> Table:
    """Read a CSV file once, into a frame whose columns carry the header's names, all different and none empty.

    Leading columns without a name (or with pandas' "Unnamed: 0") that count the rows from 0 or 1 are left out.
    """
    import pandas as pd

    raw = _read_bytes(source)
    separator, header, header_line = _layout(source, raw)
    unnamed = 0
    while unnamed < len(header) and re.fullmatch(UNNAMED, header[unnamed]):
        header[unnamed] = f"Unnamed: {unnamed}"
        unnamed += 1
    for position, column in enumerate(header):
        if not column:
            raise DataError(_nameless(source, header_line, position))
        if column in header[:position]:
            places = f"columns {header.index(column) + 1} and {position + 1}"
            raise DataError(f"{source}, line {header_line}: two columns are named '{column}' ({places}): rename one")

    def locate(row: int) -> tuple[int, dict[str, str]]:
        line, fields = next(itertools.islice(_records(raw, separator), row + 1, None), (header_line + 1 + row, []))
        return line, dict(zip(header, fields, strict=False))

    try:
        with warnings.catch_warnings():
            # pandas only warns when the first row has more fields than the header, and forgets them
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(raw),
                sep=separator,
                header=0,
                names=header,
                index_col=False,
                skipinitialspace=True,
                low_memory=False,  # one type per column, whatever the file's length
                na_values=["?"],
                encoding="utf-8-sig",
            )
    except (ValueError, pd.errors.ParserWarning):
        for line, fields in _records(raw, separator):
            if len(fields) > len(header):
                found = f"line {line} has {len(fields)} fields where the header names {len(header)}"
                raise DataError(f"{source}, {found} (separator: {SEPARATORS[separator]})") from None
        raise DataError(f"{source} {UNCLOSED}") from None
    for position in range(unnamed):
        values = frame.iloc[:, position]
        counted = pd.api.types.is_integer_dtype(values) and values.iloc[0] in (0, 1) and (values.diff()[1:] == 1).all()
        if len(frame) and not counted:
            raise DataError(_nameless(source, header_line, position))
    return Table(source, frame.iloc[:, unnamed:], locate)


def _nameless(source: str, line: int, position: int) -> str:
    """Say that a column has no name and is no row index."""
    return f"{source}, line {line}: column {position + 1} has no name: name it or remove it"


def _read_bytes(source: str) -> bytes:
    """Read the file's bytes; raise DataError if they are not UTF-8 text."""
    path = Path(source)
    try:
        if path.is_dir():
            raise DataError(f"{source!r} is a folder: give the CSV file itself")
        raw = path.read_bytes()
    except FileNotFoundError:
        hint = f"the folder {path.parent} does not exist"
        if path.parent.is_dir():
            close = nearest(path.name, [entry.name for entry in path.parent.glob("*") if entry.is_file()])
            hint = f"did you mean '{path.with_name(close)}'?" if close else f"nothing in {path.parent} is named like it"
        raise DataError(f"no file '{source}'; {hint}") from None
    except (OSError, ValueError) as reason:
        raise DataError(f"{source!r} cannot be read: {getattr(reason, 'strerror', None) or reason}") from None
    try:
        raw.decode()
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        byte = f"0x{raw[problem.start]:02x}"
        raise DataError(f"{source}, line {line}: byte {byte} is not UTF-8 text: save it as CSV in UTF-8") from None
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise DataError(f"{source}, line {line}: byte 0x00 is not text: save it as CSV in UTF-8")
    return raw


def _records(raw: bytes, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not blank, the header first: the line that it starts on (from 1) and its fields."""
    text = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=separator, skipinitialspace=True)
    line = 1
    try:
        for fields in reader:
            if len(fields) > 1 or "".join(fields).strip():
                yield line, [field.strip() for field in fields]
            line = reader.line_num + 1
    except csv.Error:
        return  # a field of more than 128 KiB: a quote that is never closed, which pandas reports


def _layout(source: str, raw: bytes) -> tuple[str, list[str], int]:
    """Find the separator, which splits the first two records alike, the header's names and its line."""
    best: tuple[tuple[bool, int], str, list[str], int] | None = None
    for separator in SEPARATORS:
        first = list(itertools.islice(_records(raw, separator), 2))
        if first:
            width = len(first[0][1])
            score = (width > 1 and width == len(first[-1][1]), width)
            if best is None or score > best[0]:
                names = [" ".join(name.split()) for name in first[0][1]]  # spreadsheets break lines in names
                best = (score, separator, names, first[0][0])
    if best is None:
        if raw.removeprefix(codecs.BOM_UTF8).strip():
            raise DataError(f"{source} {UNCLOSED}")
        raise DataError(f"{source} is empty: expected a line of column names and a line per example")
    return best[1:]
