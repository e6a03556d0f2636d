"""A file that a setting names and that cannot be used is refused at start, with the setting's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis.settings import SettingsError
from services.checkpoints import setting_files
from services.checkpoints.settings import CheckpointsSettings


@pytest.mark.parametrize(
    "content",
    [None, "", "name\nGuangzhou\n", "code,level,parent\n440103,district,4401\n", b"code,level,parent\n\xff\xfe,\n"],
)
def test_what_is_no_table_of_areas_is_refused(tmp_path: Path, content: str | bytes | None) -> None:
    file = tmp_path / "areas.csv"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError, match="AREA_FILE"):
        setting_files.areas(CheckpointsSettings.model_construct(area_file=file))


def test_the_areas_of_a_table_are_known(tmp_path: Path) -> None:
    (tmp_path / "areas.csv").write_text("code,level,parent\n4401,city,\n440103,district,4401\n")
    areas = setting_files.areas(CheckpointsSettings.model_construct(area_file=tmp_path / "areas.csv"))
    assert (areas.root, areas.has("440103"), areas.has("440104")) == ("4401", True, False)
