"""pytest: the fixture `topology` and the mark of that name, which give a test a network of its own.

pytest loads this at each of its starts, whether or not a test has a network: nothing heavy is imported before one does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from netorch.api.running import Lab
    from netorch.api.topology import Source
    from netorch.kernel.probe.capture import Capture

MARK = (
    "topology(source, *, variables=None, name=None, scope='function', pcap=None): the network that the fixture `topology` gives to the"
    " test: a file beside the test, YAML text or a netorch.Topology. scope: 'class', 'module' or 'session' share it. pcap: a folder for"
    " the packets of each node if the test fails"
)
SCOPES = ("class", "module", "session")
PATIENCE = 2.0
"""Seconds for an answer to a check of a failing test's network."""

_LONGEST = 200
"""Bytes of a folder's name, of 255 that Linux takes."""

_LAB = pytest.StashKey["Lab"]()
_FAILED = pytest.StashKey[bool]()
_PACKETS = pytest.StashKey["Packets"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("netorch", "networks of tests")
    group.addoption(
        "--topology-pcap",
        metavar="DIR",
        help="of tests that fail, keep the packets of each node, in DIR/TEST/NODE.pcapng",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK)


@pytest.fixture
def topology(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The network that `@pytest.mark.topology` (or an indirect parameter) says, running in a private host: a netorch.Lab."""
    wanted = _wanted(request)
    if wanted.scope == "function":
        with ExitStack() as stack:
            yield from _during(request, wanted.begin(stack), wanted)
    else:
        labs: Labs = request.getfixturevalue(f"_netorch_labs_of_{wanted.scope}")
        yield from _during(request, labs.get(wanted), wanted)


class TopologyMark:
    """What a mark says."""

    def __init__(
        self,
        folder: Path,
        source: Source,
        *,
        variables: Mapping[str, object] | None = None,
        name: str | None = None,
        scope: Literal["function", "class", "module", "session"] = "function",
        pcap: str | Path | None = None,
    ) -> None:
        if scope != "function" and scope not in SCOPES:
            raise TypeError(f"scope={scope!r}: write 'function', {', '.join(map(repr, SCOPES))}")
        beside = isinstance(source, (str, Path)) and "\n" not in str(source)
        self.source: Source = folder / str(source) if beside else source
        self.variables, self.name, self.scope, self.pcap = variables, name, scope, pcap

    @property
    def key(self) -> object:
        """Equal for what can be shared."""
        source = self.source if isinstance(self.source, (str, Path)) else id(self.source)
        return (
            source,
            self.name,
            tuple(sorted((key, str(value)) for key, value in (self.variables or {}).items())),
        )

    def begin(self, stack: ExitStack) -> Lab:
        """Start it, for as long as the stack lasts; what is wrong ends the test in plain words."""
        from netorch.kernel.private_host.client import prepare

        prepare("netorch.api.private_host_calls")
        from netorch.api.running import running
        from netorch.errors import NetorchError

        try:
            return stack.enter_context(
                running(self.source, variables=self.variables, name=self.name, private=True)
            )
        except NetorchError as error:
            lines = error.lines()
        pytest.fail("no topology for this test: " + "\n".join(lines), pytrace=False)


def _wanted(request: pytest.FixtureRequest) -> TopologyMark:
    mark = request.node.get_closest_marker("topology")
    arguments = mark.args if mark is not None else ()
    words: dict[str, Any] = dict(mark.kwargs) if mark is not None else {}
    if hasattr(request, "param"):
        arguments = (request.param,)
    if not arguments and "source" not in words:
        pytest.fail(
            'the fixture `topology` needs `@pytest.mark.topology("topo.yaml")` on the test, its class or its module',
            pytrace=False,
        )
    try:
        return TopologyMark(request.path.parent, *arguments, **words)
    except TypeError as error:
        wrong = str(error).removeprefix(f"{TopologyMark.__name__}.__init__() ")
    pytest.fail(f"@pytest.mark.topology: {wrong}", pytrace=False)


class Labs:
    """Those of one scope, each begun when a test first wants it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._found: dict[object, tuple[TopologyMark, Lab]] = {}

    def get(self, wanted: TopologyMark) -> Lab:
        if wanted.key not in self._found:
            self._found[wanted.key] = wanted, wanted.begin(self._stack)
        return self._found[wanted.key][1]

    def close(self) -> None:
        self._stack.close()


def _labs() -> Iterator[Labs]:
    labs = Labs()
    try:
        yield labs
    finally:
        labs.close()


def _labs_of(scope: Any) -> Callable[..., Any]:
    return pytest.fixture(scope=scope, name=f"_netorch_labs_of_{scope}")(_labs)


_labs_of_class, _labs_of_module, _labs_of_session = map(_labs_of, SCOPES)


class Packets:
    """The packets of each node while a test runs."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.folder = folder
        self.capture: Capture = lab.capture(folder)
        self.files = [folder / f"{node.name}.pcapng" for node in lab.nodes]

    def drop(self) -> None:
        """Keep nothing of them."""
        self.capture.close()
        for file in self.files:
            file.unlink(missing_ok=True)
        try:
            self.folder.rmdir()
        except OSError:
            return


def _during(request: pytest.FixtureRequest, lab: Lab, wanted: TopologyMark) -> Iterator[Lab]:
    """One test with the network, and what its report will want to know."""
    item = request.node
    where = wanted.pcap or request.config.getoption("--topology-pcap")
    if where is not None:
        item.stash[_PACKETS] = _packets(
            lab, Path(request.config.invocation_params.dir, where, _folder(item.nodeid))
        )
    item.stash[_LAB] = lab
    try:
        yield lab
    finally:
        del item.stash[_LAB]
        packets = item.stash.get(_PACKETS, None)
        if packets is not None:
            del item.stash[_PACKETS]
            packets.capture.close() if item.stash.get(_FAILED, False) else packets.drop()


def _folder(nodeid: str) -> str:
    """A test's name as that of a folder, which no other test has."""
    name = re.sub(r"[^\w.\-]+", "-", nodeid).strip("-")
    if len(name.encode()) <= _LONGEST and not re.search(
        r"[^\w.\-]", nodeid.partition("[")[2].removesuffix("]")
    ):
        return name
    from hashlib import blake2b

    cut = name.encode()[:_LONGEST].decode(errors="ignore")
    return f"{cut}-{blake2b(nodeid.encode(errors='replace'), digest_size=4).hexdigest()}"


def _packets(lab: Lab, folder: Path) -> Packets:
    try:
        return Packets(lab, folder)
    except OSError as error:
        wrong = f"{error.filename or folder}: {error.strerror}"
    pytest.fail(f"the packets of this test cannot be kept: {wrong}.", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    lab = item.stash.get(_LAB, None)
    if lab is not None and report.failed:
        item.stash[_FAILED] = True
        report.sections += _sections(lab, item.stash.get(_PACKETS, None))
    return report


def _sections(lab: Lab, packets: Packets | None) -> Iterator[tuple[str, str]]:
    """What a failing test's report says of its network."""
    from netorch.errors import NetorchError

    try:
        yield f"topology {lab.name}: diff", str(lab.diff())
        if not (checks := lab.check(timeout=PATIENCE)):
            yield f"topology {lab.name}: failed checks", str(checks)
    except NetorchError as error:
        yield f"topology {lab.name}: what was found", "\n".join(error.lines())
    if packets is not None:
        packets.capture.close()
        yield f"topology {lab.name}: packets", "\n".join(map(str, packets.files))
