"""Interprets the pickles inside torch's files on a stack of plain values.

A pickle is a program that may call anything. This interpreter runs only the opcodes that a state dict needs, and knows
three callables and the storage types by name. It refuses anything else; it never skips or runs it.
"""

import io
import pickletools
import warnings
from typing import NamedTuple

import ml_dtypes
import numpy as np

DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


class UnsafePickle(Exception):
    """The reason why a file is refused; `read_pth` adds the file's name."""


class Global(NamedTuple):
    """A name that a pickle refers to; it is never imported."""

    module: str
    name: str


class Storage(NamedTuple):
    """The flat array of `numel` elements that one or more tensors read; its data is elsewhere in the file."""

    dtype: np.dtype
    key: str
    numel: int


class Tensor(NamedTuple):
    """A view of a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Nested(tuple):
    """A tuple that holds tuples. No state dict nests deeper; deeper tuples can take forever to compare or print."""


ORDERED_DICT = Global("collections", "OrderedDict")
TENSOR = Global("torch._utils", "_rebuild_tensor_v2")
PARAMETER = Global("torch._utils", "_rebuild_parameter")
STORAGES = {Global("torch", name): dtype for name, dtype in DTYPES.items()}
_MARK = object()


def unpickle(stream: io.BytesIO):
    """Interprets one pickle and returns its value, made of plain values, Global, Storage and Tensor only.

    Raises: UnsafePickle if the pickle is damaged or asks for anything that a state dict does not need.
    """
    stack: list = []
    memo: dict[int, object] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # pickletools warns of STRING, which is refused here
            for opcode, argument, _ in pickletools.genops(stream):
                if opcode.name == "STOP":
                    return stack.pop()
                _OPCODES.get(opcode.name, _unknown(opcode.name))(stack, memo, argument)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise UnsafePickle(f"damaged pickle ({type(error).__name__}: {error})") from None
    raise UnsafePickle("damaged: the pickle does not end")


def _unknown(name: str):
    def refuse(stack, memo, argument):
        raise UnsafePickle(f"its pickle uses the opcode {name}, which no state dict needs")

    return refuse


def _to_mark(stack: list) -> list:
    """Pops everything above the topmost mark, and the mark."""
    start = len(stack) - 1 - stack[::-1].index(_MARK)
    items = stack[start + 1 :]
    del stack[start:]
    return items


def _push_tuple(stack: list, items) -> None:
    if any(type(item) is Nested for item in items):
        raise UnsafePickle("its pickle nests tuples deeper than a state dict does")
    stack.append(Nested(items) if any(type(item) is tuple for item in items) else tuple(items))


def _take(stack: list, count: int) -> tuple:
    if len(stack) < count:
        raise IndexError("the stack is empty")
    items = tuple(stack[-count:])
    del stack[-count:]
    return items


def _find_global(stack, memo, argument: str):
    module, _, name = argument.partition(" ")
    found = Global(module, name)
    if found not in (ORDERED_DICT, TENSOR, PARAMETER) and found not in STORAGES:
        raise UnsafePickle(f"its pickle asks for {module}.{name}; only tensors are allowed (save model.state_dict())")
    stack.append(found)


def _stack_global(stack, memo, argument):
    _find_global(stack, memo, " ".join(_take(stack, 2)))


def _reduce(stack, memo, argument):
    function, arguments = _take(stack, 2)
    if function == ORDERED_DICT and arguments == ():
        stack.append({})
    elif function == TENSOR:
        stack.append(_tensor(*arguments))
    elif function == PARAMETER and len(arguments) == 3 and isinstance(arguments[0], Tensor):
        stack.append(arguments[0])
    else:
        raise UnsafePickle("its pickle makes a call that does not build a tensor")


def _tensor(storage, offset, shape, strides, requires_grad, hooks, metadata=None) -> Tensor:
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, Storage) or len(shape) != len(strides) or hooks or metadata:
        raise UnsafePickle("a tensor is built in an unknown way")
    if not all(type(number) is int and 0 <= number < 2**48 for number in numbers):
        raise UnsafePickle("a tensor has an impossible shape or stride")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _persistent(stack, memo, argument):
    kind, type_, key, _location, numel, *view = stack.pop()
    has_view = any(value is not None for value in view)  # the older format's view of another storage
    if kind != "storage" or type_ not in STORAGES or not isinstance(key, str) or has_view:
        raise UnsafePickle("its pickle refers to something other than a storage")
    if type(numel) is not int or not 0 <= numel < 2**48:
        raise UnsafePickle("a storage has an impossible size")
    stack.append(Storage(STORAGES[type_], key, numel))


def _build(stack, memo, argument):
    target, state = _take(stack, 2)
    if not isinstance(target, dict) or not isinstance(state, dict) or set(state) != {"_metadata"}:
        raise UnsafePickle("its pickle sets the attributes of an object")
    stack.append(target)  # drops _metadata, torch's version number of each module


def _set_items(stack, memo, argument):
    items = _to_mark(stack)
    _top(stack, dict).update(zip(items[::2], items[1::2], strict=True))


def _set_item(stack, memo, argument):
    key, value = _take(stack, 2)
    _top(stack, dict)[key] = value


def _appends(stack, memo, argument):
    items = _to_mark(stack)
    _top(stack, list).extend(items)


def _append(stack, memo, argument):
    (item,) = _take(stack, 1)
    _top(stack, list).append(item)


def _top(stack, kind: type):
    if not isinstance(stack[-1], kind):
        raise TypeError(f"not a {kind.__name__}")
    return stack[-1]


def _push(stack, memo, argument):
    stack.append(argument)


_OPCODES = {
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE"), _push),
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), _push),
    **dict.fromkeys(("PROTO", "FRAME"), lambda stack, memo, a: None),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), lambda stack, memo, a: memo.__setitem__(a, stack[-1])),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda stack, memo, a: stack.append(memo[a])),
    "MEMOIZE": lambda stack, memo, a: memo.__setitem__(len(memo), stack[-1]),
    "MARK": lambda stack, memo, a: stack.append(_MARK),
    "NONE": lambda stack, memo, a: stack.append(None),
    "NEWTRUE": lambda stack, memo, a: stack.append(True),
    "NEWFALSE": lambda stack, memo, a: stack.append(False),
    "EMPTY_DICT": lambda stack, memo, a: stack.append({}),
    "EMPTY_LIST": lambda stack, memo, a: stack.append([]),
    "EMPTY_TUPLE": lambda stack, memo, a: stack.append(()),
    "TUPLE": lambda stack, memo, a: _push_tuple(stack, _to_mark(stack)),
    "TUPLE1": lambda stack, memo, a: _push_tuple(stack, _take(stack, 1)),
    "TUPLE2": lambda stack, memo, a: _push_tuple(stack, _take(stack, 2)),
    "TUPLE3": lambda stack, memo, a: _push_tuple(stack, _take(stack, 3)),
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "APPEND": _append,
    "APPENDS": _appends,
    "GLOBAL": _find_global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "BINPERSID": _persistent,
    "BUILD": _build,
}
