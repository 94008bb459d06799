"""Which of the distribution's packages the final stage needs: the author's list, minus what only builds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from msrefactor import shell
from msrefactor.commands import PackageCall
from msrefactor.facts import Effect, Fact
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import BaseImage
from msrefactor.shell import Item, Script, Word
from msrefactor.tree import Instruction, Token
from msrefactor_transforms.splitting.dividing import Mapper


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one package that the author installs."""

    name: str
    runtime: tuple[str, ...]
    """What the final stage installs for it; empty: nothing."""
    why: str
    is_removed_at_once: bool = False
    """Whether the same RUN removes it again, so that the image never held it."""

    @property
    def is_kept(self) -> bool:
        """Whether the final stage installs it as it is."""
        return self.runtime == (self.name,)


def bare_name(name: str) -> str:
    """Return a package's name without version, release and architecture."""
    for mark in ("=", "/", "~", "<", ">"):
        name = name.partition(mark)[0]
    return name.partition(":")[0]


def fate(
    name: str, base: BaseImage, removed: frozenset[str], build_only: frozenset[str] = frozenset()
) -> Fate:
    """Return what the final stage installs for a package of the author's list.

    `build_only`: packages that are proved to serve this build only.
    """
    bare = bare_name(name)
    if bare in removed or name in removed:
        return Fate(name, (), "the Dockerfile itself removes it again")
    if knowledge.is_build_only(bare, base.system):
        return Fate(name, (), "only builds need it")
    if bare in build_only:
        return Fate(name, (), "only the build uses it")
    if bare.endswith(("-dev", "-devel")):
        runtime = knowledge.runtime_packages(bare, base.system, base.releases)
        if runtime is None and bare in build_only:
            return Fate(name, (), "only the build uses it")
        if runtime is None:
            return Fate(name, (name,), "its run-time libraries aren't known")
        if not runtime:
            return Fate(name, (), "it has headers only")
        return Fate(name, runtime, f"{bare} is for building, {' '.join(runtime)} for running")
    return Fate(name, (name,), "it may be needed")


def removed_at_once(facts: Iterable[Fact]) -> frozenset[str]:
    """Return the packages that the RUN that installs them removes again: they never were in the image.

    `gcc` and `build-essential` only stand for others: these stay, where nothing cleans up behind them.
    """
    found: set[str] = set()
    for fact in facts:
        gone = removed_packages((fact,))
        if not _cleans_up(fact):
            gone = frozenset(name for name in gone if not knowledge.is_build_only(name, "debian"))
        installed = {bare_name(name) for effect in installs(fact) for name in effect.detail.names if name}
        # `apt-get purge --auto-remove` without a name takes what `apt-mark auto` gave up
        is_given_up = any(
            isinstance(e.detail, PackageCall) and e.detail.removes_dependencies and not e.detail.names
            for e in fact.effects
        ) and any(effect.tool == "apt-mark" for effect in fact.effects)
        found |= installed if is_given_up else gone & installed
    return frozenset(found)


def _cleans_up(fact: Fact) -> bool:
    """Whether a RUN removes what was installed only for what it removes."""
    calls = [effect.detail for effect in fact.effects if isinstance(effect.detail, PackageCall)]
    return any(call.action == "autoremove" or call.removes_dependencies for call in calls)


def removed_packages(facts: Iterable[Fact]) -> frozenset[str]:
    """Return the packages (and apk's virtual packages) that the Dockerfile removes after installing them."""
    gone: set[str] = set()
    virtual: dict[str, tuple[str | None, ...]] = {}
    facts = tuple(facts)
    cleans_up = any(_cleans_up(fact) for fact in facts)
    for fact in facts:
        for effect in fact.effects:
            call = effect.detail
            if not isinstance(call, PackageCall):
                continue
            if call.action == "install" and call.virtual:
                virtual[call.virtual] = call.names
            if call.action == "remove":
                leaves_libraries = not cleans_up
                for name in effect.removed_packages:
                    if leaves_libraries and bare_name(name).endswith(("-dev", "-devel")):
                        continue  # the libraries that came with it are still there
                    gone.add(bare_name(name))
                    gone.update(bare_name(member) for member in virtual.get(name, ()) if member)
    return frozenset(gone)


def installs(fact: Fact) -> tuple[Effect, ...]:
    """Return the package installs of a RUN."""
    return tuple(
        effect
        for effect in fact.effects
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install"
    )


_CXX_COMPILERS = frozenset({"g++", "build-base", "alpine-sdk"})
"""Alpine's packages of the C++ compiler: they bring libstdc++, which its images lack."""


