"""In which order the instructions of a stage serve the build cache best, and when they may change places."""
