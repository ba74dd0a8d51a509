#!/usr/bin/env python3
"""Curation of communities whose truth is known: what the evidence recovers of knowing the truth, and whether it harms.

    python3 bench/evidence/run.py [--sets digits,scicite,banking77,medquad] [--variants clean,10,standard,vary,30,60]
                                  [--seeds 1-10] [--max-train 3000] [--jobs 2] [--review] [--binary FILE]

Communities are made by make_community.py of the data folder (../shared/data beside the repository, or ASSAY_DATA), those of
the digits by digits.py here. Duplicates and leaks are removed from all arms before, as perfect gates would, and test rows
that leakers sent are not scored. Arms, on test rows that nothing else has seen: *everything*, with the prior that
cross-validation chooses on it, as `assay appraise` trains; *curated*; and *truth*, the right records alone with the prior
that the value fold likes best. Variants: clean has no garbage, the numbers are percents of garbage, about; `turned` (sets of texts,
when asked for) is clean but for a third of the senders, all labels of whose second half are wrong, by one permutation for odd
seeds and at random for even ones.
One process per community on one thread, `--jobs` at once. Results go to bench/evidence/results, one file a community;
what is there is not run again. `--report` prints the tables from there and runs nothing. `--review` also measures what looks at
records gain, in the order of the evidence and in others; `--binary` is a bench built before.
"""

import argparse
import collections
import concurrent.futures
import gzip
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys

import digits

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
DATA = pathlib.Path(os.environ.get("ASSAY_DATA", REPOSITORY.parent / "shared" / "data"))
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "bench" / "target"))
KEPT = {"clean", "wrong_label", "filler", "off_topic"}
ARMS = ("everything", "curated", "truth")
# What differs from the standard of make_community.py, by percent of garbage.
CHANGES = {
    "clean": {
        "honest": {"share": 0.8},
        "mixed": {"spoiled": 0},
        **{behaviour: {"n": 0} for behaviour in ("label_noise", "flip", "filler", "off_topic")},
    },
    "10": {
        "honest": {"share": 0.75},
        "mixed": {"share": 0.03},
        "label_noise": {"share": 0.08},
        "flip": {"share": 0.03},
        "filler": {"size": 0.015},
        "off_topic": {"size": 0.015},
    },
    "30": {
        "honest": {"share": 0.53},
        "label_noise": {"share": 0.15},
        "flip": {"share": 0.14},
        "filler": {"size": 0.05},
        "off_topic": {"size": 0.04},
    },
    "60": {
        "honest": {"share": 0.27},
        "mixed": {"share": 0.05, "spoiled": 0.5},
        "label_noise": {"n": 5, "share": 0.3, "rate": 0.6},
        "flip": {"n": 4, "share": 0.28},
        "filler": {"size": 0.09},
        "off_topic": {"size": 0.06},
    },
}


def make_texts(folder, name, variant, seed, most):
    """A community of a set of texts, by make_community.py: contributions, valid, test and truth."""
    off_topic = "scicite" if name == "medquad" else "medquad"
    command = [sys.executable, DATA / "make_community.py", "--out", folder, "--seed", seed, "--max-train", most]
    files = {"--train": (name, "train"), "--test": (name, "test"), "--off-topic": (off_topic, "train")}
    for option, (source, part) in files.items():
        command += [option, DATA / source / f"{part}.jsonl.gz"]
    if variant == "vary":
        command.append("--vary")
    elif variant in CHANGES:
        (folder / "config.json").write_text(json.dumps(CHANGES[variant]))
        command += ["--config", folder / "config.json"]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)


def settings(maker, variant, seed):
    config = json.loads(json.dumps(maker.DEFAULT))
    if variant == "vary":
        return maker.vary(random.Random(f"vary-{seed}"), config)
    for behaviour, change in CHANGES.get(variant, {}).items():
        config[behaviour].update(change)
    return config