def lost_cxx_compiler(facts: Sequence[Fact], base: BaseImage) -> Fact | None:
    """Return the install of a C++ compiler that is left to the builder, and its library with it."""
    removed = removed_packages(facts)
    calls = [(fact, bare_name(n)) for fact in facts for e in installs(fact) for n in e.detail.names if n]
    if base.system != "alpine" or any(name == "libstdc++" for _, name in calls):
        return None
    return next((fact for fact, name in calls if name in _CXX_COMPILERS - removed), None)


def compiler_libraries(names: Collection[str], base: BaseImage) -> tuple[str, ...]:
    """Return the libraries that compilers bring, and that what they compiled may load."""
    cxx = not {"g++", "build-base", "alpine-sdk", "build-essential", "gcc-c++"}.isdisjoint(names)
    is_c = cxx or "gcc" in names or any(name.startswith(("gcc-", "g++-")) for name in names)
    fortran = any(name.startswith("gfortran") for name in names)
    found: list[str] = []
    if base.system == "alpine":
        if cxx or not {"cargo", "rust"}.isdisjoint(names):
            found.append("libstdc++" if cxx else "libgcc")
        found += ["libgomp"] * is_c + ["libgfortran"] * fortran
    if base.system in ("debian", "ubuntu"):
        found += ["libgomp1"] * is_c + ["libgfortran5"] * fortran
    return tuple(found)


def lost_compiler_libraries(facts: Sequence[Fact], base: BaseImage) -> tuple[str, ...]:
    """Return the libraries that go with the author's compilers where those are left to the builder."""
    names = {bare_name(n) for fact in facts for e in installs(fact) for n in e.detail.names if n}
    return compiler_libraries(names - removed_packages(facts), base)


@dataclass(frozen=True, slots=True)
class Subtracted:
    """A RUN with its package list reduced to what runs, and what became of each package."""

    instruction: Instruction | None
    """None: nothing of the list is left."""
    fates: tuple[Fate, ...]


def subtracted(
    instruction: Instruction,
    script: Script,
    spans: Mapper,
    base: BaseImage,
    removed: frozenset[str],
    present: Sequence[str] = (),
    build_only: frozenset[str] = frozenset(),
    variables: Mapping[str, str] | None = None,
) -> Subtracted:
    """Return the RUN with build-only packages taken out and -dev packages replaced by what they run on.

    `script` is the RUN's script as it stands in `instruction`. `present`: packages that the final stage has
    already. `build_only`: packages that are proved to serve this build only. `variables`: those that are set
    for certain where the RUN stands.
    """
    edits: list[tuple[int, int, str]] = []
    gone: list[Token] = []
    fates: list[Fate] = []
    have = set(present)
    left = 0
    for word, names in _by_word(_package_words(script, removed, variables or {})):
        if None in names:
            left += 1
            continue
        known = [name for name in names if name is not None]
        results = [fate(name, base, removed, build_only) for name in known]
        fates.extend(results)
        start, end = spans(word.start, word.end)
        new = list(dict.fromkeys(p for one in results for p in one.runtime if p not in have))
        have.update(new)
        left += len(new)
        if not new:
            gone.append(Token(word.text, start, end))
        elif new != known:
            edits.append((start, end, _listed(instruction, start, end, new)))
    if not left:
        return Subtracted(None, tuple(fates))
    # the later edits first, so that the spans of the words to take out stay right
    for start, end, text in sorted(edits, reverse=True):
        instruction = instruction.replaced([(start, end, text)])
        shift = len(text) - (end - start)
        gone = [
            replace(token, start=token.start + shift, end=token.end + shift) if token.start > start else token
            for token in gone
        ]
    if instruction.heredocs:
        return Subtracted(_without_spans(instruction, gone), tuple(fates))
    return Subtracted(instruction.without_words(gone) if gone else instruction, tuple(fates))


def _by_word(pairs: Iterable[tuple[Word, str | None]]) -> list[tuple[Word, list[str | None]]]:
    """Return the words with their names: a variable that isn't quoted may stand for several."""
    found: list[tuple[Word, list[str | None]]] = []
    for word, name in pairs:
        if found and found[-1][0] is word:
            found[-1][1].append(name)
        else:
            found.append((word, [name]))
    return found


def _listed(instruction: Instruction, start: int, end: int, names: Sequence[str]) -> str:
    """Return names as the author lists them: one a line where the word stands alone on its line."""
    source = instruction.source
    line_start = source.rfind("\n", 0, start) + 1
    indent = source[line_start:start]
    rest = source[end:].partition("\n")[0].rstrip("\r \t")
    if line_start and not indent.strip() and rest.lstrip() == instruction.escape:
        return f" {instruction.escape}{instruction.newline}{indent}".join(names)
    return " ".join(names)


