"""pre-commit and ./dms lint run the same versions."""

import json
import re
from pathlib import Path

import yaml

TOP = Path(__file__).resolve().parents[2]


def test_pre_commit_pins_what_dms_lint_runs():
    pinned = dict(
        line.split(" ;")[0].split("==")
        for line in (TOP / "config" / "requirements.txt").read_text().splitlines()
        if "==" in line
    )
    pinned.update(json.loads((TOP / "config" / "package.json").read_text())["devDependencies"])
    hooks = yaml.safe_load((TOP / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    wanted = [
        re.fullmatch(r"(@?[^@=]+)(?:==|@)(.+)", one).groups()
        for hook in hooks
        for one in hook["additional_dependencies"]
    ]
    assert wanted
    for name, version in wanted:
        assert pinned[name] == version, name
