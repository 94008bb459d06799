"""Language packages with native code: what isn't known is never taken for nothing."""

import pytest

from msrefactor.knowledge.packages import RELEASES
from msrefactor_transforms.knowledge.native import _table, go_native, node_native, ocaml_plain, python_native

TABLES = ("python_native.tsv", "node_native.tsv", "ruby_native.tsv", "go_native.tsv")


@pytest.mark.parametrize("name", ["flask", "requests", "no-such-distribution", ""])
def test_no_row_for_what_is_not_native(name: str) -> None:
    assert python_native(name) is None


def test_unknown_names_in_other_languages() -> None:
    assert node_native("express") is None
    assert go_native("github.com/gin-gonic/gin") is None
    assert go_native("") is None


def test_nothing_is_known_for_unknown_systems_and_releases() -> None:
    psycopg2 = python_native("psycopg2")
    assert psycopg2 is not None
    assert psycopg2.packages("debian", ()) is None
    assert psycopg2.packages("debian", ("buster",)) is None
    assert psycopg2.packages("debian", ("bookworm", "forky")) is None
    assert psycopg2.packages("ubuntu", ("jammy",)) is None
    assert psycopg2.packages("rpm", ()) is None


def test_an_unchecked_row_never_says_that_nothing_is_needed() -> None:
    for table in TABLES:
        for native in _table(table).values():
            if not native.is_verified:
                assert native.packages("debian", ("bookworm",)) != ()


@pytest.mark.parametrize("name", ["playwright", "pyqt5", "pyppeteer"])
def test_needs_that_are_no_fixed_list_are_not_taken_for_nothing(name: str) -> None:
    native = python_native(name)
    assert native is not None
    for system, releases in (("debian", ("bookworm",)), ("debian", ("trixie",)), ("ubuntu", ("noble",))):
        assert native.packages(system, releases) is None


def test_a_package_that_a_release_lacks_is_not_taken_for_nothing() -> None:
    pdfkit = python_native("pdfkit")
    assert pdfkit is not None
    assert pdfkit.packages("debian", ("bookworm",)) == ("wkhtmltopdf",)
    assert pdfkit.packages("debian", ("trixie",)) is None
    assert pdfkit.commands == ("wkhtmltopdf",)


@pytest.mark.parametrize("name", ["psycopg2", "PsycoPG2", "Psycopg2"])
def test_names_are_taken_as_pep_503_takes_them(name: str) -> None:
    native = python_native(name)
    assert native is not None
    assert native.name == "psycopg2"
    for spelling in ("opencv_python", "OpenCV-Python", "opencv.python"):
        native = python_native(spelling)
        assert native is not None
        assert native.name == "opencv-python"


def test_compiled_against_the_system() -> None:
    psycopg2 = python_native("psycopg2")
    assert psycopg2 is not None
    assert psycopg2.state == "compiled"
    assert not psycopg2.is_wheel
    assert psycopg2.is_verified
    assert psycopg2.packages("debian", ("bullseye", "bookworm", "trixie")) == ("libpq5",)
    assert psycopg2.packages("alpine", ("3.20",)) == ("libpq",)
    ldap = python_native("python-ldap")
    assert ldap is not None
    assert ldap.packages("debian", ("bookworm",)) == ("libldap-2.5-0", "libsasl2-2")
    assert ldap.packages("debian", ("trixie",)) == ("libldap2", "libsasl2-2")
    assert ldap.packages("debian", ("bookworm", "trixie")) is None


@pytest.mark.parametrize(
    "name", ["psycopg2-binary", "numpy", "pandas", "lxml", "pillow", "cryptography", "orjson", "grpcio"]
)
def test_wheels_that_bring_all_they_need(name: str) -> None:
    native = python_native(name)
    assert native is not None
    assert native.is_wheel
    assert native.is_verified
    assert native.packages("debian", ("bookworm", "trixie")) == ()
    assert native.packages("debian", ()) == ()
    assert native.packages("ubuntu", ("noble",)) == ()
    assert native.packages("alpine", ("3.20",)) is None  # read for glibc; musl may have no wheel


