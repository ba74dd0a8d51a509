#!/usr/bin/env python3
"""Methods of value beside their peers: same data, same split, one core, CPU time. Agreement first, then the ratio.

    python3 bench/value/methods.py [--cases knn,influence,flips,ranks] [--runs 5] [--slow]

  knn        kNN-Shapley, k = 5, digits 1,200 / 597: NumPy's recursion, pyDVL (and dattri with --slow: half a minute)
  influence  influence of every record on every example, 650 parameters, all on one set of weights: NumPy's closed form,
             pyDVL DirectInfluence, dattri IFAttributorExplicit; the fit is not counted
  flips      a fifth of the labels moved: average precision and F1 of each method's lowest values, and its CPU time
  ranks      rank agreement of two runs of Data Banzhaf, 2,000 retrainings each, on three other splits of digits

Builds the engine (release) and makes a Python environment in the target folder with scikit-learn, pyDVL and dattri from
PyPI (torch is large). Engine and peers run in turn, pinned; of `--runs` each the least CPU time counts, imports and a
first call not counted. Results go to bench/value/results/methods.json.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from run import BENCH, TARGET, engine, pinned  # noqa: E402
from run import inside as inside_of  # noqa: E402

RESULTS = BENCH / "value" / "results"
PEERS = {"knn": ["numpy", "pydvl"], "influence": ["numpy", "pydvl", "dattri"]}
METHODS = ["path", "influence", "influence-centred", "knn-shapley", "out-of-bag", "training-loss", "projection"]
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


def python():
    """An environment of its own with the peers."""
    import venv

    folder = TARGET / "methods-venv"
    if not (folder / "bin" / "python").exists():
        venv.create(folder, with_pip=True)
        wanted = ["numpy", "scipy", "scikit-learn", "pydvl[influence]", "dattri"]
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *wanted], check=True)
    return folder / "bin" / "python"


# ---- In the environment of the peers: `methods.py --inside TASK FOLDER`.


def export(*seed_and_folder):
    """Splits (seed 0 unless one is given) and flips: scikit-learn's digits and breast cancer, a constant column added."""
    import numpy as np
    from sklearn import datasets

    *seed, folder = seed_and_folder
    for name, size in (("digits", 1200), ("breast_cancer", 400)):
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        order = np.random.default_rng(int(seed[0]) if seed else 0).permutation(len(y))
        train, valid = order[:size], order[size:]
        mean, scale = (0, 16) if name == "digits" else (x[train].mean(0), x[train].std(0))
        x = np.hstack([(x - mean) / scale, np.ones((len(x), 1))]).astype(np.float32).astype(np.float64)
        random = np.random.default_rng(0)
        flipped = np.sort(random.choice(size, size=round(0.2 * size), replace=False))
        noisy, classes = y[train].copy(), y.max() + 1
        noisy[flipped] = (noisy[flipped] + random.integers(1, classes, size=len(flipped))) % classes
        for case, labels in ((name, y[train]), (name + "-flipped", noisy)):
            target = folder / case
            target.mkdir(parents=True, exist_ok=True)
            arrays = {"x": x[train], "valid_x": x[valid], "y": labels, "valid_y": y[valid]}
            for array, content in arrays.items():
                np.save(target / f"{array}.npy", content.astype(np.float64))
            np.save(target / "flipped.npy", flipped)


def load(folder):
    import numpy as np

    names = ("x", "y", "valid_x", "valid_y")
    x, y, u, v = (np.load(folder / f"{name}.npy") for name in names)
    return x, y.astype(int), u, v.astype(int)


def knn_numpy(folder):
    import numpy as np

    x, y, u, v = load(folder)

    def run():
        distance = (u**2).sum(1)[:, None] - 2 * u @ x.T + (x**2).sum(1)[None]
        order = np.argsort(distance, axis=1, kind="stable")
        match = (y[order] == v[:, None]).astype(float)
        values = np.empty_like(match)
        values[:, -1] = match[:, -1] / len(y)
        steps = (match[:, :-1] - match[:, 1:]) / np.maximum(5, np.arange(1, len(y)))
        values[:, :-1] = values[:, -1:] + np.cumsum(steps[:, ::-1], axis=1)[:, ::-1]
        out = np.zeros_like(values)
        np.put_along_axis(out, order, values, axis=1)
        return out.mean(0)

    return run


