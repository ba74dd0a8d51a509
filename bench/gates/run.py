#!/usr/bin/env python3
"""What the gates stop, whom they wrong and what they cost, on communities whose truth is known, and as volume grows.

    python3 bench/gates/run.py [--sets banking77,medquad] [--seeds 1-10] [--volume 1000,10000,100000,1000000] [--report]

Communities are made by make_community.py of the data folder (../shared/data beside the repository, or ASSAY_DATA), with `--vary`;
`given` is the community of the data folder itself. `phrases` are the same seeds with other filler: phrases that nobody looked at while the
gates were made. Both folds of the benchmark are sealed. `first` is the verdict as a record came, `last` once all were known
(`Gates::reconsider`); rates are of the last verdicts. Bars: exact duplicates and leaks 100%, near duplicates 97%, edited leaks, filler and
off-topic 95% held or rejected; clean rejected under 0.1%, held under 5%. Wrong labels have no bar: they are held where models of the records
that others had admitted doubt them.

Volume: records of Banking77, recombined where the set ends (the first half of one and the second half of another; none twice),
by senders of 400 each. Of attackers there are `constant` 20% of the records, or `growing`, from 5% of the first to 50% of the last;
each sends one kind: copies, near copies, leaks, edited leaks, filler, off-topic. Rates, and microseconds of CPU time a record, are of the
last tenth. Results go to bench/gates/results, one file a community; what is there is not run again. `--report` prints the tables from there
and runs nothing. The plot goes to docs/gates.svg.
"""

import argparse
import collections
import gzip
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
DATA = pathlib.Path(os.environ.get("ASSAY_DATA", REPOSITORY.parent / "shared" / "data"))
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
RESULTS = HERE / "results"
PLOT = REPOSITORY / "docs" / "gates.svg"
sys.path.insert(0, str(DATA))

OFF_TOPIC = {"banking77": "hwu64", "medquad": "canada_acts"}
KINDS = ["duplicate", "leak", "near_duplicate", "leak_edited", "filler", "off_topic", "wrong_label", "clean"]
# Least share held or rejected; of clean records the greatest share rejected, and held.
BARS = {"duplicate": 1, "leak": 1, "near_duplicate": 0.97, "leak_edited": 0.95, "filler": 0.95, "off_topic": 0.95}
CLEAN = (0.001, 0.05)
PHRASES = [
    "sounds great", "cool", "whatever", "first", "lol", "hmm", "sure thing", "no idea", "just a comment", "blah blah", "my answer",
    "record", "some words", "to be filled in", "nothing to add", "as discussed", "hi there everyone", "true", "maybe later", "ditto",
    "row of the table", "this one is fine", "qwerty", "done", "for the reward", "agree",
]
SENDER = 400


