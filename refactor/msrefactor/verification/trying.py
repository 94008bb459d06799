"""The original of one file, built once, and what is built and compared with it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from msrefactor.context import BuildContext
from msrefactor.errors import MsrefactorError
from msrefactor.model import Changed, Replacement, Result
from msrefactor.run import patch_path
from msrefactor.source import encode
from msrefactor.verification.archives import BadArchive
from msrefactor.verification.bases import base_file, shared_layers
from msrefactor.verification.behaviour import behaviour_differences
from msrefactor.verification.comparison import compare_filesystems
from msrefactor.verification.config import config_differences, server_differences
from msrefactor.verification.containers import Behaviour, NotRun, watch
from msrefactor.verification.differences import Difference, Level
from msrefactor.verification.emitted_tests import emitted_tests, write_tests
from msrefactor.verification.engines import Build, Recipe
from msrefactor.verification.images import Image, read_image
from msrefactor.verification.verdict import Side, Status, Verdict

if TYPE_CHECKING:
    from msrefactor.verification.proof import Proof


class CantProve(Exception):  # noqa: N818  named for what it says
    """Nothing can be compared; the message is a clause that says why."""


class Trying:
    """The original of one file, built once, and what is compared with it."""

    def __init__(self, proof: Proof, result: Result, context: BuildContext, place: Path) -> None:
        if context.root is None:
            raise CantProve("the build context isn't known; name it with --context")
        self.proof, self.result, self.context, self.place = proof, result, context, place
        self.engine, self.plan = proof.engine, proof.plan
        self.name = str(result.path)
        self.root = context.root
        self.behaviour: Behaviour | None = None
        self.last_behaviour: Behaviour | None = None
        self.tags: list[str] = []
        self.image: Image | None = None
        self.base_layers = 0
        self.build = Build(False, "", 0.0)

    def close(self) -> None:
        """Remove what was built, and close what was opened."""
        if self.image is not None:
            self.image.close()
        for tag in self.tags:
            self.engine.remove_image(tag)

    # ----------------------------------------------------------------------------------------------- builds

    def whole(self) -> tuple[Verdict, Build | None]:
        """Build both texts side by side, and compare them."""
        self.proof.tell(self.name, "building both files")
        try:
            with ThreadPoolExecutor(2) as pool:
                old = pool.submit(self._built, "before", self.result.before, self._ignoring(is_after=False))
                new = pool.submit(self._built, "after", self.result.after, self._ignoring(is_after=True))
                self.build, build = old.result(), new.result()
            if not self.build.succeeded:
                self.proof.log(self.name, "build-before.log", self.build.log)
                also = "too" if not build.succeeded else "and the refactored file does"
                raise CantProve(f"the original doesn't build, {also}: {last_error(self.build.log)}")
            self.image = self._image("before")
            self.base_layers = self._base_layers()
            return self._compared("after", self.result, build), build
        except BaseException:
            self.close()
            raise

    def part(self, part: Result) -> Verdict:
        """Build a part of the change, and compare it with the original."""
        which = f"part{len(self.tags)}"
        build = self._built(which, part.after, self._ignoring(is_after=True, result=part))
        return self._compared(which, part, build)

    def _tag(self, which: str) -> str:
        return self.engine.tag(f"{self.place.name}-{which}")

    def _built(self, which: str, text: str, ignoring: bytes | None) -> Build:
        folder = self.place / which
        folder.mkdir()
        file, ignore_file = folder / "Dockerfile", folder / "Dockerfile.dockerignore"
        file.write_bytes(encode(without_syntax_line(text) if self.plan.without_syntax else text))
        if ignoring is not None:
            ignore_file.write_bytes(ignoring)
        tag = self._tag(which)
        self.tags.append(tag)
        recipe = self._recipe(self.root, file, ignore_file if ignoring is not None else None)
        return self.engine.build(tag, recipe, folder / "image.tar", self.plan.build_seconds)

    def _recipe(self, root: Path, file: Path, ignore_file: Path | None) -> Recipe:
        plan = self.plan
        return Recipe(
            root,
            file,
            ignore_file,
            plan.arguments,
            plan.secrets,
            plan.ssh,
            plan.target,
            plan.platform,
            plan.network,
            dict(plan.base_images),
            plan.is_cached,
        )

    def _ignoring(self, *, is_after: bool, result: Result | None = None) -> bytes | None:
        """Return the ignore file that has to stand beside the copy of the Dockerfile; None: the context's."""
        file = self.context.ignore_file
        for other in (result or self.result).others if is_after else ():
            if file is None or other.path != file:
                raise CantProve(
                    f"the change touches {other.path.name}, which can't be built beside the original"
                )
            return encode(other.after)
        if file is None or file == self.root / ".dockerignore":
            return None
        try:
            return file.read_bytes()
        except FileNotFoundError:
            return None

    def _image(self, which: str) -> Image:
        archive = self.place / which / "image.tar"
        if not self.engine.exports:
            self.proof.tell(self.name, "reading the images")
            saved = self.engine.save(self._tag(which), archive)
            if not saved.succeeded:
                raise CantProve(f"{self.engine.client} can't save the image: {saved.stderr.strip()}")
        try:
            return read_image(archive)
        except (BadArchive, OSError) as error:
            raise CantProve(str(error)) from error

    def _base_layers(self) -> int:
        """Return how many of the original's layers are its base image's; 0 when that can't be found out."""
        text = base_file(self.result.before, self.plan.target)
        if text is None or self.engine.exports or self.image is None or self.image.archive is None:
            return 0
        if not self._built("base", text, None).succeeded:
            return 0
        layers = self.image.archive.filesystem.layers
        return shared_layers(self.engine.layers(self._tag("base")), tuple(layer.digest for layer in layers))

    # ------------------------------------------------------------------------------------------- comparison

    def _compared(self, which: str, result: Result, build: Build) -> Verdict:
        """Compare the image that a change's build made with the original's."""
        if self.image is None:
            raise CantProve("the original wasn't built")
        before_side = _side(self.build, self.image)
        if not build.succeeded:
            reason = Difference(Level.BUILD, "build", "succeeded", "failed", last_error(build.log))
            return Verdict(Status.DIFFERENT, (reason,), before=before_side, levels=(Level.BUILD,))
        image = self._image(which)
        try:
            replacement = _replacement(result)
            differences, removed, notes = compared_images(
                self.image,
                image,
                result.before,
                replacement=replacement,
                base_layers=self.base_layers,
            )
            levels = [Level.BUILD, Level.CONFIG, *([] if replacement else [Level.FILES])]
            if self.plan.trial(()) is not None:
                ran, unstable = self._ran(which, is_replaced=replacement is not None)
                differences += ran
                notes += unstable
                levels.append(Level.RUN)
            sides = before_side, _side(build, image)
            if not differences and self.plan.tests_folder is not None:
                self._emit(self.plan.tests_folder, self.image, image)
        finally:
            image.close()
        status = Status.DIFFERENT if differences else Status.PROVED
        if status is Status.PROVED and which == "after" and self.plan.touch is not None:
            sides = self._retouched(*sides)
        return Verdict(
            status,
            differences,
            before=sides[0],
            after=sides[1],
            removed=removed,
            levels=tuple(levels),
            notes=notes,
        )

    def _emit(self, folder: Path, before: Image, after: Image) -> None:
        """Write tests of the image for the user's own CI."""
        if before.archive is None or after.archive is None:
            return
        answers = self.behaviour.answers if self.behaviour is not None else ()
        port = self.plan.port or next(iter(exposed_ports(before)), 80)
        texts = emitted_tests(
            before.archive.filesystem,
            before.config,
            after.archive.filesystem,
            after.config,
            ports=sorted({int(one.rpartition(":")[2]) for one in self.behaviour.ports if " any:" in one})
            if self.behaviour is not None
            else (),
            answers={
                f"http://localhost:{port}{answer.path}": answer.status
                for answer in answers
                if answer.status is not None and answer.path.startswith("/")
            },
        )
        try:
            write_tests(folder, patch_path(self.result.path), texts)
        except (OSError, MsrefactorError) as error:
            raise CantProve(f"--emit-tests: {folder} can't be written: {error}") from error

    def _ran(self, which: str, *, is_replaced: bool) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
        """Start both images, and compare what they do; what the original doesn't do twice isn't compared."""
        if self.image is None:
            raise CantProve("the original wasn't built")
        trial = self.plan.trial(exposed_ports(self.image))
        if trial is None:
            return (), ()
        self.proof.tell(self.name, "running both containers")
        for side in ("before", which) if self.engine.exports else ():
            loaded = self.engine.load(self.place / side / "image.tar")
            if not loaded.succeeded:
                raise CantProve(f"{self.engine.client} can't load the image: {loaded.stderr.strip()}")
        try:
            with ThreadPoolExecutor(2) as pool:
                old = pool.submit(watch, self.engine, self._tag("before"), trial)
                new = pool.submit(watch, self.engine, self._tag(which), trial)
                self.behaviour, self.last_behaviour = old.result(), new.result()
            found = behaviour_differences(self.behaviour, self.last_behaviour, is_replaced=is_replaced)
            if not found:
                return (), ()
            self.proof.tell(self.name, "running the original once more")
            once_more = watch(self.engine, self._tag("before"), trial)
        except NotRun as reason:
            raise CantProve(str(reason)) from reason
        own = behaviour_differences(self.behaviour, once_more)
        unstable = {one.subject for one in own}
        notes = tuple(f"{subject} isn't compared: the original's own differs" for subject in sorted(unstable))
        return tuple(one for one in found if one.subject not in unstable), notes

    def _retouched(self, old: Side, new: Side) -> tuple[Side, Side]:
        """Build both once more after one source file of a copy of the context was changed."""
        self.proof.tell(self.name, f"rebuilding after a change of {self.plan.touch}")
        copy = self.place / "context"
        shutil.copytree(self.root, copy, symlinks=True)
        touched = copy / str(self.plan.touch)
        if not touched.resolve().is_relative_to(copy.resolve()) or not touched.is_file():
            raise CantProve(f"--touch: there is no {self.plan.touch} in {self.root}")
        # first without the change: the cache then has the layers of this very copy
        self._rebuilt(copy, "before")
        self._rebuilt(copy, "after")
        with touched.open("ab") as end:
            end.write(b"\n" * (1 + int.from_bytes(os.urandom(2))))
        again = self._rebuilt(copy, "before"), self._rebuilt(copy, "after")
        first, second = (
            replace(side, rebuild_seconds=one.seconds, rebuild_cached_steps=len(one.cached_steps))
            if one.succeeded
            else side
            for side, one in zip((old, new), again, strict=True)
        )
        return first, second

    def _rebuilt(self, root: Path, which: str) -> Build:
        file = self.place / which / "Dockerfile"
        ignore_file = file.with_name("Dockerfile.dockerignore")
        recipe = self._recipe(root, file, ignore_file if ignore_file.exists() else None)
        archive = file.with_name("again.tar")
        tag = self._tag(
            f"{which}-{len(self.tags)}"
        )  # an image whose tag is taken over would be left nameless
        self.tags.append(tag)
        return self.engine.build(tag, replace(recipe, is_cached=True), archive, self.plan.build_seconds)


