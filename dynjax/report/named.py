"""Names the settings of a run, and what its numbers come from, in plain words."""

SETTINGS = {
    "seed": "Start of all random numbers",
    "cohort.table": "Scan table",
    "cohort.labels": "Classes, negative and positive",
    "cohort.label_column": "Column of the scan table with the classes",
    "cohort.visit": "Visits of a subject that are used",
    "cohort.description": "Series of scans that are used",
    "cohort.embeddings": "Numbers that another program made of the scans",
    "cohort.shuffle": "Classes shuffled between subjects, as a control",
    "cohort.phantom.n": "Simulated subjects, if there is no scan table",
    "cohort.phantom.seed": "Start of the simulated subjects' random numbers",
    "cohort.phantom.skull": "Simulated subjects have a skull",
    "volume.grid": "Voxels of a scan along x, y and z",
    "volume.spacing": "Side of a voxel, mm",
    "volume.nan": "Scans with voxels that are no number",
    "volume.recipe": "Version of how a scan is read",
    "projection.name": "Kind of image made of a scan",
    "projection.axis": "Direction in which it is made",
    "projection.slabs": "Slabs that a scan is cut into",
    "projection.weights": "Weights of the slices",
    "projection.scale": "Range of the images' brightness",
    "model.name": "Network or baseline",
    "model.pretrained": "Starts from weights learned from photographs",
    "model.trainable": "Part of the network that is trained",
    "model.attention": "Attention, a mask over the image",
    "model.head": "Last layers of the network",
    "model.penalty": "Penalty on large weights of a linear answer",
    "model.cut": "Where the pretrained network is cut",
    "model.n_patches": "Patches that a 3D network joins",
    "model.dropout": "Share of units left out at random in training (dropout)",
    "model.dtype": "Precision of computation",
    "train.epochs": "Times that all training scans are seen (epochs)",
    "train.batch_size": "Examples in a step of training",
    "train.learning_rate": "Learning rate",
    "train.learning_rate_decay": "Factor of the learning rate after each epoch",
    "train.weight_decay": "Weight decay",
    "train.folds": "Groups that subjects are divided into (folds)",
    "train.repeats": "Times that subjects are divided anew",
    "train.only_folds": "Folds that are trained, all if none is named",
    "train.devices": "Devices that share a step of training",
    "train.stream": "Scans are read as they are needed",
    "train.checkpoint_every": "Epochs between two saved states",
    "evaluate.select": "Epoch that is scored",
}
ORIGINS = {
    "dynjax": "Version of dynjax",
    "jax": "Version of JAX",
    "flax": "Version of Flax",
    "python": "Version of Python",
    "device": "Computed on",
    "seed": "Start of all random numbers",
    "config_sha256": "Fingerprint of the settings (SHA-256)",
    "folds_sha256": "Fingerprint of the division into folds (SHA-256)",
    "finished": "Finished",
}


def setting_name(key: str) -> str:
    """Names a key of the config in plain words, with the key itself in brackets."""
    return f"{SETTINGS[key]} ({key})"


def origin_name(key: str) -> str:
    """Names an entry of the provenance in results.json in plain words."""
    return ORIGINS.get(key, key.replace("_", " "))
