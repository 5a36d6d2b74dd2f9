"""The published variants of the embedded topic model: what each sets otherwise than the dataclasses of settings do."""

from typing import Any

PUBLISHED: dict[str, Any] = {
    "read_rho": False,
    "skip": False,
    "warm_start": False,
    "background": 0.0,
    "prior_variance": 1.0,
    "likelihood_eps": 1e-6,
    "overlap_weight": 0.0,
    "thinning": 0.0,
    "refine_steps": 0,
    "infer_steps": 0,
    "infer_sif": 0.0,
    "temperature": 1.0,
    "learning_rate": 0.005,
    "lr_schedule": "constant",
    "rho_lr": 1.0,
    "alpha_lr": 1.0,
    "num_epochs": 100,
    "embed_dim": 300,
}
"""What the published codes have in common."""

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "ntm": PUBLISHED
    | {
        "vectors": "cbow",
        "train_rho": False,
        "num_topics": 20,
        "hidden": (1024, 512),
        "dropout_layers": "all",
        "encoder_input": "counts",
        "theta_layer": True,
        "torch_bias": True,
        "renormalize": True,
        "reduction": "sum",
        "batch_size": 512,
    },
    "paper": PUBLISHED
    | {
        "vectors": "random",
        "num_topics": 50,
        "hidden": (800, 800),
        "encoder_input": "normalized",
        "weight_decay": 1.2e-6,
        "batch_size": 1000,
        "num_epochs": 1000,
        "export_from": "best",
    },
}
"""What each sets. What a user gives wins over it."""

PHRASES = {
    "default": "ours",
    "ntm": "EVAE of zll17/Neural_Topic_Models, to the letter (formerly report)",
    "paper": "adjidieng/ETM, to the letter",
}
"""What each is."""

RENAMED = {"report": "ntm"}
"""Former names, which are still taken: `report` is a command too."""
