#!/usr/bin/env python3
"""Retrainings per CPU second on one core: half subsets of scikit-learn's digits (1,200 records) and breast cancer (400).

    python3 bench/value/retrain.py [--cases breast_cancer,digits] [--runs 5]

The engine beside a warm-started solver in NumPy (Newton for breast cancer, preconditioned conjugate gradients for
digits) and scikit-learn's logistic regression, on the same masks, in turn, pinned. Agreement of the losses first. All
reach a gradient of 1e-5 a weight (digits) or 1e-6 a record (breast cancer) or less. Builds the engine (release) and
adds scikit-learn to the Python environment in the target folder. Results go to bench/value/results/retrain.json.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from run import BENCH, TARGET, engine, pinned, python  # noqa: E402

# name: (records, masks of the engine, of NumPy, of scikit-learn; what the engine is told). Two classes are two opposite
# scores there, so that their precision is twice that of one.
CASES = {
    "breast_cancer": (400, 2000, 2000, 300, ["--lambda", "2", "--tolerance", "4e-7"]),
    "digits": (1200, 200, 100, 30, ["--lambda", "1", "--tolerance", "1.8e-8"]),
}
ENGINE = "engine"


def export(name, folder):
    import numpy as np
    from sklearn import datasets

    size, count = CASES[name][:2]
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    train, valid = order[:size], order[size:]
    mean, scale = (0, 16) if name == "digits" else (x[train].mean(0), x[train].std(0))
    x = np.hstack([(x - mean) / scale, np.ones((len(x), 1))]).astype(np.float32).astype(np.float64)
    random = np.random.default_rng(2)
    masks = np.zeros((count, size), np.uint8)
    for mask in masks:
        mask[random.permutation(size)[: size // 2]] = 1
    parts = {"x": x[train], "y": y[train], "valid_x": x[valid], "valid_y": y[valid], "masks": masks}
    for part, array in parts.items():
        np.save(folder / f"{part}.npy", array)


def binary_newton(x, y, w):
    import numpy as np

    for _ in range(30):
        p = 1 / (1 + np.exp(-(x @ w)))
        g = x.T @ (p - y) + w
        if np.abs(g).max() < 4e-4:
            break
        h = (x * (p * (1 - p))[:, None]).T @ x
        h.flat[:: len(w) + 1] += 1
        w = w - np.linalg.solve(h, g)
    return w


def softmax(z):
    import numpy as np

    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def curvature(x, p):
    import numpy as np

    k, d = p.shape[1], x.shape[1]
    h = np.zeros((k, d, k, d))
    for a in range(k):
        for b in range(k):
            h[a, :, b, :] = (x * (p[:, a] * ((a == b) - p[:, b]))[:, None]).T @ x
    h = h.reshape(k * d, k * d)
    h.flat[:: k * d + 1] += 1
    return h


def conjugate_gradients(x, one_hot, start, factor):
    """Polak and Ribiere's, preconditioned by the curvature of all records."""
    import numpy as np
    from scipy.linalg import cho_solve

    theta, direction = start.copy(), None
    for _ in range(200):
        p = softmax(x @ theta.T)
        g = (p - one_hot).T @ x + theta
        if np.abs(g).max() < 1e-5:
            break
        s = cho_solve(factor, g.ravel(), check_finite=False).reshape(theta.shape)
        keep = 0 if direction is None else max(0.0, (s * (g - last_g)).sum() / (last_s * last_g).sum())
        direction = -s if direction is None else -s + keep * direction
        v = x @ direction.T
        bend = (p * v * v).sum() - ((p * v).sum(1) ** 2).sum() + (direction * direction).sum()
        theta = theta - (g * direction).sum() / bend * direction
        last_g, last_s = g, s
    return theta


