#!/usr/bin/env python3
"""Who is paid in communities whose truth is known: garbage, clean work, and every behaviour per record sent.

    python3 bench/pay/run.py [--sets digits,scicite,banking77,medquad] [--variants 10,standard,vary,60] [--seeds 1-2]
                             [--max-train 3000] [--jobs 1]

Communities are those of bench/evidence with copies and leaks left in: make_community.py of the data folder (../shared/data beside
the repository, or ASSAY_DATA) for texts, bench/evidence/digits.py and the takers below for digits. `assay appraise`
runs on each with gates and curation, and once more on its clean records alone. Money is the ledger's rule: a pool of
POOL units for each clean record goes by value above zero, is released to who is proven to help, and takes in BOND units
for every record of who is proven to harm. A record of a contributor has the part of the pay that its value is
of the contributor's, with its sign. Bars:

Bonds that garbage loses go to the others; bars leave that apart.

- garbage: what wrong, filler, off-topic, duplicate and leaked records earn, of the pool; for each contributor the sum
  of such records, or nothing where that is below zero. At most 2%.
- kept: what clean records earn, for each contributor no more than its pay, of what they earn alone from the same pool.
  At least 97%.
- behaviours: pay less bonds lost per record sent, of that of honest work. At most 1.05 for behaviours that sent a record
  that is not clean; within 5% is as honest, as in `assay redteam`.

Earned is what is released and what waits for proof. Results go to bench/pay/results, one file a community; what is
there is not run again. `--report` prints the tables from there and runs nothing.
"""

import argparse
import collections
import concurrent.futures
import csv
import gzip
import io
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys

import pyarrow.parquet

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
DATA = pathlib.Path(os.environ.get("ASSAY_DATA", REPOSITORY.parent / "shared" / "data"))
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
# First: this file is called run, too.
sys.path[:0] = [str(HERE.parent / "evidence"), str(DATA)]

import digits  # noqa: E402
import run as evidence  # noqa: E402

POOL, BOND = 5_000, 1_000
HONEST = {"honest", "honest_niche"}
CLASSES = {
    "wrong_label": "wrong", "filler": "filler", "off_topic": "off topic", "duplicate": "duplicate",
    "near_duplicate": "duplicate", "leak": "leaked", "leak_edited": "leaked",
}


def community(name, variant, seed, most):
    """A folder with contributions, valid, test, truth.json and clean, which holds the clean records alone."""
    folder = TARGET / "bench-pay" / f"{name}-{most}-{variant}-{seed}"
    done = folder / "done"
    if done.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    if name == "digits":
        import make_community

        config = evidence.settings(make_community, variant, seed)
        digits.build(DATA / name, folder, seed, config, make_community)
        take(folder, config, seed)
    else:
        evidence.make_texts(folder, name, variant, seed, most)
    clean = {record[0] for record in json.loads((folder / "truth.json").read_text())["records"] if record[1] == "clean"}
    source = next(folder.glob("contributions.*.gz"))
    with gzip.open(source, "rt", newline="") as file:
        lines = list(file)
    if source.name.endswith("csv.gz"):
        lines = [line for at, line in enumerate(lines) if at == 0 or line.split(",", 1)[0] in clean]
    else:
        lines = [line for line in lines if json.loads(line)["id"] in clean]
    (folder / f"clean{source.name.removeprefix('contributions')}").write_bytes(
        gzip.compress("".join(lines).encode(), mtime=0)
    )
    done.touch()
    return folder


def take(folder, config, seed):
    """Who takes from others, last in the file of digits: copiers, near copiers, and leakers of either fold."""
    rng = random.Random(f"take-{seed}")
    truth = json.loads((folder / "truth.json").read_text())
    read = lambda part: list(csv.reader(io.StringIO(gzip.decompress((folder / f"{part}.csv.gz").read_bytes()).decode())))
    rows, held = read("contributions"), [row for part in ("valid", "test") for row in read(part)[1:]]
    size, pool = len(rows) - 1, rows[1:]

    def moved(row):
        row, at = list(row), rng.sample(range(64), 4)
        for k in at:
            row[k] = str(min(16, max(0, int(row[k]) + rng.choice((-1, 1)))))
        return row

    def send(behaviour, images, change, kind):
        name = f"t{len(truth['contributors']):03}"
        truth["contributors"][name] = {"behaviour": behaviour}
        for image in images:
            truth["records"].append([f"r{len(rows):05}", kind])
            rows.append([truth["records"][-1][0], name, *change(image)])

    bare = [row[2:] for row in pool]
    for behaviour, change, kind in (("copier", list, "duplicate"), ("paraphraser", moved, "near_duplicate")):
        part = config[behaviour]
        for _ in range(part["n"]):
            send(behaviour, rng.sample(bare, round(size * part["size"] / part["n"])), change, kind)
    part = config["leaker"]
    for _ in range(part["n"]):
        leaks = rng.sample(held, round(len(held) * part["of_test"] / part["n"]))
        edited = round(len(leaks) * part["edited"])
        name = f"t{len(truth['contributors']):03}"
        send("leaker", leaks[edited:], list, "leak")
        for image in leaks[:edited]:
            truth["records"].append([f"r{len(rows):05}", "leak_edited"])
            rows.append([truth["records"][-1][0], name, *moved(image)])
    digits.write(folder / "contributions.csv.gz", rows[0], rows[1:])
    (folder / "truth.json").write_text(json.dumps(truth))


