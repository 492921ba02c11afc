"""One training run: input pipeline, schedule, loop, checkpoints, scores and previews."""
