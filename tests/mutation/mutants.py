"""Small faults of all kinds, put into a module's source one at a time."""

from __future__ import annotations

import ast
import copy
import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TypeAlias

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATIONS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
SWAPPED = {"min": "max", "max": "min"}
AT_IMPORT = ("transition", "check_transitions")
"""Functions that have run when a fault is put in: it is too late to change them."""
TOLD = ("log.", "logging.")
"""Calls whose loss nobody but a reader of the log would see."""


Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Owner: TypeAlias = Function | ast.Assign | ast.AnnAssign
"""What is changed: a function, or a table of the module."""


@dataclass(frozen=True)
class Mutant:
    """One fault: in *module*, the part of *function* (or the table *function*) that begins on *line*.

    *faulty* is to stand in *tree* in the place of *sound*.
    """

    module: str
    function: str
    line: int
    column: int
    what: str
    tree: ast.Module
    sound: Owner
    faulty: Owner

    def __str__(self) -> str:
        return f"{self.module.removeprefix('doorkey.')}:{self.line} {self.function}: {self.what}"

    @property
    def lines(self) -> range:
        """Those of the whole function or table."""
        return range(self.sound.lineno, (self.sound.end_lineno or self.sound.lineno) + 1)

    def apply(self) -> None:
        """Put the fault into the module that this process has loaded."""
        module = importlib.import_module(self.module)
        owner = _find(module, self.function)
        if isinstance(owner, FunctionType):
            compiled = compile(self._whole(), str(module.__file__), "exec", dont_inherit=True)
            owner.__code__ = _code_of(compiled, owner.__code__)
        else:
            _rebind(module, self.function, owner, self._whole())

    def _whole(self) -> ast.Module:
        body: list[ast.stmt] = []
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef) and self.sound in node.body:
                node = copy.copy(node)
                node.body = [self.faulty if inner is self.sound else inner for inner in node.body]
            body.append(self.faulty if node is self.sound else node)
        return ast.fix_missing_locations(ast.Module(body, type_ignores=[]))


def mutants_of(name: str) -> Iterator[Mutant]:
    """All mutants of a module, in the order of its source."""
    module = importlib.import_module(name)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    for owner, sound in _owners(tree):
        if isinstance(sound, Function) and (owner in AT_IMPORT or not _is_patchable(module, owner)):
            continue
        for node, alter in _changes(sound):
            faulty = copy.deepcopy(sound)
            twins = zip(ast.walk(sound), ast.walk(faulty), strict=True)
            what = alter(next(twin for original, twin in twins if original is node))
            line, column = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
            yield Mutant(name, owner, line, column, what, tree, sound, faulty)


Place = tuple[ast.AST, Callable[[ast.AST], str]]
"""A node, and what is done to a copy of it, which returns its description."""