def appraise(folder, train, seed):
    """The document, and the value of every record by id."""
    part = lambda name: next(folder.glob(f"{name}.*.gz"))
    out = folder / f"out-{train}"
    command = [TARGET / "release" / "assay", "appraise", part(train), "--valid", part("valid"), "--test", part("test")]
    command += ["--out", out, "--force", "--json", "--no-retrain", "--seed", seed]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{folder}: {done.stderr}")
    table = pyarrow.parquet.read_table(out / "records.parquet", columns=["id", "value_bits", "verdict", "weight"])
    return json.loads(done.stdout), {row.pop("id"): row for row in table.to_pylist()}


def settle(document, pool):
    """Released, waiting and lost by contributor: what `assay_ledger::pay` does, but for rounding."""
    people = document["contributors"]
    lost = {c["id"]: BOND * c["records"] if c["standing"] == "harmful" else 0 for c in people}
    pool += sum(lost.values())
    whole = sum(max(0.0, c["value_bits"]) for c in people)
    earned = {c["id"]: pool * max(0.0, c["value_bits"]) / whole for c in people}
    paid = {c["id"]: c["standing"] == "paid" for c in people}
    return {
        name: {"released": earned[name] * paid[name], "waiting": earned[name] * (not paid[name]), "lost": lost[name]}
        for name in earned
    }


def measure(job):
    name, variant, seed, most = job
    path = HERE / "results" / f"{name}-{most}-{variant}-{seed}.json"
    if not path.exists():
        path.write_text(json.dumps(of(community(*job), seed), indent=1))
    return job, json.loads(path.read_text())


def of(folder, seed):
    truth = json.loads((folder / "truth.json").read_text())
    behaviour = {name: person["behaviour"] for name, person in truth["contributors"].items()}
    kind = {record[0]: record[1] for record in truth["records"]}
    pool = POOL * sum(k == "clean" for k in kind.values())
    document, records = appraise(folder, "contributions", seed)
    part = next(folder.glob("contributions.*.gz"))
    with gzip.open(part, "rt", newline="") as file:
        rows = csv.DictReader(file) if part.name.endswith("csv.gz") else map(json.loads, file)
        sender = {row["id"]: row["contributor"] for row in rows}
    books = settle(document, pool)
    value = {c["id"]: c["value_bits"] for c in document["contributors"]}

    def rate(name, what):
        return books[name][what] / value[name] if value[name] > 0 else 0.0

    parts = collections.Counter()
    passed = collections.Counter()
    for record, row in records.items():
        parts[sender[record], kind[record]] += row["value_bits"]
        passed[kind[record]] += row["verdict"] != "reject"
    earned = lambda name, bits: bits * (rate(name, "released") + rate(name, "waiting"))
    bad = collections.Counter()
    for (name, what), bits in parts.items():
        if what != "clean":
            bad[CLASSES[what]] += earned(name, bits) / pool
    by_name = collections.Counter()
    for (name, what), bits in parts.items():
        by_name[name] += earned(name, bits) if what != "clean" else 0.0
    paid = lambda name: books[name]["released"] + books[name]["waiting"]
    clean = sum(min(earned(name, bits), paid(name)) for (name, what), bits in parts.items() if what == "clean")
    alone, alone_records = appraise(folder, "clean", seed)
    alone_books = settle(alone, pool)
    alone_earned = sum(b["released"] + b["waiting"] for b in alone_books.values())
    people = collections.defaultdict(collections.Counter)
    for c in document["contributors"]:
        row, b = people[behaviour[c["id"]]], books[c["id"]]
        row.update({"contributors": 1, "records": c["records"], **b, c["standing"]: 1})
    ratios = []
    for name, b in alone_books.items():
        if behaviour[name] in HONEST and b["released"] > 0:
            ratios.append((books[name]["released"] + books[name]["waiting"]) / (b["released"] + b["waiting"]))
    scores = document["scores"]["test"]
    return {
        "records": len(kind),
        "garbage_share": 1 - sum(k == "clean" for k in kind.values()) / len(kind),
        "kinds": collections.Counter(kind.values()),
        "passed": passed,
        "garbage_earned": sum(max(0.0, x) for x in by_name.values()) / pool,
        "garbage_by_class": bad,
        "clean_earned": clean / pool,
        "clean_alone": alone_earned / pool,
        "clean_weight_alone": statistics.mean(r["weight"] or 0.0 for r in alone_records.values()),
        "clean_rejected_alone": sum(r["verdict"] == "reject" for r in alone_records.values()),
        "honest_ratio_least": min(ratios, default=None),
        "honest_ratio_median": statistics.median(ratios) if ratios else None,
        "behaviours": people,
        "accuracy": {k: s["accuracy"] for k, s in scores.items() if s},
        "accuracy_alone": {k: s["accuracy"] for k, s in alone["scores"]["test"].items() if s},
    }


