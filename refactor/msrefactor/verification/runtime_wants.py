"""What programs of the JVM, .NET, Ruby and PHP need beside shared libraries."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator, Mapping

from msrefactor.verification.packages import json_object
from msrefactor.verification.reach import Command, Reach

_CLASS_PATH = ("-cp", "-classpath", "--class-path", "-p", "--module-path")
_DOTNET_ROOTS = ("/usr/share/dotnet", "/usr/lib/dotnet", "/usr/lib64/dotnet", "/usr/local/share/dotnet")


def runtime_wants(reach: Reach) -> None:
    """Add what the started programs of these runtimes need."""
    for command in tuple(reach.commands):
        name = posixpath.basename(command.argv[0])
        if name == "java":
            _java(reach, command)
        elif name == "dotnet" and len(command.argv) > 1 and command.argv[1].endswith(".dll"):
            place = posixpath.normpath(posixpath.join(command.folder, command.argv[1]))
            reach.want("assembly", place, command.by, reach.root.resolve(place))
            _dotnet(reach, place)
        elif command.path and reach.root.is_file(f"{reach.root.resolve(command.path)}.runtimeconfig.json"):
            _dotnet(reach, f"{reach.root.resolve(command.path)}.dll")
    if "ruby" in reach.families():
        _gems(reach)
    if "php" in reach.families() or any("php" in posixpath.basename(one) for one in reach.programs):
        _php(reach)


def _java(reach: Reach, command: Command) -> None:
    words = list(command.argv[1:])
    home = posixpath.dirname(posixpath.dirname(reach.root.resolve(command.path) or command.path))
    if home:
        store = f"{home}/lib/security/cacerts"
        broken = reach.root.broken_link(store)
        reason = f"{broken[0]} leads to {broken[1]}, which is not there" if broken else ""
        reach.want(
            "certificates of Java", "lib/security/cacerts", command.path, reach.root.resolve(store), reason
        )
        for module in ("lib/modules", "lib/server/libjvm.so"):
            reach.want(
                "file of the Java runtime", module, command.path, reach.root.resolve(f"{home}/{module}")
            )
    entries = [reach.environment["CLASSPATH"]] if reach.environment.get("CLASSPATH") else []
    while words:
        word = words.pop(0)
        option, mark, value = word.partition("=")
        if word in _CLASS_PATH and words:
            entries = [words.pop(0)]
        elif option in _CLASS_PATH and mark:
            entries = [value]
        elif option.startswith("-javaagent:"):
            _jar(reach, posixpath.join(command.folder, word.partition(":")[2].partition("=")[0]), command.by)
        elif word == "-jar" and words:
            _jar(reach, posixpath.join(command.folder, words.pop(0)), command.by)
            return
        elif not word.startswith("-"):
            break
    for entry in filter(None, ":".join(entries).split(":")):
        place = posixpath.normpath(posixpath.join(command.folder, entry))
        if posixpath.basename(place) == "*":
            folder = posixpath.dirname(place)
            jars = [name for name in reach.root.names(folder) if name.lower().endswith(".jar")]
            reach.want("jars of the class path", entry, command.by, folder if jars else None)
        elif place.lower().endswith(".jar"):
            _jar(reach, place, command.by)
        else:
            reach.want("class path", place, command.by, reach.root.resolve(place))


def _jar(reach: Reach, path: str, by: str) -> None:
    """Want a jar, its main class, and what its manifest's Class-Path names."""
    place = posixpath.normpath(path)
    found = reach.root.resolve(place)
    reach.want("jar", place, by, found)
    if found is None:
        return
    names, manifest = _opened(reach, found)
    main = manifest.get("Main-Class", "")
    if main and names:
        reach.want("class", main, place, place if f"{main.replace('.', '/')}.class" in names else None)
    for entry in manifest.get("Class-Path", "").split():
        if ":" not in entry:
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(place), entry))
            reach.want("jar", beside, place, reach.root.resolve(beside))


def _opened(reach: Reach, path: str) -> tuple[frozenset[str], Mapping[str, str]]:
    """Return the names in a jar and the main attributes of its manifest."""
    stream = reach.root.open(path)
    if stream is None:
        return frozenset(), {}
    try:
        with stream, zipfile.ZipFile(stream) as jar:
            names = frozenset(jar.namelist())
            entry = jar.getinfo("META-INF/MANIFEST.MF") if "META-INF/MANIFEST.MF" in names else None
            text = jar.read(entry).decode(errors="replace") if entry and entry.file_size < 1_000_000 else ""
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):
        return frozenset(), {}
    main = text.replace("\r\n", "\n").replace("\n ", "").partition("\n\n")[0]
    pairs = (line.partition(": ") for line in main.splitlines())
    return names, {key: value.strip() for key, _, value in pairs}


