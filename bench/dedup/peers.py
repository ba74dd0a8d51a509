#!/usr/bin/env python3
"""Other tools over a corpus, each from end to end: reads JSON lines, writes the ids that it would remove.

    python peers.py rensa|rensa-streaming|datatrove|text-dedup CORPUS OUT key=value ...

Run by `run.py` with the interpreter of the environment that has the tool. Settings are the tool's own names.
"""

import glob
import json
import pathlib
import subprocess
import sys
import tempfile


def rows(corpus):
    with open(corpus) as lines:
        for line in lines:
            yield json.loads(line)


def shingles(text, words):
    tokens = text.lower().split()
    if words == 1:
        return tokens
    return [" ".join(tokens[at : at + words]) for at in range(max(1, len(tokens) - words + 1))]


def rensa(corpus, bands=8, permutations=128):
    """All at once, by its fastest sketch, as in its own benchmark."""
    from rensa import RMinHash, RMinHashLSH

    ids, words = zip(*((row["id"], row["text"].split()) for row in rows(corpus)))
    matrix = RMinHash.digest_matrix_from_token_sets_rho(words, num_perm=permutations, seed=42, probes=4)
    index = RMinHashLSH(threshold=0.8, num_perm=permutations, num_bands=bands)
    yield from (key for key, duplicate in zip(ids, index.query_duplicate_flags_matrix_one_shot(matrix)) if duplicate)


def rensa_streaming(corpus, ngram=1, threshold=0.8, bands=16, permutations=128):
    from rensa import RMinHashDeduplicator

    index = RMinHashDeduplicator(
        threshold=threshold, num_perm=permutations, use_lsh=True, num_bands=bands, seed=42
    )
    pairs = [(row["id"], shingles(row["text"], ngram)) for row in rows(corpus)]
    for at in range(0, len(pairs), 1000):
        batch = pairs[at : at + 1000]
        yield from (key for (key, _), added in zip(batch, index.add_pairs(batch)) if not added)


def datatrove(corpus, ngram=5, buckets=14, hashes=8):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
    )
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers.jsonl import JsonlWriter
    from datatrove.utils.hashing import HashConfig

    corpus = pathlib.Path(corpus)
    config = MinhashConfig(n_grams=ngram, num_buckets=buckets, hashes_per_bucket=hashes,
                           hash_config=HashConfig(precision=64))
    read = lambda: JsonlReader(str(corpus.parent), glob_pattern=corpus.name, compression=None)  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        stages = [
            [read(), MinhashDedupSignature(output_folder=f"{folder}/signatures", config=config)],
            [MinhashDedupBuckets(input_folder=f"{folder}/signatures", output_folder=f"{folder}/buckets", config=config)],
            [MinhashDedupCluster(input_folder=f"{folder}/buckets", output_folder=f"{folder}/removed", config=config)],
            [read(), MinhashDedupFilter(input_folder=f"{folder}/removed"), JsonlWriter(f"{folder}/kept", compression=None)],
        ]
        for number, stage in enumerate(stages):
            tasks = buckets if number == 1 else 1
            LocalPipelineExecutor(pipeline=stage, tasks=tasks, workers=1, logging_dir=f"{folder}/logs{number}").run()
        kept = {row["id"] for path in glob.glob(f"{folder}/kept/*") for row in rows(path)}
    yield from (row["id"] for row in rows(corpus) if row["id"] not in kept)


def text_dedup(corpus, ngram=5, threshold=0.7, permutations=250):
    corpus = pathlib.Path(corpus)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "text_dedup.minhash", "--path", "json", "--data_files", str(corpus), "--split", "train",
                   "--cache_dir", f"{folder}/cache", "--output", f"{folder}/out", "--column", "text", "--ngram", ngram,
                   "--threshold", threshold, "--num_perm", permutations, "--num_proc", 1, "--batch_size", 10_000]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
        import datasets

        kept = set(datasets.load_from_disk(f"{folder}/out")["id"])
    yield from (row["id"] for row in rows(corpus) if row["id"] not in kept)


def main():
    tool, corpus, out, *settings = sys.argv[1:]
    number = lambda text: float(text) if "." in text else int(text)  # noqa: E731
    options = {name: number(value) for name, value in (setting.split("=") for setting in settings)}
    tools = {"rensa": rensa, "rensa-streaming": rensa_streaming, "datatrove": datatrove, "text-dedup": text_dedup}
    with open(out, "w") as removed:
        removed.writelines(f"{key}\n" for key in tools[tool](corpus, **options))


if __name__ == "__main__":
    main()
