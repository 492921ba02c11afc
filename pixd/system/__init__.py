"""What all packages build on: files, disks, clock, names, errors. No pictures, and no store."""
