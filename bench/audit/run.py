#!/usr/bin/env python3
"""V15: values and pay against the measured effect of removing each contributor, for all of them, with coverage.

    python3 bench/audit/run.py [--communities scicite,digits] [--seeds 1,2,3] [--folds own,pooled] [--binary assay]

Makes communities of known behaviour (make_community.py of the data folder, standard and --vary, and
bench/appraise/digits_community.py), appraises each with the gates on, and audits the appraisal: every contributor is left
out, the model trained again, and its loss measured on the reporting fold. `own`: the folds of the set, values on rows kept
back from training, effects on the set's own test rows. `pooled`: both folds dealt anew from one pool of those rows.

Prints for each community the correlations of value, pay, first order and value-fold retraining with the measured effects,
what knowing the true effects would reach, and the coverage; then means, and which quantity meets the bars. Needs the data
folder (../shared/data beside the repository, or ASSAY_DATA) and no more than Python itself. Results go to
bench/audit/results as JSON; --table prints those that are there and runs nothing.
"""

import argparse
import gzip
import json
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
WORK = TARGET / "bench-audit"
BARS = {"rank": 0.95, "coverage": (0.93, 0.97)}
BY = ("value", "pay", "first_order", "retrained")
# name: (set, off-topic set, further words for make_community.py); digits have a maker of their own
TEXTS = {
    "scicite": ("medquad", []),
    "banking77": ("medquad", []),
    "medquad": ("scicite", ["--max-train", "4000"]),
}


def communities(names):
    """Every kind, standard before varied."""
    for name in names:
        yield name, False
        if name in TEXTS:
            yield name, True


def make(name, vary, seed):
    folder = WORK / f"{name}{'-vary' if vary else ''}-{seed}"
    if (folder / "truth.json").exists():
        return folder
    if name == "digits":
        command = [REPOSITORY / "bench/appraise/digits_community.py", DATA / "digits", folder, "--seed", seed]
    else:
        other, more = TEXTS[name]
        command = [DATA / "make_community.py", "--train", DATA / name / "train.jsonl.gz"]
        command += ["--test", DATA / name / "test.jsonl.gz", "--off-topic", DATA / other / "train.jsonl.gz"]
        command += ["--out", folder, "--seed", seed, *more] + (["--vary"] if vary else [])
    subprocess.run([sys.executable, *map(str, command)], check=True, stdout=subprocess.DEVNULL)
    return folder


def pooled(folder, seed):
    """Both folds dealt anew from one pool of their rows."""
    paths = [next(folder.glob(f"{fold}.*.gz")) for fold in ("valid", "test")]
    lines = [gzip.open(path, "rt", encoding="utf-8").read().splitlines() for path in paths]
    header = [lines[0].pop(0)] if paths[0].name.endswith("csv.gz") else []
    if header:
        lines[1].pop(0)
    rows = lines[0] + lines[1]
    random.Random(seed).shuffle(rows)
    out = folder / "pooled"
    out.mkdir(exist_ok=True)
    half = len(rows) // 2
    for path, part in zip(paths, (rows[:half], rows[half:])):
        with gzip.open(out / path.name, "wt", encoding="utf-8") as file:
            file.write("\n".join(header + part) + "\n")
    return out


def audit(assay, folder, folds):
    """The audit of one community."""
    rows = pooled(folder, 7) if folds == "pooled" else folder
    records = next(folder.glob("contributions.*.gz"))
    files = [records, "--valid", next(rows.glob("valid.*.gz")), "--test", next(rows.glob("test.*.gz"))]
    appraisal, out = folder / f"appraisal-{folds}", folder / f"audit-{folds}"
    for command in (["appraise", *files, "--out", appraisal, "--no-retrain", "--json"],
                    ["audit", *files, "--of", appraisal, "--out", out, "--json"]):
        subprocess.run([str(word) for word in [assay, *command]], check=True, stdout=subprocess.DEVNULL)
    return json.loads((out / "audit.json").read_text())