def knn_pydvl(folder):
    from joblib import parallel_config
    from pydvl.valuation import Dataset
    from pydvl.valuation.methods.knn_shapley import KNNShapleyValuation
    from sklearn.neighbors import KNeighborsClassifier
    import numpy as np

    x, y, u, v = load(folder)

    def run():
        method = KNNShapleyValuation(KNeighborsClassifier(n_neighbors=5), Dataset(u, v), progress=False)
        with parallel_config(n_jobs=1):
            method.fit(Dataset(x, y))
        return method.result.values[np.argsort(method.result.indices)]

    return run


def knn_dattri(folder):
    import torch
    from dattri.algorithm.data_shapley import KNNShapleyAttributor

    x, y, u, v = load(folder)

    def loader(a, b):
        data = torch.utils.data.TensorDataset(torch.tensor(a, dtype=torch.float32), torch.tensor(b))
        return torch.utils.data.DataLoader(data, batch_size=200)

    def run():
        values = KNNShapleyAttributor(k_neighbors=5).attribute(loader(x, y), loader(u, v)).numpy()
        return values.mean(1 if values.shape[0] == len(y) else 0)

    return run


def influence_numpy(folder):
    import numpy as np
    from scipy.linalg import cho_factor, cho_solve

    x, y, u, v = load(folder)
    theta = np.load(folder / "theta.npy")
    classes = theta.shape[1]

    def softmax(z):
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def run():
        p, q = softmax(x @ theta), softmax(u @ theta)
        d = x.shape[1]
        h = np.zeros((classes, d, classes, d))
        for a in range(classes):
            for b in range(a, classes):
                block = (x * ((p[:, a] if a == b else 0) - p[:, a] * p[:, b])[:, None]).T @ x
                h[a, :, b, :] = block
                h[b, :, a, :] = block.T
        h = h.reshape(classes * d, -1)
        h.flat[:: classes * d + 1] += 1.0
        one = np.eye(classes)
        own = ((p - one[y])[:, :, None] * x[:, None, :]).reshape(len(y), -1)
        theirs = ((q - one[v])[:, :, None] * u[:, None, :]).reshape(len(v), -1)
        return own @ cho_solve(cho_factor(h), theirs.T) / np.log(2)

    return run


def torch_model(folder):
    import numpy as np
    import torch

    x, y, u, v = load(folder)
    theta = np.load(folder / "theta.npy")
    model = torch.nn.Linear(theta.shape[0], theta.shape[1], bias=False)
    model.weight.data = torch.tensor(theta.T, dtype=torch.float32)
    return model, [torch.tensor(a, dtype=torch.float32 if a.dtype.kind == "f" else torch.long) for a in (x, y, u, v)]


def influence_pydvl(folder):
    import torch
    from pydvl.influence.torch import DirectInfluence

    model, (x, y, u, v) = torch_model(folder)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=len(y))
    loss = torch.nn.functional.cross_entropy

    def run():
        method = DirectInfluence(model, loss, regularization=1.0 / len(y)).fit(data)
        return method.influences(u, v, x, y).detach().numpy()

    return run


def influence_dattri(folder):
    import torch
    from dattri.algorithm import IFAttributorExplicit
    from dattri.task import AttributionTask

    model, (x, y, u, v) = torch_model(folder)

    def loss(params, data):
        return torch.nn.functional.cross_entropy(torch.func.functional_call(model, params, data[0]), data[1])

    def loader(a, b):
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(a, b), batch_size=len(b))

    task = AttributionTask(loss_func=loss, model=model, checkpoints=model.state_dict())

    def run():
        method = IFAttributorExplicit(task=task, regularization=1.0 / len(y))
        method.cache(loader(x, y))
        with torch.no_grad():
            return method.attribute(loader(x, y), loader(u, v)).numpy()

    return run


def peer(task, name, folder):
    import numpy as np

    if name != "numpy":
        import torch

        torch.set_num_threads(1)
    run = globals()[f"{task}_{name}"](folder)
    if name != "dattri" or task != "knn":
        run()
    before = time.process_time()
    result = np.asarray(run(), dtype=float)
    seconds = time.process_time() - before
    np.save(folder / f"{task}_{name}.npy", result)
    (folder / "peer.json").write_text(json.dumps({"cpu_s": seconds}))


def compare(task, name, folder):
    """Of the engine's result and a peer's, up to orientation, sign and scale: correlation; largest difference, of the largest."""
    import numpy as np

    ours = np.load(folder / ("values.npy" if task == "knn" else "matrix.npy"))
    theirs = np.load(folder / f"{task}_{name}.npy")
    theirs = theirs if theirs.shape == ours.shape else theirs.T
    r = np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]
    scaled = theirs * ((ours * theirs).sum() / (theirs * theirs).sum())
    print(json.dumps({"correlation": abs(r), "largest": float(abs(ours - scaled).max() / abs(ours).max())}))