def _owners(tree: ast.Module) -> Iterator[tuple[str, Owner]]:
    """The functions and methods by their names, and the tables of the module."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}", inner
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id.isupper() and target.id not in _parts_of_tables(tree):
                yield target.id, node


def _parts_of_tables(tree: ast.Module) -> set[str]:
    """The names that other tables were made of when the module was imported: it is too late to change them."""
    tables = [node.value for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and node.value]
    return {name.id for table in tables for name in ast.walk(table) if isinstance(name, ast.Name)}


def _changes(owner: Owner) -> Iterator[Place]:
    for node in _inside(owner):
        yield from _of_expression(node)
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                yield from _of_block(node, name, block)


def _inside(owner: Owner) -> Iterator[ast.AST]:
    """The nodes of a function's body, or of a table's value: no annotations, defaults, docstrings and messages."""
    if isinstance(owner, ast.FunctionDef | ast.AsyncFunctionDef):
        yield owner
        starts: list[ast.AST] = list(owner.body)
    else:
        assert isinstance(owner, ast.Assign | ast.AnnAssign)
        assert owner.value is not None
        starts = [owner.value]
    while starts:
        node = starts.pop(0)
        # `zip(…, strict=True)` is an assertion, too.
        strict = isinstance(node, ast.keyword) and node.arg == "strict"
        if isinstance(node, ast.Assert | ast.JoinedStr) or strict or _is_told(node):
            continue
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            starts += node.body
        elif isinstance(node, ast.AnnAssign):
            starts += [node.value] if node.value is not None else []
        elif isinstance(node, ast.Raise):
            continue
        else:
            starts += list(ast.iter_child_nodes(node))


def _is_told(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Expr) else node
    return isinstance(call, ast.Call) and ast.unparse(call.func).startswith(TOLD)


def _of_expression(node: ast.AST) -> Iterator[Place]:
    if isinstance(node, ast.Compare):
        for at, operator in enumerate(node.ops):
            yield node, _compare(at, COMPARISONS[type(operator)])
    elif isinstance(node, ast.BoolOp):
        yield node, _join
        for at in range(len(node.values)):
            yield node, _leave_out(at)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node, _deny
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        yield node, _calculate
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield node, _narrow
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        yield node, _count
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load):
        for at in range(len(node.elts)):
            yield node, _shorten(at)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SWAPPED:
        yield node, _swap
    elif isinstance(node, ast.If | ast.IfExp | ast.While) and not isinstance(node.test, ast.Constant):
        yield node, _turn


def _compare(at: int, operator: type[ast.cmpop]) -> Callable[[ast.AST], str]:
    def alter(node: ast.AST) -> str:
        assert isinstance(node, ast.Compare)
        before = ast.unparse(node)
        node.ops[at] = operator()
        return f"{before} -> {ast.unparse(node)}"

    return alter


def _join(node: ast.AST) -> str:
    assert isinstance(node, ast.BoolOp)
    before = ast.unparse(node)
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return f"{before} -> {ast.unparse(node)}"


def _leave_out(at: int) -> Callable[[ast.AST], str]:
    def alter(node: ast.AST) -> str:
        assert isinstance(node, ast.BoolOp)
        before = ast.unparse(node)
        node.values[at] = ast.Constant(isinstance(node.op, ast.And))
        return f"{before} -> {ast.unparse(node)}"

    return alter


def _deny(node: ast.AST) -> str:
    assert isinstance(node, ast.UnaryOp)
    before = ast.unparse(node)
    node.operand = ast.UnaryOp(ast.Not(), node.operand)
    return f"{before} -> {ast.unparse(node)}"


def _calculate(node: ast.AST) -> str:
    assert isinstance(node, ast.BinOp)
    before = ast.unparse(node)
    node.op = OPERATIONS[type(node.op)]()
    return f"{before} -> {ast.unparse(node)}"


def _narrow(node: ast.AST) -> str:
    assert isinstance(node, ast.BinOp)
    before = ast.unparse(node)
    node.right = node.left
    return f"{before} -> {ast.unparse(node.left)}"


def _shorten(at: int) -> Callable[[ast.AST], str]:
    def alter(node: ast.AST) -> str:
        assert isinstance(node, ast.Tuple)
        before = ast.unparse(node.elts[at])
        del node.elts[at]
        return f"without the element {before[:90]}"

    return alter


def _count(node: ast.AST) -> str:
    assert isinstance(node, ast.Constant)
    before = node.value
    assert isinstance(before, bool | int | float)
    node.value = (not before) if isinstance(before, bool) else before + 1
    return f"{before} -> {node.value}"


def _swap(node: ast.AST) -> str:
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    before = ast.unparse(node)
    node.func.id = SWAPPED[node.func.id]
    return f"{before} -> {ast.unparse(node)}"


def _turn(node: ast.AST) -> str:
    assert isinstance(node, ast.If | ast.IfExp | ast.While)
    before = ast.unparse(node.test)
    node.test = ast.UnaryOp(ast.Not(), node.test)
    return f"if {before} -> if not ({before})"


def _of_block(node: ast.AST, name: str, block: list[ast.stmt]) -> Iterator[Place]:
    for at, statement in enumerate(block):
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        plain = isinstance(statement, ast.Expr | ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete)
        stored = isinstance(statement, ast.Assign) and not isinstance(statement.targets[0], ast.Name | ast.Tuple)
        ends = isinstance(statement, ast.Return) and at < len(block) - 1
        ends = ends or (isinstance(statement, ast.Return) and isinstance(node, ast.If | ast.For | ast.While))
        if not docstring and not _is_told(statement) and (plain or stored or ends):
            yield node, _drop(name, at)


def _drop(name: str, at: int) -> Callable[[ast.AST], str]:
    def alter(node: ast.AST) -> str:
        block = getattr(node, name)
        before = " ".join(ast.unparse(block[at]).split())
        block[at] = ast.Pass()
        return f"without `{before[:90]}`"

    return alter


def _find(module: ModuleType, name: str) -> object:
    owner: object = module
    for part in name.split("."):
        owner = vars(owner)[part] if isinstance(owner, type) else getattr(owner, part)
    if isinstance(owner, property):
        owner = owner.fget
    owner = getattr(owner, "__func__", owner)
    while not isinstance(owner, type) and hasattr(owner, "__wrapped__"):
        owner = owner.__wrapped__
    return owner


def _is_patchable(module: ModuleType, name: str) -> bool:
    try:
        return isinstance(_find(module, name), FunctionType)
    except (KeyError, AttributeError):
        return False


def _code_of(compiled: CodeType, wanted: CodeType) -> CodeType:
    codes = [compiled]
    for code in codes:
        if code.co_qualname == wanted.co_qualname and code.co_freevars == wanted.co_freevars:
            return code
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    raise AssertionError(f"{wanted.co_qualname} is not there")


def _rebind(module: ModuleType, name: str, before: object, tree: ast.Module) -> None:
    """Give a table its other value, wherever it was imported to."""
    [node] = [one for one in tree.body if isinstance(one, ast.Assign | ast.AnnAssign) and _name_of(one) == name]
    assert node.value is not None
    value = eval(compile(ast.Expression(node.value), str(module.__file__), "eval"), vars(module))
    for other in list(sys.modules.values()):
        ours = getattr(other, "__name__", "").startswith(("doorkey", "tests"))
        if ours and vars(other).get(name) is before:
            setattr(other, name, value)


def _name_of(node: ast.Assign | ast.AnnAssign) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else ""
