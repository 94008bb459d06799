"""Ruby: Bundler and RubyGems, Rails and its assets, site generators.

The gems are copied from where Bundler put them, with Bundler's own settings; a task that writes into the
project leaves a folder that is copied as a whole. Ruby's slim image has what Ruby itself links with.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace

from msrefactor.code.needs import EMPTY, CodeNeeds
from msrefactor.contract import evidence_of, starts
from msrefactor.facts import Effect, Fact, StageFacts
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import describe
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._ruby_commands import GemInstall, interpret, read_project
from msrefactor_transforms.ecosystems._ruby_packages import build_packages, gems_of, node_needs
from msrefactor_transforms.knowledge.native import NativePackage, ruby_native
from msrefactor_transforms.splitting.bases import saved_by_base, slim_base
from msrefactor_transforms.splitting.packages import lost_cxx_compiler
from msrefactor_transforms.splitting.plan import Ecosystem, Level, RuntimePackage, SplitPlan

_WHOLE = frozenset(
    "actionpack activejob activemodel activerecord activesupport bootsnap bundler concurrent-ruby debug "
    "dotenv erb faraday foreman grape haml httparty i18n importmap-rails jbuilder jekyll jekyll-feed "
    "jekyll-paginate jekyll-redirect-from jekyll-seo-tag jekyll-sitemap json jwt kramdown liquid minima "
    "minitest mustermann nio4r nokogiri oj pg mysql2 sqlite3 propshaft pry puma rack rack-cors rackup rails "
    "railties rake redis rest-client roda rouge rspec rspec-rails rubocop rufus-scheduler sass sassc-rails "
    "sequel sidekiq sinatra sinatra-contrib slim sprockets-rails stimulus-rails telegram-bot-ruby thin "
    "thor tilt turbo-rails turbolinks tzinfo unicorn web-console webrick byebug listen spring "
    "spring-watcher-listen rack-protection bcrypt devise kaminari cancancan pundit simple_form "
    "kramdown-parser-gfm jekyll-theme-minimal http_parser.rb wdm tzinfo-data base64 csv bigdecimal logger "
    "ostruct mutex_m".split()
)
"""Gems that are known with everything they bring along: none of it needs more than their own rows say."""
_TESTS = ("spec", "test", "tests", "features")
_SETUP_SCRIPTS = frozenset("setup update dev yarn webpack webpack-dev-server ci spring importmap".split())
_WATCHERS = frozenset("guard rerun shotgun nodemon webpack-dev-server".split())
_RUNNERS = frozenset("rspec cucumber minitest".split())


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that installs gems is split."""
    installs = [(f, e, e.detail) for f, e in facts.effects() if isinstance(e.detail, GemInstall)]
    bundles = [entry for entry in installs if entry[2].tool == "bundle"]
    if not bundles and all(set(install.names) <= {"bundler", "rake"} for _, _, install in installs):
        return None
    base = facts.base
    if base.system in ("unknown", "windows"):
        return Refused(
            "base-unknown",
            f"nothing is known about {base.reference.text}",
            (evidence_of(facts.facts[0].instruction, view.name),),
        )
    obstacle = _started(view, facts)
    if obstacle is not None:
        return obstacle
    level, runtime = slim_base(facts, "ruby")
    gems = gems_of(facts)
    if level is Level.SLIM and gems is None:
        evidence = evidence_of(bundles[0][0].instruction, view.name)
        return Refused("context-unknown", "which gems are installed can't be read", (evidence,))
    names = dict(gems or {})
    assumptions: list[str] = []
    for fact, _, install in installs:
        names.update({name: evidence_of(fact.instruction, view.name) for name in install.names})
    code = _code_needs(view, facts)
    packages: list[RuntimePackage] = []
    commands: list[tuple[str, Evidence]] = []
    if level is Level.SLIM:
        lost = knowledge.lost_packages(base, describe(_resolved(facts, runtime)))
        for name, evidence in names.items():
            native = _needed(view, facts, bundles, name)
            if native is None:
                continue
            found = native.packages(base.system, base.releases)
            if found is None:
                return Refused(
                    "runtime-library", f"which libraries {name} needs on {runtime} isn't known", (evidence,)
                )
            packages.extend(
                RuntimePackage(package, evidence, f"{name} needs it")
                for package in found
                if package in lost or f"{package}t64" in lost
            )
            commands.extend((command, evidence) for command in native.commands)
        assumptions.extend(_unseen(facts, installs, runtime))
    compiler = lost_cxx_compiler(facts.facts, base)
    if compiler is not None and any(_may_be_cxx(facts, installs, name) for name in names):
        place = evidence_of(compiler.instruction, view.name)
        packages.append(RuntimePackage("libstdc++", place, "gems that g++ compiles load it"))
    code = replace(code, commands=(*code.commands, *commands))
    return SplitPlan(
        ecosystem="ruby",
        level=level,
        runtime_image=runtime,
        packages=tuple(packages),
        build_packages=build_packages(view, facts, code, tuple(names)),
        code=code,
        assumptions=tuple(assumptions),
        build_files=frozenset(
            path for _, e, d in installs if d.tool == "gem" for path in e.reads if path.endswith(".gem")
        ),
        reason=f"install the gems in a builder stage; the final stage starts from {runtime}",
        saved_mb=saved_by_base(view, facts, runtime),
    )


