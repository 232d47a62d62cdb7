# SPDX-License-Identifier: Apache-2.0
"""What interop tests fetch from Debian, into a cache outside the tree: ${CORACLE_CACHE:-~/.cache/coracle}."""
import os
import subprocess

CACHE = os.environ.get("CORACLE_CACHE") or os.path.expanduser("~/.cache/coracle")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def run(argv, **more):
    """Runs it without its output; raises when it fails."""
    return subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, **more)


def mirror():
    """The Debian mirror that this machine's apt uses."""
    sites = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(ORIGIN) $(COMPONENT)",
                            "Created-By: Packages"], stdout=subprocess.PIPE, text=True, check=True)
    for line in sites.stdout.splitlines():
        words = line.split()
        if words[1:] == ["Debian", "main"] and not words[0].rstrip("/").endswith("security"):
            return words[0]
    raise FileNotFoundError("apt knows no Debian mirror; run apt-get update")


def apt(folder, suite, what):
    """apt with lists of its own, for one Debian suite, so that the machine's are left alone."""
    for name in ("lists/partial", "cache/archives/partial", "state"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    source = os.path.join(folder, "sources.list")
    with open(source, "w", encoding="utf-8") as out:
        out.write(f"{what} [signed-by={KEYRING}] {mirror()} {suite} main\n")
    return ["apt-get", "-qq", "-o", f"Dir::Etc::sourcelist={source}", "-o",
            "Dir::Etc::sourceparts=/dev/null", "-o", f"Dir::State::lists={folder}/lists", "-o",
            f"Dir::Cache={folder}/cache", "-o", "APT::Sandbox::User=root",
            "-o", "Dir::State::status=/dev/null"]
