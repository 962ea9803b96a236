"""A store with everything that a table may have to show; `python -m tests.report.golden.store` writes its tables."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fmbench.report.render import DATA
from fmbench.report.table import build
from fmbench.store.records import NOT_APPLICABLE
from tests.helpers import tiny_plan
from tests.report.made_up import fill, methods, number, text

HERE = Path(__file__).parent
FILES = {"md": "table.md", "latex": "table.tex", "html": "table.html", "csv": "table.csv", "json": "table.json"}
VALUES = {
    "fm-ot": {"nll": [2.24, 2.26, 2.25], "fid": [1.0, 1.2, 1.1], "nfe": [180.0, 184.0, 181.0]},
    "fm-vp": {"nll": [2.41, 2.43, 2.42], "fid": [3.1, 3.0, 3.2], "nfe": [283.0, 280.0, 286.0]},
    "edm": {"nll": [2.27, 2.28, 2.26], "fid": [1.13, 1.2, 1.05], "nfe": [258.0, 250.0, 262.0]},
    "glow": {"nll": [2.169, 2.170, 2.171], "fid": [6.6, 6.7, 6.5], "nfe": [1.0, 1.0, 1.0]},
    "i-resnet": {"nll": [2.26, 2.2, 2.3], "fid": [2.0, 2.1, 2.2], "nfe": [20.0, 21.0, 20.5]},
    "copycat": {"fid": [0.04, 0.05, 0.03], "nfe": [0.0, 0.0, 0.0]},
}


def fill_store(root: Path) -> None:
    """Ties, one row ahead of all, a biased number, a control, a failure, numbers that cannot or could not be had."""
    methods(root, VALUES, **{"glow": "exact", "i-resnet": "truncated"})
    failed, smld, unsure = tiny_plan(methods=["ddpm", "smld", "ot-cfm"])
    fill(root, failed, [], "failed", "ValueError: x < 0 & y_1 > 50 % (see log.txt)")
    cannot = number(smld, "nll", None, reason=NOT_APPLICABLE)
    fill(root, smld, [cannot, number(smld, "fid", 4.9, family="digits-v1"), number(smld, "nfe", 401.0)])
    fill(
        root,
        unsure,
        [number(unsure, "nll", None, reason="dopri5 underflowed at t = 0.99"), number(unsure, "nfe", 99.0)],
    )
    (swept,) = tiny_plan("train.lr=0.5", methods=["ot-cfm"])
    fill(root, swept, {"nll": (2.5, "bits/dim", "pf-ode"), "nfe": (90.0, "", "")})


def tables(root: Path) -> dict[str, str]:
    """What each format says of a store."""
    rows = build(root)
    return {form: DATA[form](rows) if form in DATA else text(rows, form) for form in FILES}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        fill_store(Path(folder))
        for form, content in tables(Path(folder)).items():
            (HERE / FILES[form]).write_text(content, encoding="utf-8")
