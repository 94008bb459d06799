"""How the real builds count the waste of an image's layers."""

from e2e.waste import waste_of


def test_what_a_later_layer_replaces_or_removes_is_lost() -> None:
    layers = [
        [("etc/a", 10), ("tmp/x.tgz", 100), ("opt/old/one", 5), ("opt/old/two", 6)],
        [("etc/a", 12), ("tmp/.wh.x.tgz", 0)],
        [("opt/old/.wh..wh..opq", 0), ("opt/old/three", 1)],
    ]
    waste = waste_of(layers)
    assert waste.total == 10 + 100 + 11 + 12 + 1
    assert waste.lost == 10 + 100 + 11
    assert waste.cached == 0


def test_a_folder_that_is_removed_takes_all_below_it() -> None:
    waste = waste_of([[("srv/a/one", 3), ("srv/ab", 4)], [("srv/.wh.a", 0)]])
    assert waste.lost == 3


def test_lists_and_caches_that_are_still_there_count() -> None:
    layers = [[("var/lib/apt/lists/deb_Packages", 20), ("root/.npm/_cacache/x", 7), ("root/app", 50)]]
    waste = waste_of(layers)
    assert waste.cached == 27
    assert waste.share == 27 / 77


def test_what_an_install_upgrades_is_no_waste_of_the_author() -> None:
    first = [("usr/lib/libc.so", 10), ("usr/local/bin/a", 3), ("srv/x", 4)]
    later = [("var/lib/dpkg/status", 1), ("usr/lib/libc.so", 11), ("usr/local/bin/a", 3), ("srv/x", 4)]
    assert waste_of([first, later]).lost == 3 + 4
    assert waste_of([first, later[1:]]).lost == 10 + 3 + 4


def test_what_the_base_image_wastes_is_not_counted() -> None:
    layers = [
        [("etc/a", 10), ("var/lib/apt/lists/x", 9), ("usr/b", 2)],
        [("etc/a", 12)],
        [("usr/b", 2), ("root/.npm/_cacache/y", 7)],
    ]
    waste = waste_of(layers, inherited=2)
    assert waste.total == 10 + 9 + 2 + 12 + 2 + 7
    assert waste.lost == 2
    assert waste.cached == 7