def numpy_losses(name, x, y, masks):
    """A function that trains on one mask from the model of all records, and gives scores of rows."""
    import numpy as np
    from scipy.linalg import cho_factor
    from sklearn.linear_model import LogisticRegression

    full = LogisticRegression(C=1, fit_intercept=False, tol=1e-8, max_iter=5000).fit(x, y).coef_
    if name == "breast_cancer":
        return lambda m, rows: np.outer(rows @ binary_newton(x[m], y[m], full[0]), [0, 1])
    factor, one_hot = cho_factor(curvature(x, softmax(x @ full.T))), np.eye(10)[y]
    return lambda m, rows: rows @ conjugate_gradients(x[m], one_hot[m], full, factor).T


def peers(name, folder):
    """Losses and CPU time of NumPy and scikit-learn."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    x, y, valid_x, valid_y, masks = (np.load(folder / f"{p}.npy") for p in ("x", "y", "valid_x", "valid_y", "masks"))
    masks = masks.astype(bool)

    def sklearn(m, rows):
        fit = LogisticRegression(C=1, fit_intercept=False, tol=1e-6, max_iter=2000).fit(x[m], y[m])
        return fit.predict_log_proba(rows)

    out = {}
    for peer, count, scores in (("numpy", CASES[name][2], numpy_losses(name, x, y, masks)), ("sklearn", CASES[name][3], sklearn)):
        scores(masks[0], valid_x)
        before, losses, right = time.process_time(), [], []
        for m in masks[:count]:
            z = scores(m, valid_x)
            top = z.max(1)
            nats = np.log(np.exp(z - top[:, None]).sum(1)) + top - z[np.arange(len(valid_y)), valid_y]
            losses.append(nats.mean())
            right.append((z.argmax(1) == valid_y).mean())
        cpu = time.process_time() - before
        ours = np.load(folder / "losses.npy")[:count], np.load(folder / "right.npy")[:count]
        away = float(np.abs(ours[0] - losses).max()), int(round(np.abs(ours[1] - right).max() * len(valid_y)))
        out[peer] = {"per_s": count / cpu, "largest_loss_difference": away[0], "largest_difference_in_answers": away[1]}
    (folder / "peers.json").write_text(json.dumps(out))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--inside", nargs=3, metavar=("TASK", "CASE", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        task, case, folder = args.inside
        return {"export": export, "peers": peers}[task](case, pathlib.Path(folder))
    binary, interpreter = engine(), python()
    subprocess.run([pathlib.Path(interpreter).parent / "pip", "install", "--quiet", "scikit-learn"], check=True)
    results = {}
    for case in args.cases.split(","):
        folder = TARGET / "bench-retrain" / case
        folder.mkdir(parents=True, exist_ok=True)
        inside = ["env", "OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1", interpreter, __file__, "--inside"]
        subprocess.run(list(map(str, [*inside, "export", case, folder])), check=True)
        best = {}
        for _ in range(args.runs):
            pinned([binary, "retrain", folder, "--runs", "1", *CASES[case][4]])
            pinned([*inside, "peers", case, folder])
            runs = {ENGINE: json.loads((folder / "result.json").read_text()), **json.loads((folder / "peers.json").read_text())}
            best = {who: max((best.get(who, run), run), key=lambda r: r["per_s"]) for who, run in runs.items()}
        results[case] = best
        print(f"\n{case}: largest gradient {best[ENGINE]['largest_gradient']:.1e}, {best[ENGINE]['converged']} of {best[ENGINE]['retrainings']} converged")
        for who, run in best.items():
            against = "" if who == ENGINE else (
                f"  losses differ by {run['largest_loss_difference']:.1e} at most, answers by {run['largest_difference_in_answers']}"
                f"; engine {best[ENGINE]['per_s'] / run['per_s']:.1f} times")
            print(f"  {who:8s} {run['per_s']:9.0f} retrainings per CPU second{against}", flush=True)
    (BENCH / "value" / "results").mkdir(exist_ok=True)
    (BENCH / "value" / "results" / "retrain.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
