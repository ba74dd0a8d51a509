#!/usr/bin/env python3
"""Attribution of answers: how well it predicts retraining, what the records that it names are worth, and its time.

    python3 bench/value/answers.py [--cases lds,removal,speed] [--queries 100]

  lds      V5 and V6: digits 1,200 / 597, labels clean and a fifth flipped (the split of methods.py), 100 random halves
           retrained; rank correlation of predicted and measured log-probability, mean over the test rows and of the mean
           loss. Three of the retrained models are solved again by NumPy, and with pyDVL or dattri in the environment
           their influence on the same weights is compared.
  removal  the records that each way names first for an answer (20) go, the model is trained again: bits of the answer
           really lost, and how many more without those that the path names, paired, with standard errors
  speed    10,000 records x 400 x 10, dense and sparse, digits and SciCite: CPU time of an answer on one core, and how near
           the quick way comes to the exact one

Builds the engine (release) and uses the environment of methods.py. Results go to bench/value/results/answers.json.
"""

import argparse
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from methods import RESULTS, TARGET, engine, inside, load, pinned, python  # noqa: E402
from run import DATA  # noqa: E402

SCICITE = [DATA / "scicite" / f"{part}.jsonl.gz" for part in ("train", "test")]


def agree(folder, out):
    """Of three halves: the measured log2-probabilities against Newton's method in NumPy; of influence: against a peer."""
    import numpy as np

    x, y, u, v = load(folder)
    masks, measured = np.load(out / "masks.npy"), np.load(out / "measured.npy")
    classes, d = y.max() + 1, x.shape[1]
    one = np.eye(classes)

    def softmax(z):
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    largest = 0.0
    for k in range(3):
        here, there = x[masks[k] > 0], y[masks[k] > 0]
        theta = np.zeros((d, classes))
        for _ in range(30):
            p = softmax(here @ theta)
            gradient = here.T @ (p - one[there]) + theta
            if np.abs(gradient).max() < 1e-9:
                break
            h = np.zeros((classes, d, classes, d))
            for a in range(classes):
                for b in range(classes):
                    h[a, :, b, :] = (here * (p[:, a] * ((a == b) - p[:, b]))[:, None]).T @ here
            h = h.reshape(classes * d, -1)
            h.flat[:: classes * d + 1] += 1.0
            theta = theta - np.linalg.solve(h, gradient.T.ravel()).reshape(classes, d).T
        bits = np.log2(softmax(u @ theta)[np.arange(len(v)), v])
        largest = max(largest, float(np.abs(bits - measured[k]).max()))
    found = {"largest_difference_bits": largest}
    for peer in ("influence_pydvl", "influence_dattri"):
        try:
            from methods import influence_dattri, influence_pydvl

            run = {"influence_pydvl": influence_pydvl, "influence_dattri": influence_dattri}[peer](folder)
        except ImportError:
            continue
        ours, theirs = np.load(out / "influence.npy"), np.asarray(run(), dtype=float)
        theirs = theirs if theirs.shape == ours.shape else theirs.T
        found[peer] = abs(float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]))
    print(json.dumps(found))


def measure(binary, out, *flags):
    out.mkdir(parents=True, exist_ok=True)
    pinned([binary, "answers", "--out", out, *flags])
    return json.loads((out / "result.json").read_text())


def scores(binary, interpreter, folder, results):
    for case in ("digits", "digits-flipped"):
        out = folder / f"lds-{case}"
        found = measure(binary, out, "--folder", folder / case, "--subsets", 100)
        theta = folder / case / "theta.npy"
        theta.write_bytes((out / "theta.npy").read_bytes())
        command = [interpreter, __file__, "--inside", folder / case, out]
        found["agreement"] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        print(f"\nlds {case}: {found['subsets']} halves, {found['retrain_cpu_s']:.2f} CPU s; {found['agreement']}")
        for name, s in sorted(found["lds"].items(), key=lambda item: -item[1]["each"]):
            print(f"  {name:18s} {s['each']:.4f} ± {s['se']:.4f}   of the mean loss {s['mean']:.3f}", flush=True)
        results[f"lds {case}"] = found


def removal(binary, folder, queries, results):
    cases = {case: ["--folder", folder / case, "--queries", queries] for case in ("digits", "digits-flipped")}
    if all(path.exists() for path in SCICITE):
        # A training takes a hundred times as long.
        few = ["--files", *SCICITE, "--lambda", 0.3, "--queries", max(2, queries // 5)]
        cases |= {"scicite": few, "scicite-flipped": [*few, "--flip", 5]}
    for case, flags in cases.items():
        found = measure(binary, folder / f"removal-{case}", *flags)
        print(f"\nremoval {case}: {found['queries']} answers less the {found['named']} named;", end=" ")
        print(f"the most missed found in {found['most_missed_ms']:.0f} CPU ms each")
        for name, lost in sorted(found["lost"].items(), key=lambda item: -item[1]["bits"]):
            print(f"  {name:18s} {lost['bits']:7.4f} bits; path {lost['path_more']:+.4f} ± {lost['se']:.4f}", flush=True)
        results[f"removal {case}"] = found


def speed(binary, folder, results):
    cases = {"dense": ["--queries", 100], "sparse": ["--queries", 300, "--sparse", 10]}
    cases["digits"] = ["--folder", folder / "digits", "--quick", "--queries", 300]
    if all(path.exists() for path in SCICITE):
        cases["scicite"] = ["--files", *SCICITE, "--lambda", 0.3, "--quick", "--queries", 50]
    for case, flags in cases.items():
        found = measure(binary, folder / f"speed-{case}", *flags)
        print(f"\nspeed {case}: {json.dumps(found, indent=1)}", flush=True)
        results[f"speed {case}"] = found


def main():
    if sys.argv[1:2] == ["--inside"]:
        return agree(*map(pathlib.Path, sys.argv[2:]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="lds,removal,speed")
    parser.add_argument("--queries", type=int, default=100)
    args = parser.parse_args()
    binary, interpreter = engine(), python()
    folder = TARGET / "bench-methods"
    inside(interpreter, "export", folder)
    results = {}
    for case in args.cases.split(","):
        if case == "lds":
            scores(binary, interpreter, folder, results)
        elif case == "removal":
            removal(binary, folder, args.queries, results)
        else:
            speed(binary, folder, results)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "answers.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