def compared_images(
    before: Image,
    after: Image,
    dockerfile: str,
    *,
    replacement: Replacement | None = None,
    base_layers: int = 0,
) -> tuple[tuple[Difference, ...], tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...]]:
    """Return what differs, the packages that are gone, what wasn't compared; `dockerfile` may be empty."""
    if replacement is not None:
        note = f"files aren't compared: nginx hands out {replacement.folder}; --http compares its answers"
        return server_differences(before, after), (), (note,)
    differences = config_differences(before, after, dockerfile)
    if before.archive is None or after.archive is None:
        return differences, (), ("files aren't compared: the images weren't saved",)
    files = compare_filesystems(
        before.archive.filesystem,
        after.archive.filesystem,
        before.config,
        after.config,
        base_layers=base_layers,
    )
    kinds: dict[str, list[str]] = {}
    for kind, name, _ in files.gone_packages:
        kinds.setdefault(kind, []).append(name)
    removed = tuple((kind, tuple(sorted(names))) for kind, names in kinds.items())
    return differences + files.differences, removed, files.notes


def exposed_ports(image: Image) -> tuple[int, ...]:
    """Return the TCP ports that an image exposes."""
    ports = image.config.get("ExposedPorts")
    names = [str(port).partition("/") for port in ports] if isinstance(ports, Mapping) else []
    return tuple(sorted(int(n) for n, _, kind in names if n.isdecimal() and kind in ("", "tcp")))


def _side(build: Build, image: Image) -> Side:
    return Side(
        image.size,
        tuple((layer.size, layer.created_by) for layer in image.layers),
        build.seconds,
        len(build.cached_steps),
    )


def _replacement(result: Result) -> Replacement | None:
    """Return the web server that took the place of the original's command."""
    found = [step.outcome.replacement for step in result.steps if isinstance(step.outcome, Changed)]
    return next((one for one in found if one is not None), None)


def last_error(log: str) -> str:
    """Return the line of a build's log that tells why it failed."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("ERROR:", "Error:", "error:"))]
    return (told or lines or ["it says nothing"])[-1][:500]


def without_syntax_line(text: str) -> str:
    """Return a Dockerfile with its `# syntax=` directive left out; the other directives stay first."""
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines):
        directive = re.match(r"\ufeff?[ \t]*#[ \t]*([A-Za-z]+)[ \t]*=", line)
        if directive is None:
            break
        if directive[1].lower() == "syntax":
            return "".join(lines[:index] + lines[index + 1 :])
    return text
