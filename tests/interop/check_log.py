#!/usr/bin/env python3
"""Check a published log with Python's standard library and docs/verify.py, which is written from the specifications.

usage: check_log.py FOLDER TRUST

FOLDER holds `checkpoint`, `tile/...` (c2sp.org/tlog-tiles) and, optionally, `receipts/NAME.tlog-proof` beside
`receipts/NAME.entry`. Every entry is hashed, every hash tile is computed again and compared byte for byte, the root
and the signatures of the checkpoint are checked, and so is every receipt. TRUST is a verifier key or a policy file.
"""

import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "docs"))

from verify import check_proof, load_trust, need, open_checkpoint, root, sha256


def tile_path(level, index, width):
    text = "%03d" % (index % 1000)
    while index >= 1000:
        index //= 1000
        text = "x%03d/%s" % (index % 1000, text)
    return "tile/%s/%s" % (level, text) + (".p/%d" % width if width < 256 else "")


def rows(items):
    """Index and items of each tile of a row."""
    return ((start // 256, items[start : start + 256]) for start in range(0, len(items), 256))


def read_entries(folder, size):
    entries = []
    for start in range(0, size, 256):
        width = min(256, size - start)
        path = tile_path("entries", start // 256, width)
        data = (folder / path).read_bytes()
        for _ in range(width):
            length = int.from_bytes(data[:2], "big")
            need(len(data) >= 2 + length, path + " is truncated")
            entries.append(data[2 : 2 + length])
            data = data[2 + length :]
        need(not data, path + " has trailing bytes")
    return entries


def check(folder, trust):
    origin, size, top = open_checkpoint((folder / "checkpoint").read_bytes().decode(), trust)
    entries = read_entries(folder, size)
    level, hashes, tiles = 0, [sha256(b"\0", entry) for entry in entries], 0
    need(root(hashes) == top, "the entries do not give the root of the checkpoint")
    while hashes:
        above = []
        for index, row in rows(hashes):
            path = tile_path(level, index, len(row))
            need((folder / path).read_bytes() == b"".join(row), path + " differs")
            above += [root(row)] if len(row) == 256 else []
            tiles += 1
        level, hashes = level + 1, above
    receipts = sorted(folder.glob("receipts/*.tlog-proof"))
    for receipt in receipts:
        entry = receipt.with_suffix(".entry").read_bytes()
        need(check_proof(receipt.read_bytes().decode(), entry, trust)[0] == origin, "receipt of another log")
    return size, tiles, len(receipts)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        print("OK %d entries, %d hash tiles, %d receipts" % check(pathlib.Path(sys.argv[1]), load_trust(sys.argv[2])))
    except (OSError, ValueError, IndexError, TypeError) as error:
        sys.exit("WRONG: %s" % error)