def detect(folder):
    import numpy as np
    from sklearn.metrics import average_precision_score

    values, flipped = np.load(folder / "values.npy"), np.load(folder / "flipped.npy")
    bad = np.zeros(len(values), bool)
    bad[flipped] = True
    lowest = np.argsort(values, kind="stable")[: len(flipped)]
    print(json.dumps({"ap": average_precision_score(bad, -values), "f1": float(bad[lowest].mean())}))


# ---- Outside.


def same_ranks(folder):
    """Rank correlation of the values of two runs."""
    import numpy as np
    from scipy.stats import spearmanr

    print(json.dumps(float(spearmanr(*(np.load(folder / f"values{seed}.npy") for seed in (1, 2)))[0])))


def inside(interpreter, *what):
    return inside_of(__file__, interpreter, *what)


def run_engine(binary, folder, *flags):
    pinned([binary, "methods", folder, "--runs", 5, *flags])
    return json.loads((folder / "result.json").read_text())["cpu_s"]


def side_by_side(task, flags, peers, binary, interpreter, folder, runs):
    seconds = {name: [] for name in ("engine", *peers)}
    run_engine(binary, folder, *flags)
    for _ in range(runs):
        seconds["engine"].append(run_engine(binary, folder, *flags))
        for name in peers:
            pinned([interpreter, __file__, "--inside", "peer", task, name, folder])
            seconds[name].append(json.loads((folder / "peer.json").read_text())["cpu_s"])
    least = {name: min(times) for name, times in seconds.items()}
    agreement = {name: inside(interpreter, "compare", task, name, folder) for name in peers}
    print(f"\n{task} {' '.join(flags)}")
    for name, a in agreement.items():
        print(f"  with {name:7s} correlation {a['correlation']:.8f}  largest difference {a['largest']:.1e}")
    for name, s in least.items():
        print(f"  {name:7s} {1e3 * s:8.1f} CPU ms  {s / least['engine']:7.1f} times the engine", flush=True)
    return {"agreement": agreement, "cpu_s": least}


def flips(binary, interpreter, folder):
    out = {}
    for case in ("digits-flipped", "breast_cancer-flipped"):
        print(f"\n{case}: lowest values against what was flipped")
        for method in METHODS:
            seconds = run_engine(binary, folder / case, "--method", method)
            found = inside(interpreter, "detect", folder / case)
            out[f"{case} {method}"] = {**found, "cpu_s": seconds}
            print(f"  {method:18s} AP {found['ap']:.4f}  F1 {found['f1']:.3f}  {1e3 * seconds:8.1f} CPU ms", flush=True)
    return out


def ranks(binary, interpreter, folder):
    out = {}
    for split in (1, 2, 3):
        target = folder / f"split{split}"
        inside(interpreter, "export", split, target)
        for seed in (1, 2):
            pinned([binary, "methods", target / "digits", "--runs", 1, "--method", "banzhaf", "--seed", seed])
            (target / "digits" / "values.npy").rename(target / "digits" / f"values{seed}.npy")
        out[f"split {split}"] = inside(interpreter, "same_ranks", target / "digits")
        print(f"\nsplit {split}: rank correlation of two runs {out[f'split {split}']:.4f}", flush=True)
    return out


def main():
    if sys.argv[1:2] == ["--inside"]:
        task, *what, folder = sys.argv[2:]
        return globals()[task](*what, pathlib.Path(folder))
    os.environ.update(THREADS)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="knn,influence,flips,ranks")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--slow", action="store_true")
    args = parser.parse_args()
    binary, interpreter = engine(), python()
    folder = TARGET / "bench-methods"
    inside(interpreter, "export", folder)
    results = {}
    for case in args.cases.split(","):
        if case in ("flips", "ranks"):
            results[case] = globals()[case](binary, interpreter, folder)
            continue
        peers = PEERS[case] + (["dattri"] if case == "knn" and args.slow else [])
        ways = {"knn": [["--method", "knn-shapley"]]}
        both = ["--method", "influence-matrix"]
        for flags in ways.get(case, [[*both, "--precision", name] for name in ("auto", "double", "single")]):
            result = side_by_side(case, flags, peers, binary, interpreter, folder / "digits", args.runs)
            results[" ".join([case, *flags[2:]])] = result
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "methods.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nwritten to {RESULTS / 'methods.json'}")


if __name__ == "__main__":
    main()
