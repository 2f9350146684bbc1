"""A linear answer to a vector for each scan, which another program such as a foundation model made.

python main.py --config=configs/baseline_embedding.py --config.cohort.table=scans.csv \\
    --config.cohort.embeddings=brainiac.csv --workdir=runs/baselines/brainiac          seconds for 100 scans

The file is a .csv with the columns subject, session and one for each number, or a .npz with the arrays subject, session
and vectors [N, D]. The session may be left out if every subject has one scan in the cohort.
"""

from configs.base import BASELINE, experiment


def get_config(variant: str = ""):
    return experiment(BASELINE | {"model.name": "embedding"}, variant, quick_epochs=1)
