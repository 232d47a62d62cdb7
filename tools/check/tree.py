# SPDX-License-Identifier: Apache-2.0
"""The project's files and how findings are told; shared by the checks of this folder."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRODUCT = ("common/", "proto/", "services/", "tools/")
SKIP = {".git", "build", "out", "__pycache__"}


def from_git():
    """Files that git tracks, and new ones that it does not ignore; None without git."""
    run = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-zco", "--exclude-standard"],
        capture_output=True, text=True, check=False)
    if run.returncode != 0:
        return None
    return [name for name in run.stdout.split("\0") if name]


def from_disk():
    """All files below the top, for a tree without git."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in SKIP]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return found


def files(suffixes=(), under=()):
    """Paths from the top, sorted; only those that end and begin as asked."""
    names = from_git()
    names = from_disk() if names is None else names
    return sorted({
        name for name in names
        if os.path.isfile(os.path.join(ROOT, name))
        and (not suffixes or name.endswith(tuple(suffixes)))
        and (not under or name.startswith(tuple(under)))})


def text(name):
    """Content of a file, given its path from the top."""
    with open(os.path.join(ROOT, name), errors="replace") as file:
        return file.read()


def room(path):
    """The room that a file belongs to: common/bus, services/edged, proto."""
    part = path.split("/")
    deep = part[0] in ("common", "services", "tools", "tests") and len(part) > 2
    return "/".join(part[:2]) if deep else part[0]


def tags(names, kinds, fields):
    """Rows of universal-ctags: (file, name, {field: value})."""
    if not names:
        return []
    run = subprocess.run(
        ["ctags", "--languages=C", "--langmap=C:.c.h", "--kinds-C=" + kinds, "--fields=+" + fields,
         "--sort=no", "-o", "-", "-L", "-"],
        input="\n".join(names), capture_output=True, text=True, cwd=ROOT, check=True)
    rows = []
    for line in run.stdout.splitlines():
        part = line.split("\t")
        if not line.startswith("!") and len(part) > 3:
            fields_of = dict(field.split(":", 1) for field in part[3:] if ":" in field)
            rows.append((part[1], part[0], fields_of))
    return rows


def finish(what, findings):
    """Tells each finding and the sum; ends the program: 0 clean, 1 not."""
    for finding in findings:
        print(finding)
    print(f"{what}: {len(findings)} findings")
    sys.exit(1 if findings else 0)
