"""One building for all the tests of a run: it is deployed to once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.fleet.bed import REPO, building
from tests.fleet.morez import WHOLE, Deployed, LocalCopier, board


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("morez")
    site_file = folder / "morez.toml"
    site_file.write_text(WHOLE, encoding="utf-8")
    shutil.copy(REPO / "ansible/sites/tariff.toml", folder)
    with building(folder) as here, LocalCopier(here, 8631), LocalCopier(here, 8632), board(here) as pins:
        dry = here.play("morez", site_file, "--check", "--diff")
        left = here.do("ls -d /opt/gardien /etc/gardien /etc/systemd/system/gardien* /usr/sbin/cupsd 2>/dev/null; true")
        first = here.play("morez", site_file)
        yield Deployed(here, pins, site_file, dry, first, left)
