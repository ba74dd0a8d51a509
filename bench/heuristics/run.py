#!/usr/bin/env python3
"""Heuristics over single texts: datatrove's four filters beside the one pass of assay, on the same documents.

    python3 bench/heuristics/run.py [--documents 20000] [--seed 1]

Documents are a seeded sample of the base of `near_duplicates` (real short documents) in the data folder (../shared/data
beside the repository, or ASSAY_DATA). datatrove comes from PyPI into bench/target/gates-venv, once. Each filter runs on
one core over all documents with its defaults, its tokeniser loaded before; CPU time counts. The documents are
written by people, so the share that a filter keeps is the share that it should. Prints one table, and the ratio of the costs.
"""

import argparse
import gzip
import json
import os
import pathlib
import random
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
DATA = pathlib.Path(os.environ.get("ASSAY_DATA", REPOSITORY.parent / "shared" / "data"))
VENV = REPOSITORY / "bench" / "target" / "gates-venv"
# What the environment of the filters runs: argument, a file of documents; output, one JSON object.
PEERS = r"""
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import importlib.metadata
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter
documents = [Document(text=json.loads(line)["text"], id=str(i)) for i, line in enumerate(open(sys.argv[1], encoding="utf-8"))]
kept_by_all = set(range(len(documents)))
out = {"version": importlib.metadata.version("datatrove"), "filters": {}}
for make in (GopherQualityFilter, GopherRepetitionFilter, C4QualityFilter, FineWebQualityFilter):
    judge = make()
    for document in documents[:20]:
        judge.filter(Document(text=document.text, id="warm"))
    start, kept = time.process_time(), set()
    for i, document in enumerate(documents):
        copy = Document(text=document.text, id=document.id)
        if judge.filter(copy) is True:
            kept.add(i)
    seconds = time.process_time() - start
    kept_by_all &= kept
    out["filters"][make.__name__] = {"micros": seconds * 1e6 / len(documents), "kept": len(kept) / len(documents)}
out["kept_by_all"] = len(kept_by_all) / len(documents)
print(json.dumps(out))
"""


def environment():
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    probe = subprocess.run([python, "-c", "import datatrove, spacy, nltk"], capture_output=True)
    if probe.returncode:
        subprocess.run([python, "-m", "pip", "install", "-q", "datatrove[processing]", "spacy"], check=True)
    return python


def sample(count, seed):
    """Base documents only: no planted copies, so that all of them are good."""
    corpus, truth = DATA / "near_duplicates" / "corpus.jsonl.zst", DATA / "near_duplicates" / "truth.jsonl.gz"
    with gzip.open(truth, "rt", encoding="utf-8") as lines:
        planted = {json.loads(line)["dup"] for line in lines}
    unpacked = subprocess.run(["zstd", "-dc", corpus], capture_output=True, check=True).stdout.decode()
    lines = [line for i, line in enumerate(unpacked.splitlines()) if i not in planted]
    return random.Random(seed).sample(lines, count)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    documents = results / "documents.jsonl"
    documents.write_text("\n".join(sample(arguments.documents, arguments.seed)) + "\n", encoding="utf-8")
    run = ["cargo", "run", "-q", "--release", "-p", "assay-quality", "--example", "text_speed", "--", documents]
    ours = json.loads(subprocess.run(run, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout)
    peers = subprocess.run([environment(), "-c", PEERS, documents], check=True, capture_output=True, text=True)
    peers = json.loads(peers.stdout.splitlines()[-1])
    (results / "table.json").write_text(json.dumps({"assay": ours, "datatrove": peers}, indent=1) + "\n")
    mean = ours["bytes"] / ours["documents"]
    print(f"{ours['documents']} documents, {mean:.0f} bytes on average, one core; datatrove {peers['version']}\n")
    print("| filter | us/document | kept |\n|---|---|---|")
    for name, figures in peers["filters"].items():
        print(f"| {name} | {figures['micros']:.0f} | {figures['kept']:.1%} |")
    total = sum(figures["micros"] for figures in peers["filters"].values())
    print(f"| all four | {total:.0f} | {peers['kept_by_all']:.1%} |")
    print(f"| assay, every gate over one text | {ours['micros']:.2f} | {ours['passed'] / ours['documents']:.2%} |")
    print(f"\nratio {total / ours['micros']:.0f}; stopped by assay: {ours['reasons']}")


if __name__ == "__main__":
    main()
