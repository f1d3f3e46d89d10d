"""Mutants of C: the places are tokens, outside of comments, strings and the preprocessor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tools.mutants.mutant import Mutant, numbered

_TOKEN = re.compile(
    r"""
    (?P<skip>/\*.*?\*/ | //[^\n]* | ^[ \t]*\#(?:\\\n|[^\n])*
        | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*')
  | (?P<number>(?:0[xX][0-9a-fA-F.]+(?:[pP][+-]?\d+)?
        | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[uUlLfF]*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<operator><<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=
        |[-+*/%&|^~!<>=?:;,.(){}\[\]])
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
# Between two operands alone, with a blank on either side.
_BINARY = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&",
    "+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "<<": ">>", ">>": "<<", "&": "|", "|": "&",
    "^": "|", "+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "|=": "&=", "&=": "|=",
}  # fmt: skip
# Of the vector vocabulary, whatever stands before: v_, f32_, f64_.
_VECTOR = {
    "add": "sub", "sub": "add", "mul": "add", "div": "mul", "fma": "fnma", "fnma": "fma",
    "min": "max", "max": "min", "lt": "eq", "eq": "lt", "abs": "neg", "neg": "abs",
    "widen_lo": "widen_hi", "widen_hi": "widen_lo",
}  # fmt: skip
_VECTOR_NAME = re.compile(rf"(v|f32|f64)_({'|'.join(_VECTOR)})")
# A definition begins a line; what it is called is before the bracket.
_FUNCTION = re.compile(
    r"^(?!typedef|\#|[ }])[^\n;{}]*?(?:\bN\((?P<n>\w+)\)|\b(?P<f>\w+))"
    r"\((?:[^;{}()]|\([^()]*\))*\)\s*\{",
    re.MULTILINE,
)
_STATEMENT = re.compile(
    r"^[ ]+(?P<s>(?:[\w.>\[\]-]+ [-+*/|&]?= [^;{}]*|[\w()]+\([^;{}]*\)|continue|break);)",
    re.MULTILINE,
)
_NO_CALL = ("return", "if", "for", "while", "switch", "static_assert", "BCEL_PREFETCH", "assert")


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def mutants(file: str, text: str) -> list[Mutant]:
    """Return all mutants of a source or header."""
    return numbered(_Finder(file, text).found())


class _Finder:
    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        self.tokens = [_Token(str(m.lastgroup), m[0], *m.span()) for m in _TOKEN.finditer(text)]
        self.skipped = [t for t in self.tokens if t.kind == "skip"]
        self.tokens = [t for t in self.tokens if t.kind != "skip"]
        self.functions = [(m.start(), m["n"] or m["f"]) for m in _FUNCTION.finditer(text)]

    def found(self) -> Iterator[Mutant]:
        for i, token in enumerate(self.tokens):
            if not self._function(token.start):
                continue
            if token.kind == "operator":
                yield from self._operator(i, token)
            elif token.kind == "number":
                yield from self._number(i, token)
            elif token.kind == "name":
                yield from self._name(i, token)
        for statement in _STATEMENT.finditer(self.text):
            start, end = statement.span("s")
            name = re.match(r"\w*", statement["s"])
            removable = name is not None and name[0] not in _NO_CALL
            if removable and self._function(start) and not self._is_skipped(start):
                yield self._mutant(start, end, ";", "statement removed")

    def _function(self, at: int) -> str:
        """The function before a place, which it is in: nothing else has code."""
        name = ""
        for start, found in self.functions:
            if start > at:
                break
            name = found
        closed = self.text.rfind("\n}", 0, at)
        begun = max((s for s, _ in self.functions if s <= at), default=-1)
        return name if begun > closed else ""

    def _is_skipped(self, at: int) -> bool:
        return any(t.start <= at < t.end for t in self.skipped)

    def _mutant(self, start: int, end: int, new: str, change: str) -> Mutant:
        first = self.text.rfind("\n", 0, start) + 1
        line = self.text[first : self.text.find("\n", start)].strip()
        return Mutant(self.file, self._function(start), line, change, 1, start, end, new)

    def _operator(self, i: int, token: _Token) -> Iterator[Mutant]:
        blank = self.text[token.start - 1 : token.start], self.text[token.end : token.end + 1]
        old = token.text
        if old in _BINARY and blank[0] == " " and blank[1] in (" ", "\n"):
            new = _BINARY[old]
            yield self._mutant(token.start, token.end, new, f"`{old}` -> `{new}`")
        elif old in ("!", "~"):
            yield self._mutant(token.start, token.end, "", f"`{old}` removed")
        elif old == "-" and self.tokens[i - 1].text in ("(", ",", "=", "return", "?", ":"):
            yield self._mutant(token.start, token.end, "", "`-` removed")
        elif old in ("++", "--"):
            new = "--" if old == "++" else "++"
            yield self._mutant(token.start, token.end, new, f"`{old}` -> `{new}`")

    def _number(self, i: int, token: _Token) -> Iterator[Mutant]:
        old = token.text
        if "." in old or "p" in old.lower():
            new = f"({old} * 1.01)" if float.fromhex(old.rstrip("fFlL")) else "1.0"
        else:
            new = f"({old} + 1)"
        if self.tokens[i - 1].text != "case":
            yield self._mutant(token.start, token.end, new, f"`{old}` -> `{new}`")

    def _name(self, i: int, token: _Token) -> Iterator[Mutant]:
        if found := _VECTOR_NAME.fullmatch(token.text):
            new = f"{found[1]}_{_VECTOR[found[2]]}"
            yield self._mutant(token.start, token.end, new, f"{token.text} -> {new}")
        elif token.text == "if" and self.tokens[i + 1].text == "(":
            depth = 0
            for other in self.tokens[i + 1 :]:
                depth += (other.text == "(") - (other.text == ")")
                if not depth:
                    start, end = self.tokens[i + 1].end, other.start
                    yield self._mutant(start, end, "0", "condition never true")
                    yield self._mutant(start, end, "1", "condition always true")
                    break
        elif token.text == "return" and self.tokens[i + 1].text != ";":
            end = next(t.start for t in self.tokens[i + 1 :] if t.text == ";")
            value = self.text[token.end : end].strip()
            if value not in ("0", "NULL", "BCEL_OK"):
                yield self._mutant(token.end, end, " 0", "returns 0")
