"""How the values of a field are found for all objects at once."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from inspect import isawaitable
from operator import attrgetter
from types import CoroutineType
from typing import Any, Protocol

from resolvers.plans.asked import Asked
from resolvers.plans.run import Run


class Source(Protocol):
    """Finds a column of values, one for each object. A value that is an exception is one that could not be had."""

    is_async: bool

    def find(self, run: Run, field: Asked, objects: list[Any]) -> list[Any]:
        """Find the values."""
        ...

    async def fetch(self, run: Run, field: Asked, objects: list[Any]) -> list[Any]:
        """Find the values, if `is_async`."""
        ...


class Constant:
    """One value for all."""

    is_async = False

    def __init__(self, value: Any) -> None:
        self.value = value

    def find(self, run: Run, field: Asked, objects: list[Any]) -> list[Any]:  # noqa: ARG002 - one shape for all
        """Repeat the value."""
        return [self.value] * len(objects)

    async def fetch(self, run: Run, field: Asked, objects: list[Any]) -> list[Any]:
        """Repeat the value."""
        return self.find(run, field, objects)


class Attribute:
    """What the objects hold."""

    is_async = False

    def __init__(self, name: str) -> None:
        self.name = name
        self._get = attrgetter(name)

    def find(self, run: Run, field: Asked, objects: list[Any]) -> list[Any]:  # noqa: ARG002 - one shape for all
        """Read the attribute of each."""
        try:
            return list(map(self._get, objects))
        except Exception:  # noqa: BLE001 - told object by object below
            return [_tried(self._get, each) for each in objects]

    async def fetch(self, run: Run, field: Asked, objects: list[Any]) -> list[Any]:
        """Read the attribute of each."""
        return self.find(run, field, objects)


class Method:
    """A resolver that is asked object by object: in one go if it is none that waits, else all waiting together."""

    def __init__(self, field: Any) -> None:
        resolver = field.base_resolver
        self.is_async = field.is_async
        self._call = resolver.wrapped_func
        self._takes_self = resolver.self_parameter is not None
        self._info = resolver.info_parameter and resolver.info_parameter.name
        self._parents = [each.name for each in (resolver.parent_parameter, resolver.root_parameter) if each]

    def find(self, run: Run, field: Asked, objects: list[Any]) -> list[Any]:
        """Call the resolver for each."""
        call = self._prepared(run, field)
        return [call] * len(objects) if isinstance(call, Exception) else [_tried(call, each) for each in objects]

    async def fetch(self, run: Run, field: Asked, objects: list[Any]) -> list[Any]:
        """Call the resolver for each, and wait for all."""
        return await awaited(self.find(run, field, objects))

    def _prepared(self, run: Run, field: Asked) -> Callable[[Any], Any] | Exception:
        if refusal := run.refusal(field):
            return refusal
        try:
            named = run.arguments(field)
        except Exception as error:  # noqa: BLE001 - becomes the error of every object
            return error
        if self._info:
            named[self._info] = run.info(field)
        call, parents = self._call, self._parents
        if parents:
            return lambda each: call(*([each] * self._takes_self), **named, **dict.fromkeys(parents, each))
        if not self._takes_self:
            return lambda _: call(**named)
        return (lambda each: call(each, **named)) if named else call


class Stream:
    """The root field of a subscription: its items come one at a time, each the root of an answer of its own."""

    is_async = False

    def __init__(self, field: Any) -> None:
        resolver = field.base_resolver
        self._start = resolver.wrapped_func
        self._takes_self = resolver.self_parameter is not None
        self._info = resolver.info_parameter and resolver.info_parameter.name

    def start(self, run: Run, field: Asked) -> AsyncGenerator[Any, None]:
        """Begin. Raises what permissions refuse with, and what is wrong with the arguments."""
        if refusal := run.refusal(field):
            raise refusal
        named = run.arguments(field)
        if self._info:
            named[self._info] = run.info(field)
        started: AsyncGenerator[Any, None] = self._start(*([None] * self._takes_self), **named)
        return started

    def find(self, run: Run, field: Asked, objects: list[Any]) -> list[Any]:  # noqa: ARG002 - one shape for all
        """Give the items themselves."""
        return objects

    async def fetch(self, run: Run, field: Asked, objects: list[Any]) -> list[Any]:
        """Give the items themselves."""
        return self.find(run, field, objects)


class Many:
    """A resolver that finds the values of all objects itself."""

    is_async = True

    def __init__(self, find: Callable[..., Awaitable[list[Any]]]) -> None:
        self._find = find

    def find(self, run: Run, field: Asked, objects: list[Any]) -> list[Any]:
        """Refuse: these are waited for."""
        raise NotImplementedError

    async def fetch(self, run: Run, field: Asked, objects: list[Any]) -> list[Any]:
        """Ask once for all."""
        if refusal := run.refusal(field):
            return [refusal] * len(objects)
        try:
            return await self._find(objects, run.info(field), **run.arguments(field))
        except Exception as error:  # noqa: BLE001 - becomes the error of every object
            return [error] * len(objects)


class Whole:
    """A field as Strawberry itself resolves it, with whatever extensions it has."""

    is_async = True

    def find(self, run: Run, field: Asked, objects: list[Any]) -> list[Any]:
        """Resolve the field of each."""
        resolve = field.definition.resolve
        if resolve is None:
            raise NotImplementedError
        info = run.raw_info(field)
        try:
            given = run.given(field)
        except Exception as error:  # noqa: BLE001 - becomes the error of every object
            return [error] * len(objects)
        return [_tried(lambda each: resolve(each, info, **given), each) for each in objects]

    async def fetch(self, run: Run, field: Asked, objects: list[Any]) -> list[Any]:
        """Resolve the field of each, and wait for all."""
        return await awaited(self.find(run, field, objects))


async def awaited(values: list[Any]) -> list[Any]:
    """Wait for those values that can be waited for."""
    waiting = [number for number, value in enumerate(values) if type(value) is CoroutineType or isawaitable(value)]
    if len(waiting) == 1:
        values[waiting[0]] = await _caught(values[waiting[0]])
    elif waiting:
        found = await asyncio.gather(*(values[number] for number in waiting), return_exceptions=True)
        for number, value in zip(waiting, found, strict=True):
            if isinstance(value, BaseException) and not isinstance(value, Exception):
                raise value
            values[number] = value
    return values


async def _caught(value: Awaitable[Any]) -> Any:
    try:
        return await value
    except Exception as error:  # noqa: BLE001 - it becomes the value
        return error


def _tried(call: Callable[[Any], Any], each: Any) -> Any:
    try:
        return call(each)
    except Exception as error:  # noqa: BLE001 - it becomes the value
        return error
