"""One training run: input pipeline, schedule, loop, checkpoints, scores, previews."""