def _without_spans(instruction: Instruction, gone: Sequence[Token]) -> Instruction:
    """Return a heredoc RUN without these words, each with the blanks (and the line break) before it."""
    edits = []
    for token in gone:
        start = token.start
        while start > 0 and instruction.source[start - 1] in " \t":
            start -= 1
        if instruction.source[:start].endswith("\\\n") and start != token.start:
            start -= 2
            while instruction.source[start - 1] in " \t":
                start -= 1
        edits.append((start, token.end, ""))
    return instruction.replaced(edits) if edits else instruction


_COMPILERS = frozenset({"$PHPIZE_DEPS", "${PHPIZE_DEPS}"})
"""Variables of official images that hold the names of compilers."""


def names_of(effect: Effect, removed: Collection[str]) -> tuple[str | None, ...]:
    """Return the names of an install; for a word that isn't known what is known of it all the same.

    A virtual package of apk that is removed again takes whatever it holds with it.
    """
    virtual = effect.detail.virtual
    is_passing = virtual is not None and virtual in removed
    return tuple(
        "gcc" if word.text.strip('"') in _COMPILERS else virtual if name is None and is_passing else name
        for word, name in zip(effect.packages, effect.detail.names, strict=True)
    )


def _package_words(
    script: Script, removed: Collection[str] = (), variables: Mapping[str, str] = MappingProxyType({})
) -> Iterable[tuple[Word, str | None]]:
    """Yield the words that name packages, with their names where they are known."""
    known = dict(variables)
    for item in script.items:
        yield from _words_of(item, removed, known)


def _words_of(
    item: Item, removed: Collection[str], known: dict[str, str]
) -> Iterable[tuple[Word, str | None]]:
    """Yield the words of one item; `known` holds the variables, and takes those that it sets."""
    from msrefactor.commands import interpret_common
    from msrefactor.context import BuildContext
    from msrefactor.facts import Scope, unwrapped
    from msrefactor.knowledge.images import describe

    for command in item.commands:
        scope = Scope(describe("debian"), BuildContext.unknown(), variables=known)
        words = unwrapped(command.words, scope)
        name = words[0].literal if words else None
        if not command.words:
            for key, value in command.assignments:
                set_to = scope.value(value)
                if set_to is not None:
                    known[key] = set_to
        if name not in ("apt-get", "apt", "aptitude", "apk", "yum", "dnf", "microdnf", "zypper", "tdnf"):
            continue
        effect = interpret_common(replace(command, words=words), scope.values(words), scope, item)
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install":
            # a list inside of a compound command stays as it is
            is_plain = item.kind == "command"
            for word, package in zip(effect.packages, names_of(effect, removed), strict=True):
                yield word, package if is_plain else None


def with_packages(instruction: Instruction, names: Sequence[str]) -> Instruction | None:
    """Return the RUN with more packages at the end of its first install list; None: it has none to add to."""
    script = shell.parse_script(instruction.arguments)
    if script is None or instruction.heredocs or instruction.exec_form:
        return None
    words = [w for item in script.items if item.kind == "command" for w, _ in _words_of(item, (), {})]
    if not words:
        return None
    first_item = next(item for item in script.items if item.start <= words[0].start < item.end)
    last = [word for word in words if first_item.start <= word.start < first_item.end][-1]
    start, end = instruction.arguments_span(last.start, last.end)
    line_start = instruction.source.rfind("\n", 0, start) + 1
    indent = instruction.source[line_start:start]
    if line_start and not indent.strip():
        mark = f" {instruction.escape}{instruction.newline}{indent}"
        return instruction.replaced([(end, end, "".join(mark + name for name in names))])
    return instruction.replaced([(end, end, "".join(" " + name for name in names))])


def install_run(base: BaseImage, names: Sequence[str], lower: bool = False) -> str:
    """Return a RUN that installs packages on this base and leaves no lists behind."""
    run = "run" if lower else "RUN"
    listed = " ".join(names)
    if base.system == "alpine":
        return f"{run} apk add --no-cache {listed}\n"
    if base.system == "rpm":
        return f"{run} dnf install -y {listed} && dnf clean all\n"
    return (
        f"{run} apt-get update \\\n"
        f"    && apt-get install -y --no-install-recommends {listed} \\\n"
        "    && rm -rf /var/lib/apt/lists/*\n"
    )