def java_release(reach: Reach) -> str | None:
    """Return the major version of the Java runtime that is started, None where there is none."""
    for path in reach.programs:
        if posixpath.basename(path) == "java":
            home = posixpath.dirname(posixpath.dirname(path))
            for line in (reach.root.text(f"{home}/release") or "").splitlines():
                if line.startswith("JAVA_VERSION="):
                    version = line.partition("=")[2].strip('"').removeprefix("1.")
                    return version.partition(".")[0]
    return None


def _dotnet(reach: Reach, assembly: str) -> None:
    """Want the frameworks that a `*.runtimeconfig.json` names; a patch release may be another one."""
    stem = assembly.removesuffix(".dll")
    options = json_object(reach.root.text(f"{stem}.runtimeconfig.json")).get("runtimeOptions")
    if not isinstance(options, dict):
        return
    frameworks = options.get("frameworks") or [options.get("framework")]
    roots = (*filter(None, [reach.environment.get("DOTNET_ROOT")]), *_DOTNET_ROOTS)
    for one in frameworks if isinstance(frameworks, list) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            release = ".".join(str(one.get("version", "")).split(".")[:2])
            found = next(
                (
                    f"{root}/shared/{one['name']}/{name}"
                    for root in roots
                    for name in reach.root.names(f"{root}/shared/{one['name']}")
                    if name == release or name.startswith(f"{release}.")
                ),
                None,
            )
            reach.want(".NET framework", f"{one['name']} {release}", f"{stem}.runtimeconfig.json", found)
    libraries = json_object(reach.root.text(f"{stem}.deps.json")).get("targets")
    for name in _assemblies(libraries):
        place = posixpath.join(posixpath.dirname(assembly), posixpath.basename(name))
        reach.want("assembly", place, f"{stem}.deps.json", reach.root.resolve(place))


def _assemblies(targets: object) -> Iterator[str]:
    for target in targets.values() if isinstance(targets, dict) else ():
        for library in target.values() if isinstance(target, dict) else ():
            runtime = library.get("runtime") if isinstance(library, dict) else None
            yield from runtime if isinstance(runtime, dict) else ()


def _gems(reach: Reach) -> None:
    """Want the gems that Gemfile.lock names, by the specifications that RubyGems writes."""
    text = reach.root.text(posixpath.join(reach.folder, "Gemfile.lock"))
    specifications = {
        posixpath.basename(path).removesuffix(".gemspec"): path
        for path in reach.root.nodes
        if path.endswith(".gemspec")
        and posixpath.basename(posixpath.dirname(path)) in ("specifications", "default")
    }
    is_listed = False
    for line in (text or "").splitlines():
        if not line.startswith(" "):
            is_listed = line in ("GEM", "GIT", "PATH")
        elif is_listed and line.startswith("    ") and line[4:5] != " " and "(" in line:
            name, _, version = line.strip().rstrip(")").partition(" (")
            found = next(
                (path for key, path in specifications.items() if key.startswith(f"{name}-{version}")), None
            )
            reach.want("gem", f"{name} {version}", "Gemfile.lock", found)
    for path, node in tuple(reach.root.nodes.items()):
        if node.kind == "file" and path.endswith(".so") and "/extensions/" in path and "/gems/" not in path:
            reach.libraries(path)
    for name, path in specifications.items():
        if "/default/" in path:
            continue
        gem = path.replace("/specifications/", "/gems/").removesuffix(".gemspec")
        reach.want("files of the gem", name, path, reach.root.resolve(gem))


def _php(reach: Reach) -> None:
    """Want the extensions that PHP's ini files load, and the packages that Composer installed."""
    for path in tuple(reach.root.nodes):
        if not path.endswith(".ini") or "/conf.d/" not in path:
            continue
        for line in (reach.root.text(path) or "").splitlines():
            key, mark, value = line.partition("=")
            if mark and key.strip() in ("extension", "zend_extension"):
                name = value.split(";")[0].strip().strip('"')
                base = posixpath.basename(name) if name.endswith(".so") else f"{posixpath.basename(name)}.so"
                found = next(
                    (
                        one
                        for one in reach.root.nodes
                        if one.endswith(f"/{base}") and ("/extensions/" in one or "/lib/php/" in one)
                    ),
                    None,
                )
                reach.want("PHP extension", base, path, found)
                if found is not None:
                    reach.libraries(found)
    for path in tuple(reach.root.nodes):
        if path.endswith("/composer/installed.json"):
            packages = json_object(reach.root.text(path, 20_000_000)).get("packages")
            for one in packages if isinstance(packages, list) else ():
                place = one.get("install-path") if isinstance(one, dict) else None
                if isinstance(place, str):
                    full = posixpath.normpath(posixpath.join(posixpath.dirname(path), place))
                    reach.want("Composer package", str(one.get("name")), path, reach.root.resolve(full))
