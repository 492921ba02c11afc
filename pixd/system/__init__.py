"""The ground: files, disks, the clock, names, errors. It knows nothing of pictures or of the store."""
