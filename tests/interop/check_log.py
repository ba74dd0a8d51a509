#!/usr/bin/env python3
"""Check a published log with nothing of ours: the Python standard library alone.

usage: check_log.py FOLDER VERIFIER_KEY [ORIGIN]

FOLDER holds `checkpoint`, `tile/...` (c2sp.org/tlog-tiles) and, optionally, `receipts/NAME.tlog-proof` beside
`receipts/NAME.entry`. Every entry is hashed, every hash tile is computed again and compared byte for byte, the root
and the signature of the checkpoint are checked, and so is every receipt. The origin is the key's name unless given.
"""

import base64
import functools
import hashlib
import pathlib
import sys


class Wrong(Exception):
    """Something does not hold."""


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(entry):
    return sha256(b"\x00" + entry)


def root(hashes):
    """RFC 6962, section 2.1."""
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01" + root(hashes[:k]) + root(hashes[k:]))


def root_from_path(index, size, leaf, path):
    """RFC 9162, section 2.1.3.2."""
    if index >= size:
        raise Wrong("index outside the tree")
    fn, sn, r = index, size - 1, leaf
    for sibling in path:
        if sn == 0:
            raise Wrong("proof too long")
        if fn & 1 or fn == sn:
            r = sha256(b"\x01" + sibling + r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\x01" + r + sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Wrong("proof too short")
    return r


# Ed25519 verification, RFC 8032, section 5.1.7, in extended coordinates. Slow, and enough for a few signatures.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point, scalar = add(point, point), scalar >> 1
    return total


def point(encoded):
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - x2) % P or (x == 0 and sign):
        raise Wrong("not a point of the curve")
    x = P - x if x & 1 != sign else x
    return (x, y, 1, x * y % P)


BASE = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def ed25519_verify(key, message, signature):
    if len(signature) != 64:
        raise Wrong("signature length")
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % ORDER
    left, right = multiply(s, BASE), add(point(r), multiply(k, point(key)))
    same = all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))
    if s >= ORDER or not same:
        raise Wrong("bad signature")


def parse_key(text):
    name, key_id, encoded = text.split("+", 2)
    tagged = base64.b64decode(encoded, validate=True)
    if sha256(name.encode() + b"\n" + tagged)[:4].hex() != key_id or tagged[0] != 1:
        raise Wrong("verifier key")
    return name, key_id, tagged[1:]


@functools.cache
def open_checkpoint(note, key, origin):
    name, key_id, public = key
    text, _, block = note.decode().rpartition("\n\n")
    text += "\n"
    signed = False
    for line in block.splitlines():
        dash, signer, encoded = line.split(" ")
        raw = base64.b64decode(encoded, validate=True)
        if dash == "\u2014" and (signer, raw[:4].hex()) == (name, key_id):
            ed25519_verify(public, text.encode(), raw[4:])
            signed = True
    found, size, top = text.split("\n")[:3]
    if not signed or found != origin:
        raise Wrong("checkpoint of another log or unsigned")
    return int(size), base64.b64decode(top, validate=True)


def check_receipt(proof, entry, key, origin):
    head, checkpoint = proof.split(b"\n\n", 1)
    lines = head.decode().split("\n")
    if lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise Wrong("receipt header")
    if lines[0].startswith("extra "):
        lines.pop(0)
    word, index = lines.pop(0).split(" ")
    if word != "index":
        raise Wrong("receipt index")
    size, top = open_checkpoint(checkpoint, key, origin)
    path = [base64.b64decode(line, validate=True) for line in lines]
    if root_from_path(int(index), size, leaf_hash(entry), path) != top:
        raise Wrong("receipt does not lead to its checkpoint")


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
            if len(data) < 2 + length:
                raise Wrong(path + " is truncated")
            entries.append(data[2 : 2 + length])
            data = data[2 + length :]
        if data:
            raise Wrong(path + " has trailing bytes")
    return entries


def check(folder, key, origin):
    size, top = open_checkpoint((folder / "checkpoint").read_bytes(), key, origin)
    entries = read_entries(folder, size)
    level, hashes, tiles = 0, [leaf_hash(entry) for entry in entries], 0
    if root(hashes) != top:
        raise Wrong("the entries do not give the root of the checkpoint")
    while hashes:
        above = []
        for index, row in rows(hashes):
            path = tile_path(level, index, len(row))
            if (folder / path).read_bytes() != b"".join(row):
                raise Wrong(path + " differs")
            above += [root(row)] if len(row) == 256 else []
            tiles += 1
        level, hashes = level + 1, above
    receipts = sorted(folder.glob("receipts/*.tlog-proof"))
    for receipt in receipts:
        check_receipt(receipt.read_bytes(), receipt.with_suffix(".entry").read_bytes(), key, origin)
    return size, tiles, len(receipts)


def main(folder, key, *origin):
    key = parse_key(key)
    try:
        print("OK %d entries, %d hash tiles, %d receipts" % check(pathlib.Path(folder), key, *(origin or key[:1])))
    except (Wrong, OSError, ValueError) as error:
        sys.exit("WRONG: %s" % error)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
