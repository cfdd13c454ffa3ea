"""The pytest plugin: the fixture `topology` and the mark `topology`, which give a test a network.

pytest loads this module at every start, also when no test has a network. The module therefore
imports the rest of netorch only when a test needs it.
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
    from netorch.kernel.capture.to_files import Capture

MARK = (
    "topology(source, *, variables=None, name=None, scope='function', pcap=None): "
    "the network that the fixture `topology` gives to the test. source: a file in the folder of "
    "the test, YAML text or a netorch.Topology. scope: 'class', 'module' or 'session' share the "
    "network between tests. pcap: a folder for the packets of each node if the test fails"
)
SCOPES = ("class", "module", "session")
PATIENCE = 2.0
"""Seconds that a check waits for an answer when the plugin runs a failing test's checks."""

_LONGEST = 200
"""The longest folder name in bytes. Linux accepts 255; the rest is for a digest."""

_LAB = pytest.StashKey["Lab"]()
_FAILED = pytest.StashKey[bool]()
_PACKETS = pytest.StashKey["Packets"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("netorch", "networks of tests")
    group.addoption(
        "--topology-pcap",
        metavar="DIR",
        help="write the packets of each node to DIR/TEST/NODE.pcapng for tests that fail",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK)


@pytest.fixture
def topology(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Run the network of `@pytest.mark.topology`, or of an indirect parameter, in a private host.

    The value is a `netorch.Lab`.
    """
    mark = _read_mark(request)
    if mark.scope == "function":
        with ExitStack() as stack:
            yield from _during(request, mark.begin(stack), mark)
    else:
        labs: Labs = request.getfixturevalue(f"_netorch_labs_of_{mark.scope}")
        yield from _during(request, labs.get(mark), mark)


class TopologyMark:
    """The arguments of a `topology` mark."""

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
        from netorch.api.topology import is_text

        self.source: Source = source
        if isinstance(source, str) and is_text(source, folder):
            self.source = f"{source}\n"
        elif isinstance(source, (str, Path)):
            self.source = folder / source
        self.variables, self.name, self.scope, self.pcap = variables, name, scope, pcap

    @property
    def key(self) -> object:
        """A value that is equal for two marks whose tests can share one network."""
        source = self.source if isinstance(self.source, (str, Path)) else id(self.source)
        return (
            source,
            self.name,
            tuple(sorted((key, str(value)) for key, value in (self.variables or {}).items())),
        )

    def begin(self, stack: ExitStack) -> Lab:
        """Start the network. The stack ends it. Fail the test, without a traceback, on an error."""
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


def _read_mark(request: pytest.FixtureRequest) -> TopologyMark:
    closest = request.node.get_closest_marker("topology")
    arguments = closest.args if closest is not None else ()
    words: dict[str, Any] = dict(closest.kwargs) if closest is not None else {}
    if hasattr(request, "param"):
        arguments = (request.param,)
    if not arguments and "source" not in words:
        pytest.fail(
            "the fixture `topology` needs "
            '`@pytest.mark.topology("topo.yaml")` on the test, its class or its module',
            pytrace=False,
        )
    try:
        return TopologyMark(request.path.parent, *arguments, **words)
    except TypeError as error:
        wrong = str(error).removeprefix(f"{TopologyMark.__name__}.__init__() ")
    pytest.fail(f"@pytest.mark.topology: {wrong}", pytrace=False)


class Labs:
    """The running networks of one scope. Each starts when the first test needs it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: dict[object, tuple[TopologyMark, Lab]] = {}

    def get(self, mark: TopologyMark) -> Lab:
        if mark.key not in self._running:
            self._running[mark.key] = mark, mark.begin(self._stack)
        return self._running[mark.key][1]

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
    """The captured packets of each node while a test runs."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.folder = folder
        self.capture: Capture = lab.capture(folder)
        self.files = [folder / f"{node.name}.pcapng" for node in lab.nodes]

    def drop(self) -> None:
        """Delete the captured packets."""
        self.capture.close()
        for file in self.files:
            file.unlink(missing_ok=True)
        try:
            self.folder.rmdir()
        except OSError:
            return


def _during(request: pytest.FixtureRequest, lab: Lab, mark: TopologyMark) -> Iterator[Lab]:
    """Run one test with the network, and store what the test's report needs."""
    item = request.node
    where = mark.pcap or request.config.getoption("--topology-pcap")
    if where is not None:
        item.stash[_PACKETS] = _packets(
            lab, Path(request.config.invocation_params.dir, where, _folder(item.nodeid))
        )
    item.stash[_LAB] = lab
    lab.forget_pings()
    try:
        yield lab
    finally:
        del item.stash[_LAB]
        packets = item.stash.get(_PACKETS, None)
        if packets is not None:
            del item.stash[_PACKETS]
            packets.capture.close() if item.stash.get(_FAILED, False) else packets.drop()


def _folder(nodeid: str) -> str:
    """Return a folder name for a test that no other test has."""
    name = re.sub(r"[^\w.\-]+", "-", nodeid).strip("-")
    if len(name.encode()) <= _LONGEST and not re.search(
        r"[^\w.\-]", nodeid.partition("[")[2].removesuffix("]")
    ):
        return name
    from netorch.values.digest import blake2b

    cut = name.encode()[:_LONGEST].decode(errors="ignore")
    return f"{cut}-{blake2b(nodeid.encode(errors='replace'), digest_size=4).hexdigest()}"


def _packets(lab: Lab, folder: Path) -> Packets:
    try:
        return Packets(lab, folder)
    except OSError as error:
        wrong = f"{error.filename or folder}: {error.strerror}"
    pytest.fail(f"the packets of this test cannot be written: {wrong}.", pytrace=False)


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
    """Yield the title and text of each report section about a failing test's network."""
    from netorch.errors import NetorchError

    try:
        yield f"topology {lab.name}: diff", str(lab.diff())
        if unanswered := lab.unanswered():
            yield f"topology {lab.name}: pings without an answer", "\n".join(unanswered)
        if not (checks := lab.check(timeout=PATIENCE)):
            yield f"topology {lab.name}: failed checks", str(checks)
    except NetorchError as error:
        yield f"topology {lab.name}: error", "\n".join(error.lines())
    if packets is not None:
        packets.capture.close()
        yield f"topology {lab.name}: packets", "\n".join(map(str, packets.files))
