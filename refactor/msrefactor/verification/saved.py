"""Two saved images, compared without any engine."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from msrefactor.console import Output, say
from msrefactor.errors import MsrefactorError
from msrefactor.explain import printable
from msrefactor.source import encode
from msrefactor.verification.differences import Level
from msrefactor.verification.emitted_tests import emitted_tests, write_tests
from msrefactor.verification.images import read_image
from msrefactor.verification.tables import details, table
from msrefactor.verification.trying import compared_images
from msrefactor.verification.verdict import Side, Status, Verdict


def compare_saved(files: tuple[str, str], output: Output, tests_folder: Path | None = None) -> bool:
    """Tell how two images differ; return whether they do, can't be read, or tests can't be written."""
    try:
        with closing(read_image(Path(files[0]))) as before, closing(read_image(Path(files[1]))) as after:
            differences, removed, notes = compared_images(before, after, "")
            sides = [
                Side(image.size, tuple((layer.size, layer.created_by) for layer in image.layers))
                for image in (before, after)
            ]
            if tests_folder is not None and not differences and before.archive and after.archive:
                roots = before.archive.filesystem, after.archive.filesystem
                texts = emitted_tests(roots[0], before.config, roots[1], after.config)
                write_tests(tests_folder, "Dockerfile", texts)
    except (MsrefactorError, OSError) as error:
        say(printable(f"msrefactor: {error}"))
        return True
    status = Status.DIFFERENT if differences else Status.PROVED
    levels = (Level.CONFIG, Level.FILES)
    verdict = Verdict(
        status, differences, before=sides[0], after=sides[1], removed=removed, levels=levels, notes=notes
    )
    for line in details(files[1], verdict):
        say(printable(line))
    output.write(encode(printable(table([(Path(files[1]), verdict)]), keep="\n")))
    return bool(differences)
