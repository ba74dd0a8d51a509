#!/usr/bin/env python3
"""`assay appraise` on communities whose behaviour is known: what it costs, and whom it pays.

    python3 bench/appraise/run.py [--communities digits,scicite] [--threads N] [--seed 7] [--curate]

Builds the binary (release) and appraises each community: wall and CPU time, memory, closure, agreement with leaving
each contributor out and training again (scored on rows never used for values), and the truth beside the pay. Needs the data
folder (../shared/data beside the repository, or ASSAY_DATA) and no more than Python itself; communities whose data
is missing are skipped. Results go to bench/appraise/results as JSON.
"""

import argparse
import collections
import datetime
import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
DATA = pathlib.Path(os.environ.get("ASSAY_DATA", REPOSITORY.parent / "shared" / "data"))
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
GARBAGE = {"flip", "random", "filler", "off_topic"}
TAKEN = {"copier", "near_copier", "paraphraser", "leaker"}


def script(name, *words):
    subprocess.run([sys.executable, name, *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def ready_made(name):
    return lambda seed: DATA / name


def digits(seed):
    folder = TARGET / "bench-appraise" / f"digits-{seed}"
    script(HERE / "digits_community.py", DATA / "digits", folder, "--seed", seed)
    return folder


def scicite(seed):
    folder = TARGET / "bench-appraise" / f"scicite-{seed}"
    files = ["--train", DATA / "scicite/train.jsonl.gz", "--test", DATA / "scicite/test.jsonl.gz"]
    other = ["--off-topic", DATA / "medquad/train.jsonl.gz"]
    script(DATA / "make_community.py", *files, *other, "--out", folder, "--seed", seed)
    return folder


# name: (data needed, maker of its folder)
COMMUNITIES = {
    "digits": ("digits", digits),
    "scicite": ("scicite", scicite),
    "medquad": ("community_medquad", ready_made("community_medquad")),
    "banking77": ("community_banking77", ready_made("community_banking77")),
}


def binary():
    manifest = REPOSITORY / "Cargo.toml"
    build = ["cargo", "build", "--release", "--quiet", "-p", "assay-cli", "--manifest-path", manifest]
    subprocess.run(build, check=True)
    return TARGET / "release" / "assay"


def appraise(assay, folder, out, threads, curate):
    """Runs it; the document and what it cost."""
    files = {part: next(folder.glob(f"{part}.*.gz")) for part in ("contributions", "valid", "test")}
    command = [assay, "appraise", files["contributions"], "--valid", files["valid"], "--test", files["test"]]
    command += ["--out", out, "--force", "--json"] + (["--threads", str(threads)] if threads else [])
    command += [] if curate else ["--no-curate"]
    start = time.monotonic()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(map(str, command))}: exit status {os.waitstatus_to_exitcode(status)}")
    cost = {
        "wall_s": time.monotonic() - start,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "memory_mib": usage.ru_maxrss / 1024,
    }
    return json.loads((out / "appraisal.json").read_text()), cost


def by_behaviour(document, truth):
    rows = collections.defaultdict(collections.Counter)
    for c in document["contributors"]:
        row = rows[truth["contributors"][c["id"]]["behaviour"]]
        row["contributors"] += 1
        row[c["standing"]] += 1
        for key in ("records", "rejected", "value_bits", "share_ppm"):
            row[key] += c[key]
    return rows


def show(name, document, cost, rows):
    utility, closure = document["utility"], document["closure"]
    print(f"\n{name}: {document['inputs']['train']['rows']} records, {document['gates']['passed']} passed, "
          f"{len(document['contributors'])} contributors, {len(document['model']['classes'])} classes")
    print(f"  wall {cost['wall_s']:.1f} s, CPU {cost['cpu_s']:.1f} s, {cost['memory_mib']:.0f} MiB;",
          ", ".join(f"{s['stage']} {s['wall_ms'] / 1000:.1f}" for s in document["timings"]["stages"]))
    print(f"  gain {utility['gain_bits']:.4f} bits, closure {closure['relative']:.1e} at {closure['nodes']} nodes, "
          f"lambda {document['model']['lambda']:g}")
    left = document["agreement"]["leave_one_out"]
    if left:
        print(f"  against leaving out, on {left['on']}: pearson {left['pearson']:.4f}, spearman "
              f"{left['spearman']:.4f}, {left['n']} contributors")
    for split, scores in document["scores"].items():
        told = [f"{k} {s['bits']:.4f} bits {s['accuracy']:.4f}" for k, s in (scores or {}).items() if s]
        print(f"  {split}: " + "; ".join(told))
    print("  behaviour       people records stopped  mbit/passed  share of pay  paid unproven harmful")
    for behaviour, r in sorted(rows.items(), key=lambda item: -item[1]["share_ppm"]):
        passed = r["records"] - r["rejected"]
        each = f"{1000 * r['value_bits'] / passed:12.3f}" if passed else " " * 12
        print(f"  {behaviour:14s} {r['contributors']:7d} {r['records']:7d} {r['rejected']:7d} {each} "
              f"{r['share_ppm'] / 1e6:13.4f} {r['paid']:5d} {r['unproven']:8d} {r['harmful']:7d}")
    for label, kinds in (("garbage", GARBAGE), ("copies and leaks", TAKEN)):
        print(f"  share of pay to {label}: {sum(rows[b]['share_ppm'] for b in kinds if b in rows) / 1e6:.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--communities", default=",".join(COMMUNITIES))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--curate", action="store_true", help="let evidence take records out of training")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    assay = binary()
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    for name in args.communities.split(","):
        needed, make = COMMUNITIES[name]
        if not (DATA / needed).exists():
            print(f"{name}: skipped, no {needed} in {DATA}", file=sys.stderr)
            continue
        folder = make(args.seed)
        document, cost = appraise(assay, folder, TARGET / "bench-appraise" / f"out-{name}", args.threads, args.curate)
        rows = by_behaviour(document, json.loads((folder / "truth.json").read_text()))
        kept = {k: document[k] for k in ("utility", "closure", "scores", "agreement", "timings")}
        kept |= {"cost": cost, "behaviours": rows, "date": datetime.date.today().isoformat()}
        (results / f"{name}.json").write_text(json.dumps(kept, indent=1))
        show(name, document, cost, rows)


if __name__ == "__main__":
    main()
