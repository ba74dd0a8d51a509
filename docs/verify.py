#!/usr/bin/env python3
"""Check a receipt or a checkpoint with this file alone: Python's standard library, nothing of ours, no network.

TRUST is the verifier key of the log, or a policy file (c2sp.org/tlog-policy) whose quorum must have cosigned. A receipt
of anything else than --kind to --nonce say is refused; --records (JSON lines), --answer are what was offered or given.
From c2sp.org/signed-note, tlog-checkpoint, -cosignature, -policy and -proof, RFC 6962, RFC 8032, and SCHEMAS.md here."""
import argparse, base64, hashlib, hmac, json, os, sys

def need(holds, what):
    if not holds:
        raise ValueError(what)
def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()
def canonical(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
def b64(text):
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text, "Base 64")
    return raw

# Ed25519 verification, RFC 8032, section 5.1.7, in extended coordinates. Slow, and enough for a few signatures.
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    return ((b - a) * (d - c) % P, (d + c) * (b + a) % P, (d - c) * (d + c) % P, (b - a) * (b + a) % P)
def multiply(scalar, p):
    total = (0, 1, 1, 0)
    while scalar:
        total, p, scalar = add(total, p) if scalar & 1 else total, add(p, p), scalar >> 1
    return total
def point(encoded):
    sign, y = divmod(int.from_bytes(encoded, "little"), 1 << 255)
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    x = x if (x * x - x2) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    need(y < P and (x * x - x2) % P == 0 and (x or not sign), "point of the curve")
    return (x, y, 1, x * y % P) if x & 1 == sign else (P - x, y, 1, (P - x) * y % P)
BASE = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
def ed25519(key, message, signature):
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % ORDER
    left, right = multiply(s, BASE), add(point(r), multiply(k, point(key)))
    same = all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))
    need(len(signature) == 64 and s < ORDER and same, "signature")

def parse_key(text, kind=1):
    """Name, id and public key of a verifier key; kind 1 is a log, 4 a witness."""
    name, key_id, encoded = text.split("+", 2)
    tagged = b64(encoded)
    known = sha256(name.encode(), b"\n", tagged)[:4].hex() == key_id
    need(known and tagged[0] == kind and len(tagged) == 33, "key of " + name)
    return name, key_id, tagged[1:]

def parse_policy(text):
    """Logs, witnesses by name, groups by name in order, quorum."""
    logs, witnesses, groups, quorum = [], {}, {}, None
    for words in (line.split() for line in text.split("\n") if line.split() and line.split()[0][0] != "#"):
        if words[0] == "log":
            logs.append(parse_key(words[1]))
        elif words[0] == "witness" and words[1] not in {"none", *witnesses, *groups}:
            witnesses[words[1]] = parse_key(words[2], 4)
        elif words[0] == "group" and words[1] not in {"none", *witnesses, *groups}:
            k, members = {"all": len(words) - 3, "any": 1}.get(words[2]) or int(words[2]), words[3:]
            taken = [m for group in groups.values() for m in group[1]] + members
            need(1 <= k <= len(members) and len(set(taken)) == len(taken), "group " + words[1])
            need(set(members) <= {**witnesses, **groups}.keys(), "members of " + words[1])
            groups[words[1]] = (k, members)
        else:
            need(words[0] == "quorum" and not quorum and words[1] in {"none", *witnesses, *groups}, "policy line")
            quorum = words[1]
    need(quorum, "quorum line")
    return logs, witnesses, groups, quorum
def load_trust(text):
    text = open(text, encoding="utf-8").read() if os.path.isfile(text) else text
    return parse_policy(text) if "\n" in text.strip() else ([parse_key(text.strip())], {}, {}, "none")

def open_checkpoint(note, trust):
    """Origin, size and root of a checkpoint that a log of the policy signed and its quorum cosigned."""
    logs, witnesses, groups, quorum = trust
    text, _, block = note.rpartition("\n\n")
    need(block.endswith("\n") and not any(c < " " and c != "\n" for c in note), "form of the note")
    text, signed, cosigned = text + "\n", set(), set()
    for line in block[:-1].split("\n"):
        dash, signer, encoded = line.split(" ")
        raw = b64(encoded)
        need(dash == "\u2014" and len(raw) > 4, "signature line")
        for public in (key[2] for key in logs if key[:2] == (signer, raw[:4].hex())):
            ed25519(public, text.encode(), raw[4:])
            signed.add(signer)
        for alias, public in ((w, key[2]) for w, key in witnesses.items() if key[:2] == (signer, raw[:4].hex())):
            need((time := int.from_bytes(raw[4:12], "big")) < 1 << 63, "time")
            ed25519(public, b"cosignature/v1\ntime %d\n" % time + text.encode(), raw[12:])
            cosigned.add(alias)
    for name, (k, members) in groups.items():
        cosigned |= {name} if len(cosigned.intersection(members)) >= k else set()
    origin, size, top = text.split("\n")[:3]
    need(origin in signed, "signature of the log " + origin)
    need(quorum == "none" or quorum in cosigned, "quorum of witnesses")
    return origin, int(size), b64(top)

