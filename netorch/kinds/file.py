"""The files hosts and resolv.conf in /etc/netns/NODE (ip-netns(8)).

Programs in a node use them to resolve names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import ClassVar, Self
from zlib import crc32

from netorch.kinds.name import name_key
from netorch.kinds.netns import netns_key
from netorch.state.key import Key, cached_key, label_text
from netorch.state.registry import View, observed
from netorch.state.resource import Resource
from netorch.values.requests import FileDel, FileWrite, Request

_TEMPORARY = ".netorch-"
SHORT = 2
"""The number of lines from which a file is shown line by line."""

EXTRA_HOSTS = "# extra_hosts"
"""The line of a hosts file before the names that are not those of nodes."""
FIRST_LINE = "# netorch:{}: written by `netorch apply`, removed by `netorch destroy`"


def first_line(topology: str) -> str:
    """Return the first line of a file that netorch wrote, which is its mark."""
    return FIRST_LINE.format(topology)


@cached_key
def file_key(netns: str, name: str) -> Key:
    return Key("file", netns, name)


def foreign_files(label: str, files: Mapping[str, str], topology: str) -> Iterator[tuple[Key, str]]:
    """Yield the files of `/etc/netns/LABEL` that `topology` did not write, with a sentence each.

    `files` is name → content.
    """
    mark = first_line(topology) + "\n"
    for name, content in files.items():
        if not content.startswith(mark):
            yield (
                file_key(label, name),
                f"/etc/netns/{label}/{name} exists and netorch did not write it",
            )


@observed
class NodeFile(Resource):
    KIND: ClassVar[str] = "file"
    FOREIGN_KIND: ClassVar[str] = "file"
    HINTS: ClassVar[tuple[str, ...]] = ("second",)
    netns: str
    name: str
    content: str
    second: bool = False
    """Whether the label is a second name of a namespace."""

    @property
    def key(self) -> Key:
        return file_key(self.netns, self.name)

    @property
    def needs(self) -> tuple[Key, ...]:
        return netns_key(self.netns), name_key(self.netns)

    @property
    def part_of(self) -> Key | None:
        return name_key(self.netns) if self.second else netns_key(self.netns)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        mark = first_line(view.mark.topology) + "\n"
        for name, content in view.netns.files.items():
            # a temporary file in a namespace that netorch made is left from a crash, which came
            # before the file was renamed
            if content.startswith(mark) or (view.created and _TEMPORARY in name):
                yield cls(view.label, name, content, bool(view.netns.shares))

    @classmethod
    def foreign_objects(cls, view: View) -> Iterator[tuple[Key, str]]:
        return foreign_files(view.label, view.netns.files, view.mark.topology)

    def create(self) -> Iterable[Request]:
        return (FileWrite(self.netns, self.name, self.content),)

    def update(self, before: Self) -> Sequence[Request] | None:
        return [FileWrite(self.netns, self.name, self.content)]

    def delete(self) -> Iterable[Request]:
        return (FileDel(self.netns, self.name),)

    def attributes(self) -> Mapping[str, str]:
        return {self.name: _summary(self.content)[0]}

    def lines(self) -> Sequence[str]:
        return _summary(self.content)[1]

    def title(self) -> str:
        return f"file /etc/netns/{label_text(self.netns)}/{self.name}"


@lru_cache(maxsize=64)
def _summary(content: str) -> tuple[str, tuple[str, ...]]:
    """Return a short text for a file, and its lines if it is too long for that.

    The result is cached, because the nodes of a topology have only a few different files.
    """
    lines = content.splitlines()[1:]
    if len(lines) < SHORT:
        return "; ".join(lines), ()
    # with a checksum, so that two long files differ in their short texts
    return f"{len(lines)} lines ({crc32(content.encode()):08x})", tuple(lines)