def read(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write(path, rows):
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def community(name, variant, seed):
    """A folder with contributions, valid, test and truth.json."""
    if variant == "given":
        return DATA / f"community_{name}"
    folder = TARGET / "bench-gates" / f"{name}-{variant}-{seed}"
    if (folder / "META.json").exists():
        return folder
    import make_community as maker

    ours, usual = sys.argv, maker.GENERIC
    part = lambda source, fold: str(DATA / source / f"{fold}.jsonl.gz")
    sys.argv = ["make_community.py", "--train", part(name, "train"), "--test", part(name, "test"), "--vary"]
    sys.argv += ["--off-topic", part(OFF_TOPIC[name], "train"), "--out", str(folder), "--seed", str(seed)]
    maker.GENERIC = PHRASES if variant == "phrases" else usual
    try:
        with open(os.devnull, "w") as nowhere:
            stdout, sys.stdout = sys.stdout, nowhere
            maker.main()
    finally:
        sys.argv, maker.GENERIC, sys.stdout = ours, usual, stdout
    return folder


def gates(folder):
    """The document of the example, on one thread."""
    command = [TARGET / "release" / "examples" / "gate_findings", folder / "valid.jsonl.gz", folder / "test.jsonl.gz", "--"]
    command.append(folder / "contributions.jsonl.gz")
    environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{folder}: {done.stderr}")
    return json.loads(done.stdout)


def rates(kinds, verdicts):
    """By kind: how many, shares rejected and held."""
    count, stopped = collections.Counter(kinds), collections.Counter()
    for kind, verdict in zip(kinds, verdicts):
        stopped[kind, verdict.split(":")[0]] += 1
    return {k: [n, stopped[k, "reject"] / n, stopped[k, "hold"] / n] for k, n in sorted(count.items())}


def reasons(kinds, verdicts):
    found = collections.Counter(zip(kinds, verdicts))
    return {kind: {v: n for (k, v), n in sorted(found.items()) if k == kind and v != "pass"} for kind in sorted(set(kinds))}


def measure(name, variant, seed):
    path = RESULTS / f"{name}-{variant}-{seed}.json"
    if path.exists():
        return
    folder = community(name, variant, seed)
    truth = json.loads((folder / "truth.json").read_text())
    kinds = [record[1] for record in truth["records"]]
    senders = [truth["contributors"][row["contributor"]]["behaviour"] for row in read(folder / "contributions.jsonl.gz")]
    document = gates(folder)
    clean = [at for at, kind in enumerate(kinds) if kind == "clean"]
    result = {
        "records": len(kinds),
        "first": rates(kinds, document["first"]),
        "last": rates(kinds, document["last"]),
        "clean": rates([senders[at] for at in clean], [document["last"][at] for at in clean]),
        "reasons": reasons(kinds, document["last"]),
        "setup_s": document["setup_s"],
        "us": 1e6 * sum(seconds for _, seconds in document["batches"]) / len(kinds),
        "label_us": 1e6 * document["label_s"] / len(kinds),
    }
    path.write_text(json.dumps(result, indent=1))


def stream(records, shape, seed=1):
    """So many records of Banking77 and its folds, and the kind of each."""
    import make_community as maker

    rng = random.Random(f"{shape}-{records}-{seed}")
    train, test = (read(DATA / "banking77" / f"{fold}.jsonl.gz") for fold in ("train", "test"))
    off = read(DATA / OFF_TOPIC["banking77"] / "train.jsonl.gz")
    rng.shuffle(train)
    valid, pool = train[:1000], train[1000:]
    labels = sorted({row["label"] for row in pool})
    fresh, honest, said = iter(pool), [], {maker.norm(row["text"]) for row in valid + test}

    def own():
        while True:
            row = next(fresh, None)
            if row is None:
                first, second = rng.sample(pool, 2)
                a, b = first["text"].split(), second["text"].split()
                row = {"text": " ".join(a[: (len(a) + 1) // 2] + b[len(b) // 2 :]), "label": first["label"]}
            words = maker.norm(row["text"])
            if words not in said:
                break
        said.add(words)
        honest.append(row)
        return row["text"], row["label"], "clean"

    def copy(edit, kind, source):
        row = rng.choice(source)
        return (maker.near(rng, row["text"], edit) if edit else row["text"]), row["label"], kind

    makers = {
        "duplicate": lambda: copy(0, "duplicate", honest),
        "near_duplicate": lambda: copy(0.15, "near_duplicate", honest),
        "leak": lambda: copy(0, "leak", test),
        "leak_edited": lambda: copy(0.08, "leak_edited", test),
        "filler": lambda: (maker.filler(rng, pool), rng.choice(labels), "filler"),
        "off_topic": lambda: (rng.choice(off)["text"], rng.choice(labels), "off_topic"),
    }
    rows, kinds, senders = [], [], {}
    for at in range(records):
        share = 0.2 if shape == "constant" else 0.05 + 0.45 * at / records
        kind = rng.choice(sorted(makers)) if honest and rng.random() < share else "clean"
        # Eight of a kind at work at a time; who has sent enough makes place for the next.
        place = kind, rng.randrange(8)
        name, sent = senders.get(place, (None, SENDER))
        if sent == SENDER:
            # The first are met on their way, so that newcomers come at all times and not all at once.
            name, sent = f"{kind}-{at}", 0 if place in senders else rng.randrange(SENDER)
        senders[place] = name, sent + 1
        text, label, kind = makers[kind]() if kind in makers else own()
        rows.append({"id": str(at), "contributor": name, "text": text, "label": label})
        kinds.append(kind)
    return rows, kinds, valid, test


def volume(records, shape):
    path = RESULTS / f"volume-{shape}-{records}.json"
    if path.exists():
        return
    folder = TARGET / "bench-gates" / f"volume-{shape}-{records}"
    folder.mkdir(parents=True, exist_ok=True)
    rows, kinds, valid, test = stream(records, shape)
    for part, content in (("contributions", rows), ("valid", valid), ("test", test)):
        write(folder / f"{part}.jsonl.gz", content)
    document = gates(folder)
    tail = max(records // 10, min(records, 10_000))
    late = document["batches"][-max(1, tail // 200) :]
    result = {
        "records": records,
        "shape": shape,
        "all": rates(kinds, document["last"]),
        "tail": rates(kinds[-tail:], document["last"][-tail:]),
        "reasons": reasons(kinds[-tail:], document["last"][-tail:]),
        "us": 1e6 * sum(seconds for _, seconds in late) / sum(count for count, _ in late),
        "setup_s": document["setup_s"],
        "reconsider_s": document["reconsider_s"],
    }
    path.write_text(json.dumps(result, indent=1))


def cell(kind, rejected, held):
    return f"{rejected:.2%} + {held:.2%}" if kind == "clean" else f"{rejected + held:.1%} ({rejected:.0%})"


def table():
    groups = collections.defaultdict(list)
    for path in sorted(RESULTS.glob("*.json")):
        name, variant, _ = path.stem.split("-")
        if name != "volume":
            groups[name, variant].append(json.loads(path.read_text()))
    print("Held or rejected (rejected); of clean records rejected + held. Pooled; in the second line the worst community.\n")
    print("| set | communities | " + " | ".join(kind.replace("_", " ") for kind in KINDS) + " | us a record |")
    print("|---" * (len(KINDS) + 3) + "|")
    for (name, variant), results in sorted(groups.items()):
        pooled, worst = [], []
        for kind in KINDS:
            counts = [r["last"][kind] for r in results if kind in r["last"]]
            whole = sum(n for n, *_ in counts)
            pooled.append(cell(kind, *(sum(c[0] * c[at] for c in counts) / whole for at in (1, 2))))
            if kind == "clean":
                worst.append(f"{max(c[1] for c in counts):.2%} + {max(c[2] for c in counts):.2%}")
            else:
                worst.append(f"{min(c[1] + c[2] for c in counts):.1%}")
        us = statistics.median(r["us"] for r in results)
        print(f"| {name}, {variant} | {len(results)} | " + " | ".join(pooled) + f" | {us:.0f} |")
        if len(results) > 1:
            print("| | worst | " + " | ".join(worst) + " | |")
    behaviours = collections.Counter()
    for results in groups.values():
        for r in results:
            for name, (n, rejected, held) in r["clean"].items():
                behaviours[name, "all"] += n
                behaviours[name, "stopped"] += n * (rejected + held)
    shares = [f"{name} {behaviours[name, 'stopped'] / n:.2%} of {n:,}" for (name, what), n in sorted(behaviours.items()) if what == "all"]
    print("\nClean records held or rejected, by what else their sender does:", ", ".join(shares))
    missed = []
    for (name, variant), results in sorted(groups.items()):
        for kind, least in BARS.items():
            missed += [f"{name}, {variant}: {kind} {sum(r['last'][kind][1:]):.4f}" for r in results if kind in r["last"] and sum(r["last"][kind][1:]) < least]
        for at, most in enumerate(CLEAN, start=1):
            word = ("rejected", "held")[at - 1]
            missed += [f"{name}, {variant}: clean {word} {r['last']['clean'][at]:.4f}" for r in results if r["last"]["clean"][at] > most]
    print("\nBars missed by single communities:", "; ".join(missed) or "none")


def volumes():
    found = [json.loads(path.read_text()) for path in RESULTS.glob("volume-*.json")]
    found.sort(key=lambda r: (r["shape"], r["records"]))
    if not found:
        return
    print("\nVolume, Banking77; rates of the last tenth (10,000 records at least).\n")
    kinds = [kind for kind in KINDS if kind != "wrong_label"]
    print("| attackers | records | " + " | ".join(kind.replace("_", " ") for kind in kinds) + " | us a record |")
    print("|---" * (len(kinds) + 3) + "|")
    for r in found:
        cells = [cell(kind, *r["tail"][kind][1:]) for kind in kinds]
        print(f"| {r['shape']} | {r['records']:,} | " + " | ".join(cells) + f" | {r['us']:.0f} |")
    PLOT.write_text(plot(found))


def plot(found):
    """Left: what passes, by kind of record, in parts per thousand; right: microseconds a record. Both against the records."""
    width, height, top, bottom = 775, 300, 40, 46
    sizes = sorted({r["records"] for r in found})
    colours = {"garbage admitted": "#c33", "clean held": "#37a", "clean rejected": "#0a5", "us a record": "#555"}
    garbage = [kind for kind in KINDS if kind not in ("clean", "wrong_label")]

    def admitted(r):
        counts = [r["tail"][kind] for kind in garbage if kind in r["tail"]]
        return sum(n * (1 - a - b) for n, a, b in counts) / sum(n for n, *_ in counts)

    series = {
        "garbage admitted": lambda r: 100 * admitted(r),
        "clean held": lambda r: 100 * r["tail"]["clean"][2],
        "clean rejected": lambda r: 100 * r["tail"]["clean"][1],
        "us a record": lambda r: r["us"],
    }
    title = "Gates as volume grows: errors, percent of the last tenth; cost, microseconds a record"
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" role="img" aria-label="{title}">']
    out.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    label = lambda x, y, words, anchor="middle", fill="#000": out.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{words}</text>')
    label(width / 2, 20, title)
    for left, right, names in ((50, 430, list(series)[:3]), (500, width - 35, ["us a record"])):
        most = max(series[name](r) for name in names for r in found)
        step = 10 ** math.floor(math.log10(most))
        most = math.ceil(most / step) * step
        x = lambda n: left + (right - left) * (math.log10(n / sizes[0]) / max(math.log10(sizes[-1] / sizes[0]), 1e-9))
        y = lambda v: top + (height - top - bottom) * (1 - v / most)
        for k in range(5):
            v = most * k / 4
            out.append(f'<path d="M{left} {y(v):.1f}H{right}" stroke="#ddd"/>')
            label(left - 6, y(v) + 4, f"{v:g}", "end")
        for n in sizes:
            label(x(n), height - bottom + 16, f"{n:,}")
        for at, name in enumerate(names):
            for shape, dash in (("constant", ""), ("growing", ' stroke-dasharray="5 4"')):
                points = [(x(r["records"]), y(series[name](r))) for r in found if r["shape"] == shape]
                path = " ".join(f"{'M' if k == 0 else 'L'}{a:.1f} {b:.1f}" for k, (a, b) in enumerate(points))
                out.append(f'<path d="{path}" fill="none" stroke="{colours[name]}" stroke-width="2"{dash}/>')
            label(left + 8, top + 12 + 15 * at, name, "start", colours[name])
    label(width / 2, height - 8, "records (lines: a fifth of the records from attackers; dashed: their share grows to a half)")
    return "\n".join([*out, "</svg>"]) + "\n"


def span(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="banking77,medquad")
    parser.add_argument("--seeds", type=span, default="1-10")
    parser.add_argument("--volume", default="1000,10000,100000,1000000", help="records; empty for none")
    parser.add_argument("--report", action="store_true")
    args = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    if not args.report:
        build = ["cargo", "build", "--release", "-q", "-p", "assay-node", "--example", "gate_findings"]
        subprocess.run(build, cwd=REPOSITORY, check=True)
        for name in args.sets.split(","):
            measure(name, "given", 0)
            for seed in args.seeds:
                measure(name, "vary", seed)
                measure(name, "phrases", seed)
        for shape in ("constant", "growing"):
            for records in filter(None, args.volume.split(",")):
                volume(int(records), shape)
    table()
    volumes()


if __name__ == "__main__":
    main()
