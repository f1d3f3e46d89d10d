"""Mutants of Python: the places are those of the syntax tree, the change is one of the text."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.mutants.mutant import Mutant, numbered

_COMPARISONS = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
_ARITHMETIC = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_ERRORS = {"ValueError": "TypeError", "TypeError": "ValueError"}


def mutants(file: str, text: str) -> list[Mutant]:
    """Return all mutants of a module."""
    return numbered(_Finder(file, text).found())


class _Finder:
    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        # Positions of the tree are in bytes of a line.
        self.lines = text.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def found(self) -> Iterator[Mutant]:
        yield from self._body(ast.parse(self.text).body, "")

    def _offset(self, line: int, column: int) -> int:
        encoded = self.lines[line - 1].encode()
        return self.starts[line - 1] + len(encoded[:column].decode())

    def _span(self, node: ast.AST) -> tuple[int, int]:
        return (
            self._offset(node.lineno, node.col_offset),  # type: ignore[attr-defined]
            self._offset(node.end_lineno, node.end_col_offset),  # type: ignore[attr-defined]
        )

    def _source(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self.text[start:end]

    def _mutant(self, function: str, start: int, end: int, new: str, change: str) -> Mutant:
        first = self.text.rfind("\n", 0, start) + 1
        last = self.text.find("\n", start)
        line = self.text[first : last if last >= 0 else None].strip()
        return Mutant(self.file, function, line, change, 1, start, end, new)

    def _replaced(self, function: str, node: ast.AST, new: str, change: str) -> Mutant:
        return self._mutant(function, *self._span(node), new, change)

    # ---- statements ------------------------------------------------------------------------------

    def _body(self, body: list[ast.stmt], function: str) -> Iterator[Mutant]:
        for statement in body:
            yield from self._statement(statement, function)

    def _statement(self, node: ast.stmt, function: str) -> Iterator[Mutant]:
        inner = function
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{function}.{node.name}".lstrip(".")
            if not isinstance(node, ast.ClassDef):
                for default in [*node.args.defaults, *node.args.kw_defaults]:
                    if default is not None:
                        yield from self._expression(default, inner)
            yield from self._body(node.body, inner)
            return
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Assert | ast.Pass | ast.Global):
            return
        if isinstance(node, ast.If) and self._source(node.test) == "TYPE_CHECKING":
            return
        yield from self._of_statement(node, function)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "type_comment"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.stmt):
                    yield from self._statement(child, inner)
                elif isinstance(child, ast.ExceptHandler):
                    if isinstance(child.type, ast.Tuple):
                        yield from self._fewer(child.type, function)
                    yield from self._body(child.body, inner)
                elif isinstance(child, ast.withitem):
                    yield from self._expression(child.context_expr, inner)
                elif isinstance(child, ast.expr):
                    yield from self._expression(child, inner)

    def _of_statement(self, node: ast.stmt, function: str) -> Iterator[Mutant]:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield self._replaced(function, node, "pass", "call removed")
        elif isinstance(node, ast.Raise):
            yield self._replaced(function, node, "pass", "raise removed")
            yield from self._of_raise(node, function)
        elif isinstance(node, ast.Return) and node.value is not None:
            if not (isinstance(node.value, ast.Constant) and node.value.value is None):
                yield self._replaced(function, node, "return None", "returns None")
        elif isinstance(node, ast.Assign):
            if all(isinstance(t, ast.Attribute | ast.Subscript) for t in node.targets):
                yield self._replaced(function, node, "pass", "assignment removed")
        elif isinstance(node, ast.AugAssign):
            yield self._replaced(function, node, "pass", "assignment removed")
            old, new = _ARITHMETIC.get(type(node.op), ("", ""))
            if old:
                yield self._operator(function, node.target, node.value, f"{old}=", f"{new}=")
        elif isinstance(node, ast.If):
            yield self._replaced(function, node.test, "False", "condition never true")
            yield self._replaced(function, node.test, "True", "condition always true")
        elif isinstance(node, ast.Break | ast.Continue):
            yield self._replaced(function, node, "pass", "removed")

    def _of_raise(self, node: ast.Raise, function: str) -> Iterator[Mutant]:
        error = node.exc
        if not isinstance(error, ast.Call) or not error.args:
            return
        message = error.args[-1]
        yield self._replaced(function, message, '"something else"', "message changed")
        if isinstance(error.func, ast.Name) and (other := _ERRORS.get(error.func.id)):
            yield self._replaced(function, error.func, other, f"{error.func.id} -> {other}")

    def _fewer(self, node: ast.Tuple, function: str) -> Iterator[Mutant]:
        for left_out in node.elts:
            kept = ", ".join(self._source(e) for e in node.elts if e is not left_out)
            change = f"{self._source(left_out)} not caught"
            yield self._replaced(function, node, f"({kept},)", change)

    # ---- expressions -----------------------------------------------------------------------------

    def _expression(self, node: ast.expr, function: str) -> Iterator[Mutant]:
        if isinstance(node, ast.JoinedStr):  # Python 3.11 does not know where its parts are
            return
        yield from self._of_expression(node, function)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from self._expression(child, function)
            elif isinstance(child, ast.keyword):
                yield from self._expression(child.value, function)
            elif isinstance(child, ast.comprehension):
                yield from self._expression(child.iter, function)
                for condition in child.ifs:
                    yield self._replaced(function, condition, "True", "condition always true")
                    yield from self._expression(condition, function)

    def _of_expression(self, node: ast.expr, function: str) -> Iterator[Mutant]:
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for i, operator in enumerate(node.ops):
                yield self._operator(function, *sides[i : i + 2], *_COMPARISONS[type(operator)])
        elif isinstance(node, ast.BoolOp):
            swap = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for sides in zip(node.values, node.values[1:], strict=False):
                yield self._operator(function, *sides, *swap)
        elif isinstance(node, ast.BinOp):
            if not isinstance(node.left, ast.JoinedStr) and type(node.op) in _ARITHMETIC:
                yield self._operator(function, node.left, node.right, *_ARITHMETIC[type(node.op)])
        elif isinstance(node, ast.UnaryOp):
            if not isinstance(node.op, ast.UAdd):
                start, _ = self._span(node)
                removed = {ast.Not: "not", ast.USub: "-", ast.Invert: "~"}[type(node.op)]
                end = start + len(removed)
                end += self.text[end] == " "
                yield self._mutant(function, start, end, "", f"`{removed}` removed")
        elif isinstance(node, ast.Constant):
            yield from self._constant(node, function)
        elif isinstance(node, ast.IfExp):
            yield self._replaced(function, node.test, "(True)", "condition always true")
            yield self._replaced(function, node.test, "(False)", "condition never true")
        elif isinstance(node, ast.Call):
            yield from self._call(node, function)

    def _operator(
        self, function: str, left: ast.expr, right: ast.expr, old: str, new: str
    ) -> Mutant:
        _, start = self._span(left)
        end, _ = self._span(right)
        between = self.text[start:end]
        # Brackets and the ends of lines stay; of a comment in between the operator is the first.
        at = between.index(old)
        start += at
        return self._mutant(function, start, start + len(old), new, f"`{old}` -> `{new}`")

    def _constant(self, node: ast.Constant, function: str) -> Iterator[Mutant]:
        value = node.value
        if isinstance(value, bool):
            new = str(not value)
        elif isinstance(value, int):
            new = str(value + 1)
        elif isinstance(value, float):
            new = repr(value * 1.01 if value else 1.0)
        else:
            return
        old = self._source(node)
        yield self._replaced(function, node, new, f"`{old}` -> `{new}`")

    def _call(self, node: ast.Call, function: str) -> Iterator[Mutant]:
        if isinstance(node.func, ast.Name) and (other := _CALLS.get(node.func.id)):
            change = f"{node.func.id} -> {other}"
            yield self._replaced(function, node.func, other, change)
        for keyword in node.keywords:
            if keyword.arg is None or (keyword.arg, self._source(node.func)) == ("strict", "zip"):
                continue  # zip is told to look whether we were right
            start, end = self._span(keyword)
            rest = self.text[end:]
            comma = len(rest) - len(rest.lstrip())
            if rest[comma : comma + 1] == ",":
                yield self._mutant(function, start, end + comma + 1, "", f"{keyword.arg}= dropped")
            elif rest[comma : comma + 1] == ")":
                yield self._mutant(function, start, end, "", f"{keyword.arg}= dropped")
