#!/usr/bin/env python3
"""V10: what the model loses with the records of least and of most value, retrained by scikit-learn.

    python3 bench/value/removal.py

scikit-learn's digits with a fifth of the labels moved, 1,200 records. Values come from one half of the held-out rows and never
see the other half, on which accuracy and bits are measured after the lowest 20% or the highest 40% are taken out. Beside
the values stand the training loss, chance, and an oracle that knows which labels were moved. Results go to
bench/value/results/removal.json.
"""

import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from methods import METHODS, RESULTS, TARGET, load, python, run_engine  # noqa: E402
from run import engine, inside  # noqa: E402

CASE, SEEN = "digits-flipped", 298
CUTS = {"low 10%": 0.1, "low 20%": 0.2, "low 30%": 0.3, "high 20%": -0.2, "high 40%": -0.4}


def halves(folder):
    """The case again, with the first half of the held-out rows as what values may see."""
    import numpy as np

    target = folder / "removal"
    shutil.copytree(folder / CASE, target, dirs_exist_ok=True)
    for part in ("valid_x", "valid_y"):
        np.save(target / f"{part}.npy", np.load(folder / CASE / f"{part}.npy")[:SEEN])


def without(rows, x, y, u, v):
    """Accuracy and mean bits lost on the unseen half, by a model of these rows."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1, fit_intercept=False, tol=1e-6, max_iter=5000).fit(x[rows], y[rows])
    bits = -np.log2(model.predict_proba(u)[np.arange(len(v)), np.searchsorted(model.classes_, v)])
    return [float((model.predict(u) == v).mean()), float(bits.mean())]


def cut(folder):
    """Of the values in values.npy: what is left after each cut."""
    import numpy as np

    x, y, u, v = load(folder / CASE)
    ranks = np.argsort(np.load(folder / "removal" / "values.npy"), kind="stable")
    n = len(ranks)
    keep = {name: ranks[round(part * n):] if part > 0 else ranks[:n - round(-part * n)] for name, part in CUTS.items()}
    print(json.dumps({name: without(rows, x, y, u[SEEN:], v[SEEN:]) for name, rows in keep.items()}))


def bounds(folder):
    """Everything, the oracle, and chance (mean of ten draws)."""
    import numpy as np

    x, y, u, v = load(folder / CASE)
    rest = (x, y, u[SEEN:], v[SEEN:])
    honest = np.setdiff1d(np.arange(len(y)), np.load(folder / CASE / "flipped.npy"))
    draws = [np.random.default_rng(seed).permutation(len(y)) for seed in range(10)]
    chance = {name: np.mean([without(d[round(abs(part) * len(y)):], *rest) for d in draws], 0).tolist() for name, part in CUTS.items()}
    print(json.dumps({"everything": without(np.arange(len(y)), *rest), "oracle": without(honest, *rest), "chance": chance}))


def main():
    if sys.argv[1:2] == ["--inside"]:
        return globals()[sys.argv[2]](pathlib.Path(sys.argv[3]))
    binary, interpreter = engine(), python()
    folder = TARGET / "bench-methods"
    inside(pathlib.Path(__file__).with_name("methods.py"), interpreter, "export", folder)
    inside(__file__, interpreter, "halves", folder)
    found = inside(__file__, interpreter, "bounds", folder)
    everything, oracle = found["everything"], found["oracle"]
    print(f"everything {everything[0]:.3f}, {everything[1]:.3f} bits; without the moved labels {oracle[0]:.3f}, {oracle[1]:.3f} bits")
    print(f"accuracy, bits of loss without the   {'   '.join(f'{name:>12s}' for name in CUTS)}")
    for method in METHODS:
        run_engine(binary, folder / "removal", "--method", method)
        found[method] = inside(__file__, interpreter, "cut", folder)
    for name in ("chance", *METHODS):
        print(f"  {name:34s}" + "   ".join(f"{a:.3f} {b:6.3f}" for a, b in found[name].values()), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "removal.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
