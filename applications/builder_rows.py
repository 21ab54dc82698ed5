"""Rows of the registry of builders for networks that see through a pretrained one; nothing is imported here."""

PATCHCORE = {
    "path": "applications.anomalies:patchcore",
    "kinds": ("images",),
    "shape": (64, 64, 3),
    "task": "anomaly_detection",
    "uncropped": True,
    "adapts": True,
}