@pytest.mark.parametrize(
    ("name", "soname", "package"),
    [
        ("lightgbm", "libgomp.so.1", "libgomp1"),
        ("opencv-python", "libGL.so.1", "libgl1"),
        ("opencv-python", "libglib-2.0.so.0", "libglib2.0-0"),
        ("rasterio", "libexpat.so.1", "libexpat1"),
        ("pyodbc", "libodbc.so.2", "libodbc2"),
    ],
)
def test_wheels_that_need_system_libraries(name: str, soname: str, package: str) -> None:
    native = python_native(name)
    assert native is not None
    assert native.state == "prebuilt+system"
    assert soname in native.libraries
    packages = native.packages("debian", ("bookworm", "trixie"))
    assert packages is not None
    assert package in packages


def test_pure_python_that_uses_the_system() -> None:
    pdf2image = python_native("pdf2image")
    assert pdf2image is not None
    assert pdf2image.state == "system"
    assert "pdftoppm" in pdf2image.commands
    assert pdf2image.packages("debian", ("bookworm",)) == ("poppler-utils",)
    magic = python_native("python-magic")
    assert magic is not None
    assert magic.packages("debian", ("bookworm", "trixie")) == ("libmagic1",)
    weasyprint = python_native("weasyprint")
    assert weasyprint is not None
    assert {"libpango-1.0-0", "libpangoft2-1.0-0"} <= set(weasyprint.packages("debian", ("trixie",)) or ())


def test_node_packages() -> None:
    bcrypt = node_native("bcrypt")
    assert bcrypt is not None
    assert bcrypt.packages("debian", ("bookworm",)) == ()
    sharp = node_native("sharp")
    assert sharp is not None
    assert sharp.state == "prebuilt"
    prisma = node_native("@prisma/client")
    assert prisma is not None
    assert prisma.packages("debian", ("bookworm",)) == ("openssl", "ca-certificates")
    postgres = node_native("pg-native")
    assert postgres is not None
    assert postgres.packages("debian", ("bookworm", "trixie")) == ("libpq5",)


def test_go_modules_are_found_by_path_and_without_their_major_version() -> None:
    for path in (
        "github.com/mattn/go-sqlite3",
        "github.com/mattn/go-sqlite3/v2",
        "github.com/mattn/go-sqlite3/sqlite3_opt_foo",
    ):
        native = go_native(path)
        assert native is not None
        assert native.name == "github.com/mattn/go-sqlite3"
    assert go_native("github.com/google/gopacket") is None  # only its pcap package uses cgo
    pcap = go_native("github.com/google/gopacket/pcap")
    assert pcap is not None
    assert pcap.packages("debian", ("bookworm", "trixie")) == ("libpcap0.8",)
    imagick = go_native("gopkg.in/gographics/imagick.v3/imagick")
    assert imagick is not None
    assert imagick.packages("debian", ("trixie",)) == ("libmagickwand-7.q16-10",)
    pure = go_native("modernc.org/sqlite")
    assert pure is not None
    assert pure.state == "pure"


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_whole(table: str) -> None:
    rows = _table(table)
    assert len(rows) > 40
    for name, native in rows.items():
        assert native.name == name
        assert native.state in ("prebuilt", "prebuilt+system", "compiled", "system", "pure"), name
        assert set(native.run) <= {*RELEASES, "alpine"}
        if native.state == "prebuilt+system":
            assert native.run.get("bookworm") != (), name
        if native.state in ("prebuilt", "pure"):
            assert not any(native.run.values()), name
        if table == "python_native.tsv":
            assert name == name.lower().replace("_", "-").replace(".", "-")
        assert not any(
            "/" in package or " " in package for package in (*native.build, *native.run.get("bookworm", ()))
        )


def test_packages_of_opam_that_install_libraries_are_not_plain() -> None:
    assert {"yojson", "lwt", "angstrom", "ocamlfind", "cmdliner"} <= ocaml_plain()
    assert not ocaml_plain() & {"zarith", "dream", "ssl", "sqlite3", "camlzip", "conf-libev", "tls"}
