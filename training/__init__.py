"""Training and evaluation: data -> run with a snapshot; this package knows nothing of graphs, engines or servers.

Imports point from later folders to earlier ones:

    recipe, randomness   keys of a training; random numbers as functions of seed and step
    data                 datasets and their sources
    networks             layers, the generator's base class, the pixel model
    objectives, optim    losses and tasks; optimizer steps, schedule, weight average
    models               the families, one per module
    presets              named recipes
    metrics              figures of pictures and features, as pure functions
    run                  a run on disk: snapshot, checkpoint, logs, alarms, processes
    evaluation           figures, page and document of a snapshot
    loop                 trains a preset into a run
"""

import os

# Waiting OpenMP threads spin by default. On two cores shared with a busy process this slowed a training from 440 to
# under 30 images/s; sleeping threads reach 140 there, and 390 on idle cores. OpenMP reads the variable when loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