def root_from_path(index, size, leaf, path):
    """RFC 9162, section 2.1.3.2."""
    need(0 <= index < size, "index inside the tree")
    fn, sn, r = index, size - 1, leaf
    for sibling in path:
        need(sn and len(sibling) == 32, "length of the proof")
        left = fn & 1 or fn == sn
        r = sha256(b"\x01", sibling, r) if left else sha256(b"\x01", r, sibling)
        while left and not fn & 1 and fn:
            fn, sn = fn >> 1, sn >> 1
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "length of the proof")
    return r

def check_proof(proof, entry, trust):
    """Origin of the log that has this entry, and its index there."""
    head, checkpoint = proof.split("\n\n", 1)
    header, *lines = head.split("\n")
    need(header == "c2sp.org/tlog-proof@v1", "header of the proof")
    lines = lines[1:] if lines[0].startswith("extra ") else lines
    word, index = lines[0].split(" ")
    origin, size, root = open_checkpoint(checkpoint, trust)
    found = root_from_path(int(index), size, sha256(b"\x00", entry), [b64(line) for line in lines[1:]])
    need(word == "index" and found == root, "inclusion of the entry")
    return origin, int(index)

def root(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"")
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01", root(leaves[:k]), root(leaves[k:]))

def opens(opening, domain, content):
    found = hmac.digest(bytes.fromhex(opening["salt"]), domain + content, "sha256")
    need(found.hex() == opening["commitment"], "opening of record %d" % opening["index"])

def check_receipt(receipt, trust, wanted, records, answer):
    """What the receipt is of, and the command that it proves (SCHEMAS.md, `assay.receipt/1`)."""
    origin, index = check_proof(receipt["proof"], receipt["entry"].encode(), trust)
    event = cause = json.loads(receipt["entry"])
    need(receipt["schema"] == "assay.receipt/1" and event["seq"] == index, "schema or index")
    if "earlier" in event["cause"]:
        proof, entry = receipt["because"]["proof"], receipt["because"]["entry"]
        place, cause = check_proof(proof, entry.encode(), trust), json.loads(entry)
        need(place == (origin, event["cause"]["earlier"]) and place[1] == cause["seq"], "command of the entry")
    intent = cause["cause"]["command"]["intent"]
    command, openings = intent["command"], receipt.get("openings", [])
    need(origin == receipt["origin"] == intent["origin"], "origin")
    kinds = {"contribute": "contribution", "gate": "verdict", "answer": "inference", "settle": "payout"}
    about = {key: command[key] for key in ("datanet", "epoch") if key in command}
    about.update(kind=kinds.get(command["kind"], "entry"), nonce=intent["nonce"])
    if "metered" in receipt:
        index, text, path = (receipt["metered"][key] for key in ("index", "answer", "path"))
        top = root_from_path(index, command["answers"], sha256(b"\0", text.encode()), map(bytes.fromhex, path))
        of, row = cause is event and command["kind"] == "meter", json.loads(text)
        need(of and top.hex() == command["root"], "answer of the entry")
        need(sorted(row) == ["answer", "moved_microbits", "query", "shares"] and canonical(row) == text, "form of it")
        about, command = {**about, "kind": "inference", "query": row["query"]}, {**command, **row}
    if about["kind"] == "payout":
        about["account"] = receipt["about"]["account"]
        [command] = [row for row in event["outcome"]["settled"] if row["account"] == about["account"]]
    need(receipt["about"] == about, "what the receipt says that it is of")
    of = {"query": command.get("query"), **about} if about["kind"] == "inference" else about
    for key, value in wanted.items():
        need(value in (None, str(of.get(key))), "%s: it is %s" % (key, of.get(key)))
    content = {"contribution": b"record", "inference": b"answer"}.get(about["kind"], b"")
    domain = b"assay/%s/v1\n%s\0%s\0" % (content, origin.encode(), command.get("datanet", "").encode())
    commitments = [bytes.fromhex(opening["commitment"]) for opening in openings]
    same = content != b"record" or root([sha256(b"\0", c) for c in commitments]).hex() == command["root"]
    need(same or not (openings or records), "commitments")
    if records:
        lines = [json.loads(line) for line in open(records, encoding="utf-8") if line.strip()]
        need(content == b"record" and len(lines) == len(openings), "number of records")
        for opening, line in zip(openings, lines):
            opens(opening, domain, canonical(line).encode())
    if answer is not None:
        need(content == b"answer" and [c.hex() for c in commitments] == [command["answer"]], "answer")
        opens(openings[0], domain, answer.encode())
    return about, command

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in "file trust --kind --datanet --epoch --account --query --nonce --records --answer".split():
        parser.add_argument(name)
    args = vars(parser.parse_args())
    text, trust = open(args.pop("file"), encoding="utf-8", newline="").read(), load_trust(args.pop("trust"))
    if not text.startswith("{"):
        return "OK checkpoint of %s, %d entries" % open_checkpoint(text, trust)[:2]
    records, answer = args.pop("records"), args.pop("answer")
    about, facts = check_receipt(json.loads(text), trust, args, records, answer)
    return "OK %s %s" % (about["kind"], json.dumps({**facts, **about}, sort_keys=True))

if __name__ == "__main__":
    try:
        print(main())
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        sys.exit("WRONG: %s" % error)