def summary(document):
    """What the table shows, and deviations from the prediction in its own errors."""
    ranks = {r["by"]: r for r in document["agreement"]}
    deviations = [(c["effect_bits"] - c["predicted_bits"]) / (c["effect_se_bits"] ** 2 + c["predicted_se_bits"] ** 2) ** 0.5
                  for c in document["contributors"] if c["effect_se_bits"] > 0]
    return {
        "contributors": document["drawn"]["contributors"],
        "left_out": document["drawn"]["left_out"],
        "rows": document["folds"],
        "spearman": {by: ranks[by]["spearman"] for by in BY},
        "pearson": {by: ranks[by]["pearson"] for by in BY},
        "ceiling": document["ceiling"],
        "reliability": document["reliability"],
        "coverage": document["coverage"],
        "deviations": deviations,
        "recomputed": document["recomputed"],
    }


def show(results):
    head = "community           folds   people  value   pay  first  retr.  (Pearson of value, first) ceiling  again  reliab.  covered"
    print(head)
    for name, r in results:
        s, c = r["spearman"], r["ceiling"]
        print(f"{name[0]:19s} {name[1]:7s} {r['left_out']:3d}/{r['contributors']:3d} "
              f"{s['value']:6.3f} {s['pay']:6.3f} {s['first_order']:6.3f} {s['retrained']:6.3f}      "
              f"{r['pearson']['value']:6.3f} {r['pearson']['first_order']:6.3f}        "
              f"{c['spearman']:6.3f} {c['repeated']:6.3f} {r['reliability']:6.3f}   {r['coverage']['share']:6.3f}")
    for folds in sorted({name[1] for name, _ in results}):
        some = [r for name, r in results if name[1] == folds]
        mean = lambda of: statistics.fmean(map(of, some))
        covered, of = (sum(r["coverage"][k] for r in some) for k in ("covered", "of"))
        print(f"\n{folds} folds, {len(some)} communities, {of} contributors left out")
        for by in BY:
            rank = mean(lambda r: r["spearman"][by])
            met = sum(r["spearman"][by] >= BARS["rank"] for r in some)
            within = sum(r["spearman"][by] >= r["ceiling"]["low"] for r in some)
            print(f"  {by:12s} mean rank correlation {rank:.3f}; {BARS['rank']} {'MET' if rank >= BARS['rank'] else 'not met'} on "
                  f"average, and in {met} of {len(some)}; within reach of perfect knowledge in {within}")
        print(f"  ceiling      {mean(lambda r: r['ceiling']['spearman']):.3f}; measured again "
              f"{mean(lambda r: r['ceiling']['repeated']):.3f}")
        low, high = BARS["coverage"]
        share = covered / of
        deviations = [d for r in some for d in r["deviations"]]
        print(f"  coverage     {share:.4f} ({covered} of {of}); {low} to {high} {'MET' if low <= share <= high else 'not met'}; "
              f"deviations have standard deviation {statistics.pstdev(deviations):.3f}, mean {statistics.fmean(deviations):+.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--communities", default="digits,scicite,medquad,banking77")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--folds", default="own,pooled")
    parser.add_argument("--binary", help="an assay that is built already")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    kept = HERE / "results"
    kept.mkdir(exist_ok=True)
    if not args.table:
        assay = args.binary
        if assay is None:
            manifest = REPOSITORY / "Cargo.toml"
            build = ["cargo", "build", "--release", "--quiet", "-p", "assay-cli", "--manifest-path", manifest]
            subprocess.run(build, check=True)
            assay = TARGET / "release" / "assay"
        for seed in args.seeds.split(","):
            for name, vary in communities(args.communities.split(",")):
                if not (DATA / name).exists():
                    print(f"{name}: skipped, not in {DATA}", file=sys.stderr)
                    continue
                for folds in args.folds.split(","):
                    file = kept / f"{name}{'-vary' if vary else ''}-{seed}.{folds}.json"
                    file.write_text(json.dumps(summary(audit(assay, make(name, vary, int(seed)), folds)), indent=1))
                    print(f"{file.stem} done", file=sys.stderr, flush=True)
    files = sorted(kept.glob("*.json"), key=lambda f: (f.stem.split(".")[1], f.stem))
    show([(file.stem.split("."), json.loads(file.read_text())) for file in files])


if __name__ == "__main__":
    main()
