#!/usr/bin/env python3
"""The value engine against NumPy and SciPy: same files, same matrices, same rule. Agreement first, then CPU time.

    python3 bench/value/run.py [--cases digits,scicite] [--runs 3] [--exact]

Builds the engine (release), makes a Python environment in the target folder, and runs engine and reference in turn on
one core; of `--runs` each the least CPU time counts. `--exact` adds the same quadrature solved in f64 to ten digits (slow), and
says how far each is from it. Needs the data folder (../shared/data beside the repository, or ASSAY_DATA); cases
whose data is missing are skipped. Results go to bench/value/results as JSON.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import venv

BENCH = pathlib.Path(__file__).resolve().parents[1]
DATA = pathlib.Path(os.environ.get("ASSAY_DATA", BENCH.parents[1] / "shared" / "data"))
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", BENCH / "target"))

# name: (train, valid, what the engine is told)
BANKING = ("community_banking77/contributions.jsonl.gz", "community_banking77/valid.jsonl.gz")
SCICITE = ("scicite/train.jsonl.gz", "scicite/test.jsonl.gz")
DIGITS = ("digits/train.csv.gz", "digits/test.csv.gz")
CASES = {
    "digits": (*DIGITS, "--rows 1020 --lambda 1 --nodes 16 --folds 0"),
    "digits-folds": (*DIGITS, "--rows 1020 --lambda 1 --nodes 16 --folds 8"),
    "scicite": (*SCICITE, "--rows 3750 --terms 8000 --lambda 0.3 --nodes 12 --folds 0"),
    "scicite-folds": (*SCICITE, "--rows 3750 --terms 8000 --lambda 0.3 --nodes 12 --folds 8"),
    "banking77": (*BANKING, "--terms 6000 --lambda 0.1 --nodes 10 --folds 0"),
    "banking77-folds": (*BANKING, "--terms 6000 --lambda 0.1 --nodes 16 --folds 8"),
}


def python():
    """An environment of its own with what the reference needs."""
    folder = TARGET / "bench-venv"
    if not (folder / "bin" / "python").exists():
        venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", "numpy", "scipy"], check=True)
    return folder / "bin" / "python"


def engine():
    build = ["cargo", "build", "--release", "--quiet", "--manifest-path", BENCH / "Cargo.toml"]
    subprocess.run(build, check=True)
    return TARGET / "release" / "assay-bench"


def pinned(command):
    """On one core, where the machine can."""
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    prefix = ["taskset", "-c", str(core)] if core is not None and shutil.which("taskset") else []
    subprocess.run([*prefix, *map(str, command)], check=True, stdout=subprocess.DEVNULL)


def inside(script, interpreter, *what):
    """What a script's task prints as JSON, run by an environment's interpreter."""
    command = [interpreter, script, "--inside", *map(str, what)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout or "null")


def measure(case, binary, interpreter, runs, exact, folder):
    train, valid, flags = CASES[case]
    reference = BENCH / "value" / "reference.py"
    seconds = {"engine": [], "twin": [], "plain": []}
    result = {}
    for _ in range(runs):
        pinned([binary, "path", DATA / train, DATA / valid, "--out", folder, *flags.split()])
        result["engine"] = json.loads((folder / "result.json").read_text())
        seconds["engine"].append(result["engine"]["cpu_s"])
        for way in ("twin", "plain"):
            pinned([interpreter, reference, folder, way])
            result[way] = json.loads((folder / f"{way}_result.json").read_text())
            seconds[way].append(result[way]["cpu_s"])
    if exact:
        pinned([interpreter, reference, folder, "exact"])
        result["exact"] = json.loads((folder / "exact_result.json").read_text())
    compared = subprocess.run([interpreter, BENCH / "value" / "agree.py", folder], check=True, capture_output=True)
    least = {way: min(times) for way, times in seconds.items()}
    return {
        "case": case,
        "flags": flags,
        "results": result,
        "agreement": json.loads(compared.stdout),
        "cpu_s": least,
        "cpu_s_all": seconds,
        "ratio_plain": least["plain"] / least["engine"],
        "ratio_twin": least["twin"] / least["engine"],
    }


def show(m):
    of = m["results"]["engine"]
    print(f"\n{m['case']}: {of['rows']} x {of['cols']} ({of['stored']} stored), {of['classes']} classes,"
          f" {of['bench']} held out; {m['flags']}; {'f64' if of['double'] else 'f32'}")
    for way, r in m["results"].items():
        gap = abs(r["sum_bits"] - r["gain_bits"]) / abs(r["gain_bits"])
        print(f"  {way:7s} sum {r['sum_bits']:.6f}  gain {r['gain_bits']:.6f}  closure {gap:.1e}")
    for pair, a in m["agreement"].items():
        print(f"  {pair:26s} pearson {a['pearson']:.8f}  spearman {a['spearman']:.6f}  "
              f"largest difference {a['largest']:.1e} bits, {a['relative']:.1e} of the largest value")
    cpu = m["cpu_s"]
    print(f"  CPU s: engine {cpu['engine']:.3f}, same algorithm in NumPy {cpu['twin']:.3f}, plain NumPy {cpu['plain']:.3f}"
          f"  ->  {m['ratio_twin']:.1f} and {m['ratio_plain']:.1f} times", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--exact", action="store_true")
    args = parser.parse_args()
    binary, interpreter = engine(), python()
    results = BENCH / "value" / "results"
    results.mkdir(exist_ok=True)
    for case in args.cases.split(","):
        missing = [f for f in CASES[case][:2] if not (DATA / f).exists()]
        if missing:
            print(f"{case}: skipped, no {missing[0]} in {DATA}", file=sys.stderr)
            continue
        measured = measure(case, binary, interpreter, args.runs, args.exact, TARGET / "bench-value" / case)
        measured["machine"] = f"{platform.machine()}, {os.cpu_count()} cores"
        measured["date"] = datetime.date.today().isoformat()
        (results / f"{case}.json").write_text(json.dumps(measured, indent=1))
        show(measured)


if __name__ == "__main__":
    main()