def community(name, variant, seed, most):
    """A folder with contributions, valid, test and right.txt."""
    if variant == "turned":
        return turned(community(name, "clean", seed, most), seed)
    folder = TARGET / "bench-evidence" / f"{name}-{most}-{variant}-{seed}"
    if (folder / "right.txt").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    if name == "digits":
        sys.path.append(str(DATA))
        import make_community

        digits.build(DATA / name, folder, seed, settings(make_community, variant, seed), make_community)
        return folder
    make_texts(folder, name, variant, seed, most)
    records = json.loads((folder / "truth.json").read_text())["records"]
    kind = {record[0]: record[1] for record in records}
    leaked = {record[3] for record in records if record[1].startswith("leak")}
    keep(folder / "contributions.jsonl.gz", lambda row: kind[row["id"]] in KEPT)
    keep(folder / "test.jsonl.gz", lambda row: row["id"] not in leaked)
    (folder / "right.txt").write_text("".join(f"{i}\n" for i, k in kind.items() if k == "clean"))
    return folder


def turned(clean, seed):
    """A clean community of texts in which a third of the senders turn bad half way."""
    folder = clean.with_name(clean.name.replace("clean", "turned"))
    if (folder / "right.txt").exists():
        return folder
    folder.mkdir()
    for part in ("valid", "test"):
        (folder / f"{part}.jsonl.gz").write_bytes((clean / f"{part}.jsonl.gz").read_bytes())
    with gzip.open(clean / "contributions.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    draw, senders = random.Random(seed), collections.defaultdict(list)
    for row in rows:
        senders[row["contributor"]].append(row)
    labels, wrong = sorted({row["label"] for row in rows}), set()
    for sender in draw.sample(sorted(senders), max(1, len(senders) // 3)):
        mine, step = senders[sender], draw.randrange(1, len(labels))
        for row in mine[len(mine) // 2 :]:
            by = step if seed % 2 else draw.randrange(1, len(labels))
            row["label"] = labels[(labels.index(row["label"]) + by) % len(labels)]
            wrong.add(row["id"])
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "contributions.jsonl.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    (folder / "right.txt").write_text("".join(f"{row['id']}\n" for row in rows if row["id"] not in wrong))
    return folder


def keep(path, wanted):
    with gzip.open(path, "rt") as file:
        lines = [line for line in file if wanted(json.loads(line))]
    path.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))


def measure(job):
    job, binary, review = job
    name, variant, seed, most = job
    path = HERE / "results" / f"{name}-{most}-{variant}-{seed}.json"
    if not path.exists():
        folder = community(*job)
        command = [binary, "evidence", folder] + ["--review"] * review
        env = dict(os.environ, RAYON_NUM_THREADS="1")
        done = subprocess.run(command, capture_output=True, text=True, env=env)
        if done.returncode:
            raise SystemExit(f"{folder}: {done.stderr}")
        path.write_text(done.stdout)
    return job, json.loads(path.read_text())


def table(results):
    groups = collections.defaultdict(list)
    for (name, variant, *_), result in results:
        groups[name, variant].append(result)
    print("| set | garbage | seeds | wrong | everything | curated | truth | recovered | bits: everything | curated | truth | recovered |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    means = collections.defaultdict(list)
    for (name, variant), rows in groups.items():
        mean = {(a, m): statistics.mean(r[a][m] for r in rows) for a in ARMS for m in ("accuracy", "bits")}
        wrong = statistics.mean(r["wrong"] / r["records"] for r in rows)
        cells = [name, variant, len(rows), f"{wrong:.2f}"]
        for m in ("accuracy", "bits"):
            cells += [f"{mean[a, m]:.4f}" for a in ARMS] + [recovered([mean[a, m] for a in ARMS])]
        print("|", " | ".join(map(str, cells)), "|")
        means[name].append(mean)
        means["all"].append(mean)
    for name, rows in means.items():
        parts = [f"{name}:"]
        for m in ("accuracy", "bits"):
            arms = [statistics.mean(row[a, m] for row in rows) for a in ARMS]
            parts.append(f"{m} {' '.join(f'{x:.4f}' for x in arms)}, recovered {recovered(arms)};")
        print(*parts)
    every = [r for _, r in results]
    more = [r["curated"]["accuracy"] - r["everything"]["accuracy"] for r in every]
    clean = [r["curated"]["accuracy"] - r["everything"]["accuracy"] for r in every if not r["wrong"]]
    print(f"curated less everything, accuracy: least {min(more):+.4f} of {len(more)} communities,",
          f"{sum(d < -0.003 for d in more)} below -0.003; clean communities: mean {statistics.mean(clean or [math.nan]):+.4f},",
          f"least {min(clean, default=math.nan):+.4f}")
    people = [(p, p["wrong"] / p["records"]) for r in every for p in r["people"]]
    inside = [p["low"] - 1e-9 <= wrong <= p["high"] + 1e-9 for p, wrong in people]
    spoiled = [i for i, (_, wrong) in zip(inside, people) if wrong > 0]
    print(f"true wrong share within its 95% interval: {statistics.mean(inside):.3f} of contributors,",
          f"{statistics.mean(spoiled or [math.nan]):.3f} of those with wrong records")
    held = collections.Counter(("all" if w == 1 else "none" if w == 0 else "some", p["decision"]) for p, w in people)
    print("held, by how many of the records are wrong:",
          ", ".join(f"{k} {held[k, 'Hold']} of {held[k, 'Hold'] + held[k, 'Keep']}" for k in ("none", "some", "all")))
    garbage = [r for r in every if r["wrong"]]
    looks(garbage)
    if garbage:
        print(f"separation of wrong from right records: mean {statistics.mean(r['separation'] for r in garbage):.4f};",
              f"CPU: median {statistics.median(r['evidence_cpu_s'] for r in every):.1f} s beside",
              f"{statistics.median(r['value_cpu_s'] for r in every):.1f} s for values")


def looks(results):
    """Bits gained by looks at records, mean over communities."""
    gains = collections.defaultdict(list)
    for result in results:
        for order, each in (result.get("review") or {}).items():
            for gain in each:
                gains[order, gain["looks"]].append(gain["bits"])
    for (order, count), bits in gains.items():
        print(f"{count} looks by {order}: {statistics.mean(bits):+.4f} bits, mean of {len(bits)} communities")


def recovered(arms):
    everything, curated, truth = arms
    return f"{(curated - everything) / (truth - everything):.2f}" if truth - everything > 0.005 else "no gap"


def span(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="digits,scicite,banking77,medquad")
    parser.add_argument("--variants", default="clean,10,standard,vary,30,60")
    parser.add_argument("--seeds", default="1-10", type=span)
    parser.add_argument("--max-train", type=int, default=3000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--review", action="store_true")
    parser.add_argument("--binary", type=pathlib.Path)
    args = parser.parse_args()
    sets = [name for name in args.sets.split(",") if (DATA / name).exists()]
    variants = args.variants.split(",")
    # Seeds vary slowest, so that an interrupted run has some of everything.
    jobs = [(name, variant, seed, args.max_train) for seed in args.seeds for name in sets for variant in variants]
    (HERE / "results").mkdir(exist_ok=True)
    if args.report:
        done = lambda job: (HERE / "results" / "{0}-{3}-{1}-{2}.json".format(*job)).exists()
        jobs = list(filter(done, jobs))
    elif not args.binary:
        build = ["cargo", "build", "--release", "--quiet", "--manifest-path", REPOSITORY / "bench/Cargo.toml"]
        subprocess.run(build, check=True)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        binary = args.binary or TARGET / "release" / "assay-bench"
        results = list(pool.map(measure, [(job, binary, args.review) for job in jobs]))
    results.sort(key=lambda result: (sets.index(result[0][0]), variants.index(result[0][1])))
    table(results)


if __name__ == "__main__":
    main()
