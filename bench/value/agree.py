"""How well the values in a folder agree, pair by pair: one JSON object on stdout. Usage: agree.py FOLDER"""

import json
import pathlib
import sys

import numpy as np
from scipy.stats import pearsonr, spearmanr


def agreement(a, b):
    a, b = a.ravel(), b.ravel()
    largest = np.abs(a - b).max()
    return dict(
        pearson=float(pearsonr(a, b).statistic),
        spearman=float(spearmanr(a, b).statistic),
        largest=float(largest),
        relative=float(largest / np.abs(b).max()),
    )


folder = pathlib.Path(sys.argv[1])
out = {}
for kind in ("values", "fold_values"):
    found = {"engine": folder / f"{kind}.npy"}
    found |= {way: folder / f"{way}_{kind}.npy" for way in ("plain", "twin", "exact")}
    found = {way: np.load(path) for way, path in found.items() if path.exists()}
    truth = "exact" if "exact" in found else "plain"
    for way in found:
        if way != truth and truth in found and found[way].size:
            label = f"{way} / {truth}" + (" by fold" if kind == "fold_values" else "")
            out[label] = agreement(found[way], found[truth])
print(json.dumps(out))