def division(r):
    """The pool with the bonds that garbage lost, as a multiple of the pool."""
    return 1 + sum(row["lost"] for row in r["behaviours"].values()) / (POOL * r["kinds"]["clean"])


def per_record(row):
    return (row["released"] + row["waiting"] - row["lost"]) / row["records"]


def table(results):
    print("| set | garbage | seed | share bad | bad earn (bar 2%) | most by | clean keep (bar 97%) | "
          "behaviours above honest work |")
    print("|---|---|---|---|---|---|---|---|")
    failures = collections.Counter()
    for (name, variant, seed, _), r in results:
        rows = {k: collections.Counter(v) for k, v in r["behaviours"].items()}
        honest = sum((rows[k] for k in HONEST if k in rows), collections.Counter())
        level = per_record(honest)
        # In these cases all that they sent is clean and their own.
        honest_too = HONEST | ({"mixed"} if variant == "clean" else set()) | ({"sybil"} if name == "digits" else set())
        ratios = {k: per_record(v) / level for k, v in rows.items() if k not in honest_too}
        above = {k: x for k, x in ratios.items() if x > 1.05}
        kept = r["clean_earned"] / r["clean_alone"] / division(r)
        garbage = r["garbage_earned"] / division(r)
        most = max(r["garbage_by_class"].items(), key=lambda item: item[1], default=("", 0))
        failures["garbage"] += garbage > 0.02
        failures["kept"] += kept < 0.97
        failures["behaviours"] += bool(above)
        told = ", ".join(f"{k} {x:.2f}" for k, x in above.items()) or "none"
        print(f"| {name} | {variant} | {seed} | {r['garbage_share']:.2f} | {100 * garbage:.2f}% | {most[0]} "
              f"{100 * most[1]:+.2f}% | {100 * kept:.1f}% | {told} |")
    total = len(results)
    print(f"\nbars missed of {total}:", ", ".join(f"{k} {v}" for k, v in failures.items()))
    print("\n| behaviour | communities | pay per record sent, of honest work: mean | most |\n|---|---|---|---|")
    seen = collections.defaultdict(list)
    for _, r in results:
        rows = {k: collections.Counter(v) for k, v in r["behaviours"].items()}
        level = per_record(sum((rows[k] for k in HONEST if k in rows), collections.Counter()))
        for k, v in rows.items():
            seen[k].append(per_record(v) / level)
    for k, x in sorted(seen.items(), key=lambda item: -statistics.mean(item[1])):
        print(f"| {k} | {len(x)} | {statistics.mean(x):.3f} | {max(x):.3f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="digits,scicite,banking77,medquad")
    parser.add_argument("--variants", default="10,standard,vary,60")
    parser.add_argument("--seeds", default="1-2", type=evidence.span)
    parser.add_argument("--max-train", type=int, default=3000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--no-build", action="store_true", help="use the binary that is there")
    parser.add_argument("--report", action="store_true")
    args = parser.parse_args()
    sets = [name for name in args.sets.split(",") if (DATA / name).exists()]
    variants = args.variants.split(",")
    jobs = [(name, variant, seed, args.max_train) for seed in args.seeds for name in sets for variant in variants]
    (HERE / "results").mkdir(exist_ok=True)
    if args.report:
        jobs = [job for job in jobs if (HERE / "results" / "{0}-{3}-{1}-{2}.json".format(*job)).exists()]
    elif not args.no_build:
        manifest = REPOSITORY / "Cargo.toml"
        build = ["cargo", "build", "--release", "--quiet", "-p", "assay-cli", "--manifest-path", manifest]
        subprocess.run(list(map(str, build)), check=True)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(measure, jobs))
    results.sort(key=lambda result: (sets.index(result[0][0]), variants.index(result[0][1])))
    table(results)


if __name__ == "__main__":
    main()