_CXX = frozenset(
    "charlock_holmes cityhash cld3 compact_enc_det eventmachine exiv2 farmhash github-linguist gosu grpc "
    "hunspell jieba_rb kyotocabinet leveldb-ruby libv8 libv8-node marisa-trie mecab mini_racer nmatrix "
    "passenger qtbindings re2 rice rmagick rocksdb-ruby ruby-opencv sassc snappy taglib-ruby therubyracer "
    "torch-rb unf_ext vernier".split()
)
"""Gems whose native code is C++."""
_BRING_CXX = frozenset(
    "thin sassc-rails jekyll faye faye-websocket em-websocket em-http-request mailcatcher unf "
    "http-cookie rest-client mechanize".split()
)
"""Gems that bring one of them along, or did."""


def _may_be_cxx(facts: StageFacts, installs: Sequence[tuple[Fact, Effect, GemInstall]], name: str) -> bool:
    """Whether C++ may be compiled for a gem, or without a lock file for one that it brings along."""
    projects = [
        read_project(install.gemfile, facts.end) for _, _, install in installs if install.tool == "bundle"
    ]
    locks = [lock for _, lock in projects if lock is not None]
    if name in _CXX:
        return not any(lock.is_precompiled(name) for lock in locks)
    is_locked = bool(locks) and len(locks) == len(installs)
    return not is_locked and (name in _BRING_CXX or (name not in _WHOLE and ruby_native(name) is None))


def _resolved(facts: StageFacts, runtime: str) -> str:
    from msrefactor.knowledge.images import slim_variant

    return slim_variant(facts.base.reference.text) or runtime


def _unseen(
    facts: StageFacts, installs: Sequence[tuple[Fact, Effect, GemInstall]], runtime: str
) -> Iterator[str]:
    """Yield what has to hold where no lock file says which gems the named ones bring along."""
    names: list[str] = []
    for _, _, install in installs:
        gemfile, lock = read_project(install.gemfile, facts.end) if install.tool == "bundle" else (None, None)
        if lock is None:
            names.extend(install.names)
            names.extend(name for name, _ in (gemfile.names if gemfile is not None else ()))
    for name in sorted(set(names) - _WHOLE):
        if ruby_native(name) is None and not name.endswith(".gem"):
            yield f"no gem that {name} brings along needs a library that {runtime} lacks (no lock file)"


def _needed(
    view: View, facts: StageFacts, bundles: Sequence[tuple[Fact, Effect, GemInstall]], name: str
) -> NativePackage | None:
    """Return what a gem needs of the system; None where nothing is known, or it brings it itself."""
    native = ruby_native(name)
    if native is None:
        return None
    by_system = any(
        "use-system-libraries" in value or "enable-system-libraries" in value
        for value in (*facts.end.variables.values(), *(f.instruction.text for f in facts.runs()))
    ) or facts.end.variables.get("NOKOGIRI_USE_SYSTEM_LIBRARIES", "") not in ("", "false", "0")
    if name == "nokogiri":
        return native if by_system else None
    is_compiled = facts.end.variables.get("BUNDLE_FORCE_RUBY_PLATFORM", "") not in ("", "false", "0")
    is_compiled = is_compiled or any("force_ruby_platform" in f.instruction.text for f in facts.runs())
    for _, _, install in bundles:
        _, lock = read_project(install.gemfile, facts.end)
        if lock is not None and lock.is_precompiled(name) and not by_system and not is_compiled:
            return None
    return native


