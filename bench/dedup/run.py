#!/usr/bin/env python3
"""Near duplicates: this engine and others on the same corpora with the same truth, one core, from end to end.

    python3 bench/dedup/run.py [--tools assay,rensa,text-dedup,datatrove] [--runs 3] [--seed 2] [--corpora plain,adversarial,given]

Makes two corpora out of text that the machine has (`corpus.py`): a plain one of 210,000 texts where there are enough, and an
adversarial one. This engine's rules were chosen on `data/near_duplicates` (`given`, run where it is there), never on
these. Installs the other tools from the package index into environments in the target folder, runs each, and prints texts a
second of CPU time of the whole process (reading, parsing and writing included), its peak memory, and what was found.

Recall is the share of planted copies of which either half of the pair is removed; precision the share of what is removed that
belongs to such a pair; `half` the share of texts that only begin alike of which one is removed wrongly. Results go to
bench/dedup/results as JSON.
"""

import argparse
import datetime
import gzip
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
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", BENCH / "target")).resolve()
CORPORA = TARGET / "bench-dedup"
PACKAGES = {
    "rensa": ["rensa==0.5.0"],
    "datatrove": ["datatrove[processing,io]==0.10.1", "spacy"],
    "text-dedup": ["text-dedup==0.4.0"],
}
# Tool, way of using it, name of the setting, the setting.
SETTINGS = [
    ("assay", "assay", "", []),
    ("rensa", "rensa", "fastest", []),
    ("rensa", "rensa-streaming", "0.5, 32 bands", ["threshold=0.5", "bands=32"]),
    ("text-dedup", "text-dedup", "default", []),
    ("datatrove", "datatrove", "default", []),
]
QUIET = {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
         "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


def engine():
    build = ["cargo", "build", "--release", "--quiet", "-p", "assay-quality", "--example", "dedup", "--target-dir", TARGET]
    subprocess.run(build, check=True, cwd=BENCH.parent)
    return TARGET / "release" / "examples" / "dedup"


def environment(tool):
    """The interpreter of an environment that has the tool; `None`, and why, where it cannot be installed."""
    folder = TARGET / f"dedup-{tool}"
    if not (folder / "installed").exists():
        venv.create(folder, with_pip=True)
        done = subprocess.run([folder / "bin" / "pip", "install", "--quiet", *PACKAGES[tool]], capture_output=True, text=True)
        if done.returncode:
            print(f"{tool}: not installed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            return None
        (folder / "installed").touch()
    return folder / "bin" / "python"


def measured(command, output):
    """CPU seconds and peak megabytes of a process and those it waits for, on one core where the machine can."""
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    prefix = ["taskset", "-c", str(core)] if core is not None and shutil.which("taskset") else []
    with open(output, "w") as out, open(CORPORA / "log", "w") as log:
        process = subprocess.Popen([*prefix, *map(str, command)], stdout=out, stderr=log, env={**os.environ, **QUIET})
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{command[0]} failed: {(CORPORA / 'log').read_text()[-400:]}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def removed_by(tool, way, options, binary, corpus, runs):
    out = CORPORA / "removed"
    if tool == "assay":
        times = [measured([binary, corpus], out) for _ in range(runs)]
        removed = {int(json.loads(line)["id"]) for line in out.read_text().splitlines()}
    else:
        script = pathlib.Path(__file__).with_name("peers.py")
        times = [measured([binary, script, way, corpus, out, *options], CORPORA / "output") for _ in range(runs)]
        removed = set(map(int, out.read_text().split()))
    return removed, min(cpu for cpu, _ in times), max(memory for _, memory in times)


def score(removed, truth):
    found, members = {}, set()
    for pair in truth:
        hits = found.setdefault(pair["kind"], [0, 0])
        hits[0] += pair["src"] in removed or pair["dup"] in removed
        hits[1] += 1
        if pair["kind"] != "half":
            members |= {pair["src"], pair["dup"]}
    copies = [hits for kind, hits in found.items() if kind != "half"]
    return {
        "precision": len(removed & members) / max(1, len(removed)),
        "recall": sum(hits for hits, _ in copies) / sum(all for _, all in copies),
        "kinds": {kind: hits / all for kind, (hits, all) in sorted(found.items())},
        "removed": len(removed),
    }


def corpora(names, seed):
    """Name and folder of every corpus, made where it is not there yet."""
    make = pathlib.Path(__file__).with_name("corpus.py")
    for name, options in (("plain", []), ("adversarial", ["--adversarial", "--texts", "60000", "--copies", "2000"])):
        folder = CORPORA / f"{name}-seed-{seed}"
        if name in names:
            if not (folder / "truth.jsonl").exists():
                subprocess.run([sys.executable, make, folder, "--seed", str(seed), *options], check=True)
            yield name, folder
    given = DATA / "near_duplicates"
    if "given" in names and given.exists() and shutil.which("zstd"):
        folder = CORPORA / "given"
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["zstd", "-dqf", given / "corpus.jsonl.zst", "-o", folder / "corpus.jsonl"], check=True)
        (folder / "truth.jsonl").write_bytes(gzip.decompress((given / "truth.jsonl.gz").read_bytes()))
        yield "given", folder


def show(result):
    kinds = "  ".join(f"{kind} {share:.3f}" for kind, share in result["kinds"].items())
    print(f"  {result['tool']:16s}{result['setting']:14s}{result['per_second']:9,.0f}/s {result['times']:6.1f}x {result['mb']:6.0f} MB"
          f"  precision {result['precision']:.4f}  recall {result['recall']:.4f}  {kinds}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", default="assay,rensa,text-dedup,datatrove")
    parser.add_argument("--runs", type=int, default=3, help="of this engine; the least time counts")
    parser.add_argument("--peer-runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--corpora", default="plain,adversarial,given")
    args = parser.parse_args()
    CORPORA.mkdir(parents=True, exist_ok=True)
    tools = args.tools.split(",")
    binaries = {tool: engine() if tool == "assay" else environment(tool) for tool in tools}
    results = pathlib.Path(__file__).with_name("results")
    results.mkdir(exist_ok=True)
    for name, folder in corpora(args.corpora.split(","), args.seed):
        truth = [json.loads(line) for line in open(folder / "truth.jsonl")]
        texts = sum(1 for _ in open(folder / "corpus.jsonl", "rb"))
        print(f"\n{name}: {texts:,} texts, load {os.getloadavg()[0]:.1f}; times: CPU time of the tool over this engine's")
        table, own = [], None
        for tool, way, setting, options in SETTINGS:
            if binaries.get(tool) is None:
                continue
            runs = args.runs if tool == "assay" else args.peer_runs
            try:
                removed, cpu, mb = removed_by(tool, way, options, binaries[tool], folder / "corpus.jsonl", runs)
            except RuntimeError as failure:
                print(f"  {tool} {setting}: {failure}", flush=True)
                continue
            own = own or cpu
            table.append({"tool": way, "setting": setting, "cpu_s": cpu, "per_second": texts / cpu, "times": cpu / own, "mb": mb,
                          **score(removed, truth)})
            show(table[-1])
        about = {"corpus": name, "texts": texts, "seed": args.seed, "load": round(os.getloadavg()[0], 1), "date": datetime.date.today().isoformat(),
                 "machine": f"{platform.machine()}, {os.cpu_count()} cores", "packages": PACKAGES, "table": table}
        (results / f"{name.replace(' ', '-')}.json").write_text(json.dumps(about, indent=1))


if __name__ == "__main__":
    main()