def _code_needs(view: View, facts: StageFacts) -> CodeNeeds:
    from msrefactor.code.ruby import is_ruby, ruby_needs_of

    if not view.context.known:
        return EMPTY
    sources: dict[str, None] = {}
    for fact in facts.facts:
        for placed in fact.placed:
            files = view.context.files(placed.source) if placed.is_folder else (placed.source,)
            for file in files:
                if is_ruby(file) and not _is_aside(file):
                    sources.setdefault(file)
    code = ruby_needs_of(view.context, tuple(sources))
    return replace(code, commands=(*code.commands, *node_needs(view, facts)))


def _is_aside(file: str) -> bool:
    """Whether a file isn't part of what runs: tests, deployment from elsewhere, other people's code."""
    parts = file.split("/")
    if any(part in ("node_modules", "vendor", *_TESTS) for part in parts[:-1]):
        return True
    if parts[0] == "bin" and parts[-1] in _SETUP_SCRIPTS:
        return True
    return file.startswith(("config/deploy", "lib/capistrano")) or parts[-1] == "Guardfile"


def _programs(view: View, facts: StageFacts) -> Iterator[tuple[tuple[str, ...], Evidence]]:
    """Yield the commands that start with the container, `bundle exec` taken off, shell scripts followed."""
    from msrefactor import shell
    from msrefactor_transforms.splitting.needs import placed_path

    waiting: list[tuple[tuple[str, ...], Evidence, int]] = []
    texts: list[tuple[str, Evidence, int]] = []
    for start in starts(view, facts):
        if start.argv is not None:
            waiting.append((tuple(start.argv), start.evidence, 0))
        elif start.shell:
            texts.append((start.shell, start.evidence, 0))
    while waiting or texts:
        if texts:
            text, evidence, depth = texts.pop()
            script = shell.parse_script(text)
            for item in script.items if script is not None else ():
                for command in item.commands:
                    words = tuple(w.literal if w.literal is not None else w.text for w in command.words)
                    waiting.append((words, evidence, depth))
            continue
        words, evidence, depth = waiting.pop()
        while words and posixpath.basename(words[0]) in ("exec", "tini", "dumb-init", "--", "env"):
            words = words[1:]
        if posixpath.basename(words[0] if words else "") in ("sh", "bash", "ash") and len(words) > 1:
            if words[1].startswith("-") and words[1].endswith("c") and len(words) > 2:
                texts.append((words[2], evidence, depth + 1))
                continue
            words = words[1:]
        path = placed_path(facts, words[0]) if words else None
        content = facts.end.read(path) if path else None
        first = (content or "").partition("\n")[0]
        if content and depth < 4 and first.startswith("#!") and first.split()[-1].rpartition("/")[2] in (
            "sh", "bash", "ash"
        ):  # fmt: skip
            texts.append((content, evidence, depth + 1))
        if words[:2] in (("bundle", "exec"), ("bundler", "exec")):
            words = words[2:]
        if words:
            yield words, evidence


def _started(view: View, facts: StageFacts) -> Refused | None:
    """Return the obstacle that lies in what is started: an install, a watcher, the tests."""
    for words, evidence in _programs(view, facts):
        tool = posixpath.basename(words[0])
        if tool in ("bundle", "bundler") and (len(words) == 1 or words[1] in ("install", "update")):
            return Refused(
                "compiles-at-start", "`bundle install` runs when the container starts", (evidence,),
                remedy="install the gems in the image only; a mounted source tree is for developing",
            )  # fmt: skip
        if tool == "gem" and words[1:2] == ("install",):
            return Refused("compiles-at-start", "`gem install` runs when the container starts", (evidence,))
        if tool in _WATCHERS or words[0] in ("bin/dev", "./bin/dev"):
            return Refused(
                "development-image", f"`{tool}` restarts the program when its source changes", (evidence,)
            )
        if tool == "foreman" and any("dev" in word for word in words[1:]):
            return Refused("development-image", "foreman starts the programs for developing", (evidence,))
        if tool in _RUNNERS or (tool in ("rake", "rails") and words[1:2] in (("spec",), ("test",))):
            return Refused("development-image", "the container runs the tests", (evidence,))
    return None


_PROGRAMS = frozenset(
    "ruby jruby bundle bundler rails rake puma unicorn thin rackup sidekiq foreman passenger jekyll irb gem "
    "falcon iodine resque good_job clockwork hanami middleman".split()
)

ECOSYSTEM = Ecosystem("ruby", interpret, plan, programs=_PROGRAMS, code=_code_needs)
